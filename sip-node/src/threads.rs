//! Threads that live as long as the process: whoever starts one hears when one ends, be it by a panic.

use std::thread::JoinHandle;

use tokio::sync::mpsc;

/// Starts threads and notes their ends.
#[derive(Debug, Clone)]
pub(crate) struct Threads {
    ended: mpsc::UnboundedSender<&'static str>,
}

impl Threads {
    /// And where the names of ended ones come: at most one each.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<&'static str>) {
        let (ended, names) = mpsc::unbounded_channel();
        (Self { ended }, names)
    }

    /// Runs `body` on a thread called `name`.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let end = End { name, ended: self.ended.clone() };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _end = end;
            body();
        })
    }
}

/// Dropped when its thread ends, in whatever way.
struct End {
    name: &'static str,
    ended: mpsc::UnboundedSender<&'static str>,
}

impl Drop for End {
    fn drop(&mut self) {
        // Nobody listens any more when the process is ending.
        let _ = self.ended.send(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_or_panics_is_named() {
        let (threads, mut ended) = Threads::new();
        let first = threads.spawn("returns", || {}).unwrap();
        assert_eq!(ended.blocking_recv(), Some("returns"));
        let second = threads.spawn("panics", || std::panic::resume_unwind(Box::new(()))).unwrap();
        assert_eq!(ended.blocking_recv(), Some("panics"));
        assert!(first.join().is_ok() && second.join().is_err());
    }
}
