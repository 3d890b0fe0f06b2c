//! From Kubernetes objects to the world that `voip-plan` plans for.
//!
//! The conversions live in `voip-plan`, because voipctl makes them too, without a Kubernetes client.

pub use voip_plan::observe::{leases, nodes, pods, workloads};
