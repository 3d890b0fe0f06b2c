//! The bytes of the config directory. It must not know what is in them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use voip_contract::config::{SIP_DOCUMENT, USERS_DOCUMENT, USERS_PREFIX};

/// All documents together, in bytes: ten thousand users take about five million.
const MAX_BYTES: u64 = 64 << 20;
/// Documents with users.
const MAX_FILES: usize = 64;
/// Where kubelet keeps the files of a volume: a link that it swaps, so that all of them change at once.
const SWAPPED: &str = "..data";
/// How often a directory that is swapped while it is read is read again.
const ATTEMPTS: usize = 3;

/// What a file held, or why it cannot be read.
pub(super) type Read = Result<Vec<u8>, ErrorKind>;

/// The documents as read: two contents that are equal need no second look.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(super) sip: Read,
    /// By file name; never empty.
    pub(super) users: BTreeMap<String, Read>,
}

impl fmt::Debug for Content {
    /// Says nothing: users have credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

impl Content {
    /// Reads the documents of `directory`: all of one state of it, where kubelet made it.
    pub(crate) fn read(directory: &Path) -> Self {
        let mut state = state_of(directory);
        let mut content = Self::read_state(&state);
        for _ in 1..ATTEMPTS {
            let now = state_of(directory);
            if now == state {
                break;
            }
            content = Self::read_state(&now);
            state = now;
        }
        content
    }

    fn read_state(directory: &Path) -> Self {
        let mut budget = MAX_BYTES;
        let sip = bytes(&directory.join(SIP_DOCUMENT), &mut budget);
        let names = users_documents(directory);
        let users = names.into_iter().zip(1..).take(MAX_FILES + 1).map(|(name, number)| {
            let read = match number {
                ..=MAX_FILES => bytes(&directory.join(&name), &mut budget),
                _ => Err(ErrorKind::QuotaExceeded),
            };
            (name, read)
        });
        Self { sip, users: users.collect() }
    }
}

/// Where the files really are at this moment.
fn state_of(directory: &Path) -> PathBuf {
    directory.join(SWAPPED).canonicalize().unwrap_or_else(|_| directory.to_owned())
}

/// Names of the documents with users; where there is none, that of the one that should be.
fn users_documents(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| holds_users(name)).collect();
    names.sort_unstable();
    if names.is_empty() { vec![USERS_DOCUMENT.to_owned()] } else { names }
}

fn holds_users(name: &str) -> bool {
    let numbered = || name.strip_prefix(USERS_PREFIX)?.strip_suffix(".json");
    name == USERS_DOCUMENT || numbered().is_some()
}

fn bytes(path: &Path, budget: &mut u64) -> Read {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.kind())?;
    file.take(*budget + 1).read_to_end(&mut bytes).map_err(|error| error.kind())?;
    *budget = budget.checked_sub(bytes.len() as u64).ok_or(ErrorKind::FileTooLarge)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
