//! `RtpPortLease`: which ports of one port space are whose.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::RtpPortLeaseStatus;

/// The leased ports of one *port space*: sockets that share numbers.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "voip.dev",
    version = "v1alpha1",
    kind = "RtpPortLease",
    plural = "rtpportleases",
    status = "RtpPortLeaseStatus",
    derive = "PartialEq",
    doc = "The ports of one node, or of all nodes behind one address, and whose they are. Written by the operator only.",
    printcolumn(name = "Space", type_ = "string", json_path = ".spec.space.name"),
    printcolumn(name = "Used", type_ = "integer", json_path = ".status.used"),
    printcolumn(name = "Leases", type_ = "integer", json_path = ".status.leases"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RtpPortLeaseSpec {
    /// What the numbers are unique in. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("space is immutable"))]
    pub space: PortSpace,

    /// The leases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub leases: Vec<Lease>,

    /// Ports that something else was found to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub foreign: Vec<ForeignPort>,
}

/// What port numbers are unique in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpace {
    /// One node or several.
    #[serde(rename = "type")]
    pub kind: PortSpaceType,
    /// Name of the node, or value of the label `voip.dev/port-space`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One node or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PortSpaceType {
    /// One node.
    Node,
    /// All nodes with the same label `voip.dev/port-space`.
    Group,
}

/// Ports of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// `NAMESPACE/CLUSTER/POOL/SHARD@NODE`.
    #[schemars(length(min = 1, max = 512))]
    pub id: String,
    /// UID of the VoipCluster.
    #[serde(rename = "clusterUID")]
    #[schemars(length(max = 64))]
    pub cluster_uid: String,
    /// UID of the node.
    #[serde(rename = "nodeUID")]
    #[schemars(length(max = 64))]
    pub node_uid: String,
    /// RTP and RTCP ports (UDP), from an even one; absent for a sip-node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp: Option<PortSpan>,
    /// Control ports (TCP): gRPC, then HTTP.
    pub control: PortSpan,
    /// What becomes of it.
    pub state: LeaseState,
    /// When quarantined: the time from which the ports are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_after: Option<Time>,
}

/// Consecutive ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.start % 2 == 0 && self.start + self.length <= 65536").message("a span starts even and ends by 65535"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpan {
    /// The first, even.
    #[schemars(range(min = 1024, max = 65534))]
    pub start: u16,
    /// How many.
    #[schemars(range(min = 2, max = 64512))]
    pub length: u16,
}

impl PortSpan {
    /// The last port.
    pub fn last(self) -> u16 {
        self.start.saturating_add(self.length.saturating_sub(1))
    }
}

impl std::fmt::Display for PortSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.start, self.last())
    }
}

/// What becomes of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum LeaseState {
    /// In use.
    Active,
    /// Not wanted any more; its pod still has calls.
    Draining,
    /// Not wanted any more, and nobody saw its pod end.
    Quarantined,
}

/// A port that something else holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForeignPort {
    /// UDP or TCP.
    pub protocol: Transport,
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Who saw it: name of a pod.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub seen: String,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}
