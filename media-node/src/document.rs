//! `media.json`: loaded at start, read again once a second, taken over when it is good.
//!
//! The file is compared by content, not by time: a `ConfigMap` volume changes by swapping symbolic links.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use voip_contract::config::{DOCUMENT_VERSION, MEDIA_DOCUMENT, MediaDocument};

/// Why a document cannot be used. Each names the file.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// It is not there or not readable.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON, or not of our form. The message holds line and column.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: serde_json::Error,
    },
    /// It is of another version than ours.
    #[error("{}: version {found}, this release reads {DOCUMENT_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// The document on disk and the one that runs.
#[derive(Debug)]
pub struct DocumentFile {
    path: PathBuf,
    /// What was read last, good or bad.
    seen: Vec<u8>,
}

impl DocumentFile {
    /// Loads `media.json` of `directory`.
    pub fn load(directory: &Path) -> Result<(Self, MediaDocument), DocumentError> {
        let path = directory.join(MEDIA_DOCUMENT);
        let seen =
            std::fs::read(&path).map_err(|source| DocumentError::Read { path: path.clone(), source })?;
        let document = parse(&path, &seen)?;
        Ok((Self { path, seen }, document))
    }

    /// The new document if the content has changed; a bad one is reported once, and the last good one stays.
    pub fn poll(&mut self) -> Option<Result<MediaDocument, DocumentError>> {
        // A file that is being replaced may be missing for a moment.
        let content = std::fs::read(&self.path).ok()?;
        if content == self.seen {
            return None;
        }
        self.seen = content;
        Some(parse(&self.path, &self.seen))
    }
}

fn parse(path: &Path, content: &[u8]) -> Result<MediaDocument, DocumentError> {
    let document: MediaDocument = serde_json::from_slice(content)
        .map_err(|source| DocumentError::Parse { path: path.to_owned(), source })?;
    if document.version != DOCUMENT_VERSION {
        return Err(DocumentError::Version { path: path.to_owned(), found: document.version });
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"fingerprint":"00ff","cluster":"a/b","localCidrs":["10.0.0.0/8"],"orphanSeconds":60}"#;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str, content: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("media-node-document-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let directory = Self(path);
            directory.write(content);
            directory
        }

        fn write(&self, content: &str) {
            std::fs::write(self.0.join(MEDIA_DOCUMENT), content).unwrap();
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_kind_of_bad_document_is_refused_with_its_place() {
        let missing = DocumentFile::load(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/media.json"), "{missing}");
        let directory = Directory::new("bad", "{\n  \"version\": 1,\n  \"speed\": 9\n}");
        let unknown = DocumentFile::load(&directory.0).unwrap_err().to_string();
        assert!(unknown.contains("speed") && unknown.contains("line 3"), "{unknown}");
        directory.write(&GOOD.replace(":1,", ":7,"));
        let version = DocumentFile::load(&directory.0).unwrap_err().to_string();
        assert!(version.contains("version 7"), "{version}");
    }

    #[test]
    fn a_change_is_seen_once_and_a_bad_one_too() {
        let directory = Directory::new("poll", GOOD);
        let (mut file, document) = DocumentFile::load(&directory.0).unwrap();
        assert_eq!(document.orphan_seconds, 60);
        assert!(file.poll().is_none());
        directory.write(&GOOD.replace(":60", ":5"));
        assert_eq!(file.poll().unwrap().unwrap().orphan_seconds, 5);
        assert!(file.poll().is_none());
        directory.write("nonsense");
        assert!(file.poll().unwrap().is_err());
        assert!(file.poll().is_none());
        directory.write(GOOD);
        assert_eq!(file.poll().unwrap().unwrap().orphan_seconds, 60);
    }
}
