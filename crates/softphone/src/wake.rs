//! Wakes a thread that waits for sockets, from another thread.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The end that wakes.
#[derive(Debug)]
pub(crate) struct Waker(UnixStream);

/// The end that is woken.
#[derive(Debug)]
pub(crate) struct Woken(UnixStream);

/// A connected pair.
pub(crate) fn pair() -> io::Result<(Waker, Woken)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((Waker(waker), Woken(woken)))
}

impl Waker {
    /// Wakes. A full pipe means that it is awake already; a closed one that nobody is left.
    pub(crate) fn wake(&self) {
        let _ = (&self.0).write(&[1]);
    }
}

impl Woken {
    /// Forgets all wake-ups so far.
    pub(crate) fn clear(&self) {
        let mut sink = [0; 64];
        while matches!((&self.0).read(&mut sink), Ok(n) if n == sink.len()) {}
    }
}

impl AsFd for Woken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the descriptors is readable, at most `timeout`.
pub(crate) fn wait_readable(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    // An interrupted wait is a short one: callers look at the clock and the sockets anyway.
    let _ = poll(&mut polled, timeout.as_ref());
}
