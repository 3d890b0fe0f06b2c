//! What the programs say to each other: identifiers, config documents, media and admin messages.
//!
//! Plain serde values. This crate must not know how they travel (that is `voip-grpc`), what decides on them
//! (`call-core`, `voip-plan`) or where they are kept.

pub mod admin;
pub mod config;
pub mod ids;
pub mod media;
pub mod node_admin;

pub use ids::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};
