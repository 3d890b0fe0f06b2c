//! From Kubernetes objects to the world that `voip-plan` plans for.
//!
//! Pure: a store's objects go in, plain values come out. What an object does not say is not known, never invented.

pub mod leases;
pub mod nodes;
pub mod pods;
pub mod workloads;
