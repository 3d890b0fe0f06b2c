//! The config documents: read, checked together, and read again when they change on disk.

mod content;
mod load;
mod watch;

pub(crate) use load::{ConfigError, Fingerprints, Loaded, load};
pub(crate) use watch::{ConfigState, Watch};
