//! A program as `up` starts it: in its own process group, tied to `up` by its standard input, its log in a file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// How much of the end of a log is looked at.
const TAIL_BYTES: u64 = 8 << 10;
/// A log of this length is put aside. Two of each program are kept.
const LONGEST_LOG: u64 = 10 << 20;

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {name}: {source}")]
pub(crate) struct SpawnError {
    /// The program.
    pub(crate) name: String,
    /// Why not.
    pub(crate) source: io::Error,
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// For messages.
    pub(crate) name: String,
    /// The file to execute.
    pub(crate) executable: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where its output goes, one run after the other.
    pub(crate) log: PathBuf,
}

impl Program {
    /// Starts it. Ctrl-C in the terminal does not reach it (its own process group); the end of this process does
    /// (its standard input ends).
    pub(super) fn spawn(&self) -> Result<Child, SpawnError> {
        let start = || -> io::Result<Child> {
            let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.log)?;
            Command::new(&self.executable)
                .args(&self.arguments)
                .stdin(Stdio::piped())
                .stdout(log.try_clone()?)
                .stderr(log)
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        start().map_err(|source| SpawnError { name: self.name.clone(), source })
    }

    /// Puts a log that has grown long aside as `NAME.log.1`, in place of the one before. The program keeps its open
    /// file, which appends, so the file is emptied rather than renamed; what is written in between is lost.
    pub(super) fn shorten_log(&self) -> io::Result<()> {
        self.shorten_log_beyond(LONGEST_LOG)
    }

    fn shorten_log_beyond(&self, longest: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.log)?;
        if file.metadata()?.len() <= longest {
            return Ok(());
        }
        // The copy takes the permissions of the log over.
        std::fs::copy(&self.log, self.log.with_extension("log.1"))?;
        file.set_len(0)
    }

    /// What it said last: the last line that begins with `error: `, without that, else the last line.
    pub(super) fn last_words(&self) -> Option<String> {
        let tail = self.tail().ok()?;
        let lines = || tail.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let error = lines().filter_map(|line| line.strip_prefix("error: ")).next_back();
        error.or_else(|| lines().next_back()).map(str::to_owned)
    }

    fn tail(&self) -> io::Result<String> {
        let mut file = File::open(&self.log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_long_log_is_put_aside_once_and_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("a.log");
        let program = Program {
            name: "a".to_owned(),
            executable: "/bin/sh".into(),
            arguments: Vec::new(),
            log: log.clone(),
        };
        let mut writer = OpenOptions::new().append(true).create(true).mode(0o600).open(&log).unwrap();
        for (text, aside) in [("first\n", "first\n"), ("second\n", "second\n"), ("3\n", "second\n")] {
            writer.write_all(text.as_bytes()).unwrap();
            program.shorten_log_beyond(4).unwrap();
            assert_eq!(std::fs::read_to_string(directory.path().join("a.log.1")).unwrap(), aside);
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "3\n");
        let mode = std::fs::metadata(directory.path().join("a.log.1")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
