//! When to end: SIGTERM, SIGINT and, for a child process, the end of its standard input.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Why the process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// Standard input ended: whoever started us is gone.
    InputClosed,
}

/// The installed handlers.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    input: mpsc::Receiver<()>,
}

/// Installs the handlers; from here on the signals no longer end the process by themselves. With `exit_with_stdin`
/// the end of standard input counts too: a parent that was killed cannot send a signal, but its end of the pipe
/// closes. Must be called inside a tokio runtime.
pub fn signals(exit_with_stdin: bool) -> io::Result<Signals> {
    let (closed, input) = mpsc::channel(1);
    if exit_with_stdin {
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            wait_for_end(io::stdin().lock());
            // Nobody listens when the process is ending already.
            let _ = closed.blocking_send(());
        })?;
    }
    Ok(Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        input,
    })
}

/// Reads and forgets until the end or an error other than an interruption.
fn wait_for_end(mut input: impl io::Read) {
    let mut ignored = [0; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}

impl Signals {
    /// Waits for the next one. Each is reported once; the end of standard input only the first time.
    pub async fn next(&mut self) -> Cause {
        tokio::select! {
            _ = self.terminate.recv() => Cause::Terminate,
            _ = self.interrupt.recv() => Cause::Interrupt,
            Some(()) = self.input.recv() => Cause::InputClosed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_read_to_its_end_not_to_its_first_byte() {
        let mut input = io::Cursor::new(vec![0_u8; 1000]);
        wait_for_end(&mut input);
        assert_eq!(input.position(), 1000);
    }
}
