//! From a plan to the API server: leases first, by compare-and-swap; then objects, by server-side apply; then what is
//! rendered no more is pruned.
//!
//! It must not know what is in the objects.

pub mod leases;
pub mod objects;
pub mod prune;
