//! Call detail records in SQLite: a row from the start of each call, closed when it ends.
//!
//! Nothing here may hold up a call: the writer has its own thread and a bounded queue, and a disk that fails costs
//! records, not calls.

mod print;
mod read;
mod schema;
mod writer;

use std::path::PathBuf;

pub use read::read;
pub(crate) use writer::{CdrCounters, CdrQueue, CdrWriter};

/// File name of the database in the state directory.
pub const CDR_DATABASE: &str = "cdrs.sqlite";

/// Why CDRs could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CdrError {
    /// There is no such file.
    #[error("there are no CDRs at {}", path.display())]
    Missing {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open the CDR database {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was written by a newer release.
    #[error("the CDR database {} has version {found}; this release knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Its tables cannot be brought up to date.
    #[error("cannot migrate the CDR database {} to version {version}: {source}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The version that failed.
        version: u32,
        /// Why.
        source: rusqlite::Error,
    },
    /// Records cannot be written.
    #[error("cannot write CDRs: {0}")]
    Write(#[source] rusqlite::Error),
    /// Records cannot be read.
    #[error("cannot read CDRs: {0}")]
    Read(#[source] rusqlite::Error),
    /// The writer's thread cannot be started.
    #[error("cannot start the CDR writer: {0}")]
    Spawn(#[source] std::io::Error),
}
