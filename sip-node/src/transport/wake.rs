//! Wakes the decision thread: cheap while it is awake, one write when it sleeps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

#[derive(Debug)]
struct Shared {
    event: OwnedFd,
    asleep: AtomicBool,
}

/// Held by everybody who puts something into a queue of the decision thread.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<Shared>);

/// Held by the decision thread.
#[derive(Debug)]
pub(crate) struct Sleeper(Arc<Shared>);

/// A pair of them.
pub(crate) fn pair() -> std::io::Result<(Waker, Sleeper)> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared { event, asleep: AtomicBool::new(false) });
    Ok((Waker(Arc::clone(&shared)), Sleeper(shared)))
}

impl Waker {
    /// To be called after something was put into a queue.
    pub(crate) fn wake(&self) {
        // Pairs with the fence in `fall_asleep`: either the sleeper sees what was put, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.0.asleep.swap(false, Ordering::AcqRel) {
            // Fails only when the counter is full, and then the sleeper wakes too.
            let _ = rustix::io::write(&self.0.event, &1_u64.to_ne_bytes());
        }
    }
}

impl Sleeper {
    /// From here on wake-ups are wanted. The queues must be looked at once more after this.
    pub(crate) fn fall_asleep(&self) {
        self.0.asleep.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Awake again.
    pub(crate) fn woke(&self) {
        if !self.0.asleep.swap(false, Ordering::AcqRel) {
            // Somebody wrote, or is about to: a stale wake-up costs one turn of the loop.
            let _ = rustix::io::read(&self.0.event, &mut [0_u8; 8]);
        }
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::transport::wait;

    #[test]
    fn a_sleeper_is_woken_and_then_sleeps_again() {
        let (waker, sleeper) = pair().unwrap();
        sleeper.fall_asleep();
        let thread = std::thread::spawn(move || waker.wake());
        let start = Instant::now();
        wait(&[], &sleeper, Duration::from_secs(30));
        assert!(start.elapsed() < Duration::from_secs(30));
        thread.join().unwrap();
        sleeper.woke();
        sleeper.fall_asleep();
        let start = Instant::now();
        wait(&[], &sleeper, Duration::from_millis(5));
        assert!(start.elapsed() >= Duration::from_millis(5));
    }
}
