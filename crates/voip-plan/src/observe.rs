//! From Kubernetes objects to what is planned with.
//!
//! Pure: objects go in, plain values come out; where the objects come from is not known here. What an object does not
//! say is not known, never invented.

pub mod leases;
pub mod media;
pub mod nodes;
pub mod pods;
pub mod workloads;
