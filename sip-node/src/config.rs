//! The config documents: read, checked together, and read again when they change on disk.

mod load;
mod watch;

pub(crate) use load::{ConfigError, load};
pub(crate) use watch::{ConfigState, Watch};
