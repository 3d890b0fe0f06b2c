//! One `up` per state directory.
//!
//! A record lock rather than `flock`: others can ask who holds it without taking it, and the kernel drops it when
//! its process dies, however it dies.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::{StateDir, StateError};

/// Held as long as it lives. The file must not be opened a second time in the process that holds it: closing that
/// second handle would drop the lock (POSIX, `fcntl`).
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl StateDir {
    /// Takes the directory for this process.
    pub(crate) fn lock(&self) -> Result<Lock, StateError> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StateError::io("open", &path))?;
        if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Lock { _file: file });
        }
        let pid = holder(&file).unwrap_or_default();
        Err(StateError::InUse { pid, path: self.root().to_owned() })
    }

    /// The process id of the `up` that runs on this directory, if one does. Not to be asked by that `up` itself.
    pub(crate) fn running(&self) -> Option<i32> {
        let file = OpenOptions::new().read(true).write(true).open(self.lock_file()).ok()?;
        holder(&file)
    }
}

fn holder(file: &File) -> Option<i32> {
    let question = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let held = fcntl_getlk(file, &question).ok()??;
    held.pid.map(|pid| pid.as_raw_nonzero().get())
}
