//! What `cargo xtask codegen` makes of the .proto files.

pub(crate) mod admin;
pub(crate) mod media;
