//! Shows the log of a program in the terminal of `up`, as it grows.
//!
//! The log goes to a file first and comes from there: a pipe would break the programs when `up` is killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Files announce nothing without a watch of their own; a person reads slower than this.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Copies complete lines of `log` to standard error until it is dropped, each after `name`.
pub(super) async fn follow(name: String, log: PathBuf) {
    let mut reader = None;
    let mut line = Vec::new();
    loop {
        if reader.is_none() {
            reader = File::open(&log).ok().map(BufReader::new);
        }
        if let Some(reader) = &mut reader {
            rewind_when_emptied(reader);
            while let Ok(1..) = reader.read_until(b'\n', &mut line) {
                if !line.ends_with(b"\n") {
                    // Half a line; its rest comes later.
                    break;
                }
                let text = String::from_utf8_lossy(&line);
                // A terminal that is gone is no reason to end the cluster.
                let _ = write!(std::io::stderr(), "{name}: {text}");
                line.clear();
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A log that grew long is emptied and begins anew.
fn rewind_when_emptied(reader: &mut BufReader<File>) {
    let read = reader.stream_position().unwrap_or(0);
    if reader.get_ref().metadata().is_ok_and(|now| now.len() < read) {
        // Tried again at the next look.
        let _ = reader.rewind();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_log_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "first line\n").unwrap();
        let mut reader = BufReader::new(File::open(&path).unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        std::fs::write(&path, "new\n").unwrap();
        rewind_when_emptied(&mut reader);
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "new\n");
    }
}
