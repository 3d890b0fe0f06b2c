//! The state directory: what outlives one command and what commands in other terminals find.
//!
//! It must not know what is in the documents that it keeps, nor how they came about.

mod lock;
mod passwords;
mod run_file;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub(crate) use passwords::{Passwords, random_password};
pub(crate) use run_file::{RunFile, RunUser};

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// There is no default.
    #[error("no default state directory: neither XDG_STATE_HOME nor HOME is set; give --state-dir DIR")]
    NoDefault,
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of ours cannot be understood.
    #[error("{} is damaged: {reason}; {mend}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// Another `up` uses it.
    #[error("another up (pid {pid}) runs on {}: stop it, or give this one its own --state-dir", path.display())]
    InUse {
        /// Process that holds the lock.
        pid: i32,
        /// The directory.
        path: PathBuf,
    },
    /// No `up` uses it.
    #[error("no up runs on {}", path.display())]
    NotRunning {
        /// The directory.
        path: PathBuf,
    },
}

impl StateError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// The directory, not necessarily there yet.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// `given`, or the default that all commands share: `$XDG_STATE_HOME/voipctl/default`, where `XDG_STATE_HOME`
    /// stands for `$HOME/.local/state` when unset (XDG Base Directory Specification).
    pub(crate) fn new(given: Option<PathBuf>) -> Result<Self, StateError> {
        let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = match given {
            Some(root) => root,
            None => set("XDG_STATE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".local/state")))
                .ok_or(StateError::NoDefault)?
                .join("voipctl/default"),
        };
        let root = std::path::absolute(&root).map_err(StateError::io("find", &root))?;
        Ok(Self { root })
    }

    /// Makes the directory and its parts, for this user alone.
    pub(crate) fn create(&self) -> Result<(), StateError> {
        for directory in [self.root.clone(), self.sip_config(), self.media_config(), self.logs()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .map_err(StateError::io("create", &directory))?;
        }
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
            .map_err(StateError::io("protect", &self.root))
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where sip-node finds its documents.
    pub(crate) fn sip_config(&self) -> PathBuf {
        self.root.join("sip")
    }

    /// Where the media-nodes find theirs.
    pub(crate) fn media_config(&self) -> PathBuf {
        self.root.join("media")
    }

    /// Where the programs' logs go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The database of call detail records.
    pub(crate) fn cdrs(&self) -> PathBuf {
        self.root.join("cdrs.sqlite")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    fn run_file(&self) -> PathBuf {
        self.root.join("up.json")
    }

    /// Reads a document that `up` wrote.
    pub(crate) fn read_document<T: DeserializeOwned>(&self, path: &Path) -> Result<T, StateError> {
        let content =
            read_optional(path)?.ok_or_else(|| StateError::NotRunning { path: self.root.clone() })?;
        serde_json::from_slice(&content).map_err(|error| StateError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
            mend: "restart up",
        })
    }

    /// Where generated passwords are.
    pub(crate) fn passwords_file(&self) -> PathBuf {
        self.root.join("passwords.json")
    }
}

/// Replaces `path` as a whole: readers see the old or the new content, never a part. Readable by this user alone.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let draft = path.with_extension("draft");
    let write = || -> io::Result<()> {
        let mut file = private_file(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(StateError::io("write", path))
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // An older file keeps its mode when it is opened for creation.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_directory_and_its_files_are_for_this_user_alone() {
        let parent = tempfile::tempdir().unwrap();
        let state = StateDir::new(Some(parent.path().join("a/b"))).unwrap();
        state.create().unwrap();
        assert_eq!(mode(state.root()), 0o700);
        let file = state.sip_config().join("users.json");
        fs::write(&file, "old").unwrap();
        write_atomically(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn an_existing_open_directory_is_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::new(Some(parent.path().to_owned())).unwrap().create().unwrap();
        assert_eq!(mode(parent.path()), 0o700);
    }
}
