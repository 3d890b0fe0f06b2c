//! The voip.dev/v1alpha1 resource types and their CEL rules.
//!
//! What a field means, its limits and its default are said here and nowhere else: `cargo xtask codegen` makes
//! `crds/` and `docs/resources.md` from these types. Every rule of the schema is checked again by
//! `voip_plan::validate`, because a laptop has no API server. This crate must not know a client or a runtime.

// KubeSchema repeats each struct inside a function, where `pub` reaches nobody.
#![allow(unreachable_pub)]
// Columns have attributes of the same name.
#![allow(clippy::duplicated_attributes)]

mod cluster;
mod defaults;
mod dialplan;
mod lease;
mod schema;
mod status;
mod template;
pub mod text;
mod user;

#[cfg(test)]
mod tests;

pub use cluster::{
    Bridge, DigestAlgorithm, Drain, Exposure, Images, Listener, Media, MediaPool, Network, NetworkMode,
    Protocol, PullPolicy, Signaling, SignalingService, State, StateType, TrafficPolicy, Updates, VoipCluster,
    VoipClusterSpec,
};
pub use dialplan::{Dialplan, DialplanSpec, Route, RouteAction};
pub use lease::{
    ForeignPort, Lease, LeaseState, PortSpace, PortSpaceType, PortSpan, RtpPortLease, RtpPortLeaseSpec,
    Transport,
};
pub use status::{
    CapacityStatus, DialplanStatus, LoadStatus, MediaNodeState, MediaNodeStatus, MediaStatus, NetworkStatus,
    RtpPortLeaseStatus, STATUS_ADDRESSES, STATUS_NODES, SignalingAddress, SignalingStatus, SipUserStatus,
    VoipClusterStatus,
};
pub use template::{
    Amounts, LocalRef, PodMetadata, PodSettings, PodTemplate, Resources, TaintEffect, Toleration,
    TolerationOperator,
};
pub use user::{SecretKeyRef, SipUser, SipUserSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group of every kind here.
pub const GROUP: &str = "voip.dev";
/// Their version.
pub const VERSION: &str = "v1alpha1";
/// Nodes with the same value of this label share one public address, so one space of port numbers.
pub const PORT_SPACE_LABEL: &str = "voip.dev/port-space";

/// The VoipCluster that a resource belongs to, in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterRef {
    /// Name of the VoipCluster.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
}

/// The definitions that `kubectl apply` installs, in the order of their names.
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    [Dialplan::crd(), RtpPortLease::crd(), SipUser::crd(), VoipCluster::crd()].map(schema::corrected).into()
}
