//! What the operator reports. Unlike a spec, an unknown field in a status is no error: an older operator must be able
//! to read what a newer one wrote.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most nodes in [`VoipClusterStatus::nodes`].
pub const STATUS_NODES: usize = 100;
/// Most addresses in [`SignalingStatus::addresses`].
pub const STATUS_ADDRESSES: usize = 16;

/// What became of a VoipCluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoipClusterStatus {
    /// Generation of the spec that this was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// Release of the operator that wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub version: String,
    /// How media pods are attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkStatus>,
    /// The sip-nodes.
    #[serde(default)]
    pub signaling: SignalingStatus,
    /// The media-nodes.
    #[serde(default)]
    pub media: MediaStatus,
    /// What fits.
    #[serde(default)]
    pub capacity: CapacityStatus,
    /// What there is now; written at most once a minute.
    #[serde(default)]
    pub load: LoadStatus,
    /// media-nodes, troubled ones first; `kubectl voip nodes` shows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub nodes: Vec<MediaNodeStatus>,
    /// How many found no place in `nodes`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes_omitted: u32,
    /// What is so, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// How media pods are attached to the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// `HostNetwork`, `Bridge/HostPort` or `Bridge/PodAddress`.
    #[schemars(length(max = 32))]
    pub mode: String,
    /// Why that one.
    #[schemars(length(max = 64))]
    pub reason: String,
}

/// The sip-nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalingStatus {
    /// How many there are.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub replicas: u32,
    /// How many are ready.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub ready_replicas: u32,
    /// Where callers reach them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Vec<SignalingAddress>,
}

/// Where callers reach a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalingAddress {
    /// The address.
    #[schemars(length(max = 253))]
    pub address: String,
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The transport.
    #[schemars(length(max = 8))]
    pub protocol: String,
    /// Where the address comes from.
    #[schemars(length(max = 32))]
    pub source: String,
}

/// The media-nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaStatus {
    /// How many are ready.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub ready: u32,
    /// How many there shall be.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub desired: u32,
    /// How many take no new calls because they are to go.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub draining: u32,
    /// `ready/desired`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub summary: String,
}

/// What fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityStatus {
    /// Calls at once, on the media-nodes that are ready.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub calls: u32,
    /// The same when the node with the most calls fails.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub calls_without_one_node: u32,
    /// Ports of the range that nobody has leased, in the port spaces that are used.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub ports_free: u32,
}

/// What there is now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadStatus {
    /// Calls that have not ended.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub active_calls: u32,
    /// Contacts that are registered.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub registrations: u32,
}

/// One media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaNodeStatus {
    /// The Kubernetes node.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The pool.
    #[schemars(length(max = 20))]
    pub pool: String,
    /// Which of the pods of the pool on that node.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16))]
    pub shard: u32,
    /// What callers are told; empty: none yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 45))]
    pub address: String,
    /// Where the address comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub source: String,
    /// RTP ports, `first-last`.
    #[schemars(length(max = 11))]
    pub ports: String,
    /// Its state.
    pub state: MediaNodeState,
}

/// The state of a media-node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum MediaNodeState {
    /// Its Kubernetes node does not answer.
    Lost,
    /// Its pod is not ready.
    NotReady,
    /// It takes no new calls because it is to go.
    Draining,
    /// It takes calls.
    Ready,
}

/// What became of a Dialplan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DialplanStatus {
    /// Generation of the spec that this was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// sip-nodes that run this generation, of all: `1/1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub loaded: String,
    /// What is so, by type: Accepted, Loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// What became of a SipUser.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SipUserStatus {
    /// Generation of the spec that this was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// Secret with the password.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub secret_name: String,
    /// What is so, by type: Accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// What a lease object adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RtpPortLeaseStatus {
    /// Ports that are leased.
    #[serde(default)]
    #[schemars(range(min = 0, max = 65536))]
    pub used: u32,
    /// Leases.
    #[serde(default)]
    #[schemars(range(min = 0, max = 512))]
    pub leases: u32,
}

/// `metav1.Condition`, a map by type, with the limits that Kubernetes documents for it.
fn conditions(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 9_007_199_254_740_991_i64},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "maxLength": 32768},
            },
        },
    })
}
