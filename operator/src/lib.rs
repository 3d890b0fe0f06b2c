//! The Kubernetes operator: what `voip-plan` decides, done to an API server.
//!
//! Decisions are pure and are made in `voip-plan`; here are the shells around them: observe, apply, report. This is the
//! only crate with a Kubernetes client. It must not know SIP, SDP or a store of calls.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod act;
pub mod admission;
pub mod apply;
pub mod args;
mod at_once;
pub mod certificates;
mod cluster_key;
pub mod context;
pub mod documents;
pub mod fault;
pub mod finalizer;
mod identity;
mod leader;
pub mod metrics;
pub mod node_admin;
pub mod observe;
pub mod orders;
mod orphans;
pub mod owned;
pub mod reconcile;
mod report;
pub mod run;
pub mod secrets;
mod users;
pub mod wakes;
pub mod world;

#[cfg(test)]
mod testing;

pub use cluster_key::ClusterKey;

/// Field manager of everything that the operator writes.
pub const FIELD_MANAGER: &str = "voip-operator";
/// Label with the name of the VoipCluster, on every object that is made for it.
pub const CLUSTER_LABEL: &str = "voip.dev/cluster";
/// Annotation with the fingerprint of what was rendered: on an object, of its manifest; on a pod, of its template.
pub const RENDERED: &str = "voip.dev/rendered";
