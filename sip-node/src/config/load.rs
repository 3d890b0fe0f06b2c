//! Checks the documents: `sip.json`, and `users.json` or `users-00.json` and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use call_core::{Documents, Switch};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use voip_contract::config::{DOCUMENT_VERSION, SIP_DOCUMENT, SipDocument, UsersDocument};

use super::content::{Content, Read};

/// Why the documents cannot run. Prints as `FILE:LINE:COLUMN: reason` or `FILE: field: reason`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no document: syntax, an unknown or missing field, a value of another type.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A document of another release.
    #[error("{}: version: this release reads {DOCUMENT_VERSION}, the document has {found}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it states.
        found: u64,
    },
    /// A field has a value that cannot run.
    #[error("{}: {field}: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The documents contradict themselves.
    #[error("{}/{source}", directory.display())]
    Refused {
        /// Where they are.
        directory: PathBuf,
        /// What is wrong, beginning with the file.
        source: call_core::ConfigError,
    },
}

/// Documents that can run, and the bytes they were read from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The documents.
    pub(crate) documents: Arc<Documents>,
    /// Their fingerprints, by file name.
    pub(crate) fingerprints: Fingerprints,
    /// What was read.
    pub(crate) content: Content,
}

/// Fingerprints by file name.
pub(crate) type Fingerprints = BTreeMap<String, String>;

impl Content {
    /// Checks what was read from `directory`.
    pub(crate) fn check(self, directory: &Path) -> Result<Loaded, ConfigError> {
        let sip_path = directory.join(SIP_DOCUMENT);
        let sip: SipDocument = parse(&sip_path, &self.sip)?;
        check_sip(&sip, &sip_path)?;
        let mut fingerprints = Fingerprints::from([(SIP_DOCUMENT.to_owned(), sip.fingerprint.clone())]);
        let mut names = BTreeSet::new();
        let mut users = Vec::new();
        for (file, read) in &self.users {
            let path = directory.join(file);
            let document: UsersDocument = parse(&path, read)?;
            check_users(&document, &mut names, &path)?;
            fingerprints.insert(file.clone(), document.fingerprint);
            users.extend(document.users);
        }
        let documents = Arc::new(Documents { sip, users });
        // What the switch refuses it names by the file, relative to the directory.
        Switch::check(&documents)
            .map_err(|source| ConfigError::Refused { directory: directory.to_owned(), source })?;
        Ok(Loaded { documents, fingerprints, content: self })
    }
}

/// Reads and checks the documents of `directory`.
pub(crate) fn load(directory: &Path) -> Result<Loaded, ConfigError> {
    Content::read(directory).check(directory)
}

/// The only field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

fn parse<T: DeserializeOwned>(path: &Path, read: &Read) -> Result<T, ConfigError> {
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(kind) => return Err(ConfigError::Read { path: path.to_owned(), source: (*kind).into() }),
    };
    // A newer document may have fields that this release does not know: its version says more than they do.
    if let Ok(Versioned { version }) = serde_json::from_slice(bytes)
        && version != u64::from(DOCUMENT_VERSION)
    {
        return Err(ConfigError::Version { path: path.to_owned(), found: version });
    }
    serde_json::from_slice(bytes).map_err(|error| syntax(path, &error))
}

fn syntax(path: &Path, error: &serde_json::Error) -> ConfigError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let reason = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    ConfigError::Syntax { path: path.to_owned(), line, column, reason }
}

fn field(path: &Path, field: impl Into<String>, reason: impl Into<String>) -> ConfigError {
    ConfigError::Field { path: path.to_owned(), field: field.into(), reason: reason.into() }
}

fn check_sip(sip: &SipDocument, path: &Path) -> Result<(), ConfigError> {
    if sip.realm.is_empty() {
        return Err(field(path, "realm", "must not be empty"));
    }
    if sip.listeners.is_empty() {
        return Err(field(path, "listeners", "name at least one"));
    }
    let mut names = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for (index, listener) in sip.listeners.iter().enumerate() {
        if !names.insert(&listener.name) {
            return Err(field(path, format!("listeners[{index}].name"), "another listener has this name"));
        }
        if listener.port == 0 {
            return Err(field(path, format!("listeners[{index}].port"), "must be 1 to 65535"));
        }
        if !ports.insert((listener.protocol, listener.port)) {
            return Err(field(path, format!("listeners[{index}].port"), "another listener has this port"));
        }
    }
    Ok(())
}

/// `names` are those of the documents before it.
fn check_users(users: &UsersDocument, names: &mut BTreeSet<String>, path: &Path) -> Result<(), ConfigError> {
    for (index, user) in users.users.iter().enumerate() {
        if user.username.is_empty() {
            return Err(field(path, format!("users[{index}].username"), "must not be empty"));
        }
        if !names.insert(user.username.clone()) {
            return Err(field(path, format!("users[{index}].username"), "another user has this name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
