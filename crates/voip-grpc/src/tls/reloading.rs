//! Certificates in a directory, read again when they change.
//!
//! Compared by content, not by time: a Secret volume changes by swapping symbolic links, and may be caught in between.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Identity, Part, TlsError};

/// The files are looked at when a connection is made, at most this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The newest good certificates of a directory: `tls.crt`, `tls.key` and `ca.crt`.
#[derive(Debug)]
pub struct Reloading {
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What was read last, good or bad.
    seen: Texts,
    identity: Identity,
    looked: Instant,
}

/// The content of the three files. Not printed: one of them is a key.
#[derive(PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

impl Texts {
    fn read(directory: &Path) -> Result<Self, TlsError> {
        let read = |part: Part| {
            let path = directory.join(part.file_name());
            std::fs::read(&path).map_err(|source| TlsError::Read { path, source })
        };
        Ok(Self {
            certificate: read(Part::Certificate)?,
            key: read(Part::Key)?,
            authority: read(Part::Authority)?,
        })
    }

    fn identity(&self) -> Result<Identity, TlsError> {
        Identity::from_pem(&self.certificate, &self.key, &self.authority)
    }
}

impl Reloading {
    /// Loads what `directory` holds; fails when that is not usable.
    pub fn load(directory: &Path) -> Result<Self, TlsError> {
        let seen = Texts::read(directory)?;
        let identity = seen.identity()?;
        let state = Mutex::new(State { seen, identity, looked: Instant::now() });
        Ok(Self { directory: directory.to_owned(), state })
    }

    /// For a new connection. Bad new files are logged once and the old certificates stay.
    pub(crate) fn identity(&self) -> Identity {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_INTERVAL {
            state.looked = Instant::now();
            state.look(&self.directory);
        }
        state.identity.clone()
    }
}

impl State {
    fn look(&mut self, directory: &Path) {
        // Files that are being replaced may be missing for a moment.
        let Ok(texts) = Texts::read(directory) else { return };
        if texts == self.seen {
            return;
        }
        match texts.identity() {
            Ok(identity) => {
                tracing::info!(directory = %directory.display(), "new certificates are used from here on");
                self.identity = identity;
            }
            Err(error) => {
                tracing::error!(directory = %directory.display(), %error, "the new certificates are refused; the old ones stay");
            }
        }
        self.seen = texts;
    }
}
