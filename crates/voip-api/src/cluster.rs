//! `VoipCluster`: one SIP and media cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::VoipClusterStatus;
use crate::template::PodTemplate;
use crate::text;

/// What a SIP and media cluster is to be.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "voip.dev",
    version = "v1alpha1",
    kind = "VoipCluster",
    plural = "voipclusters",
    shortname = "voip",
    namespaced,
    status = "VoipClusterStatus",
    derive = "PartialEq",
    doc = "A SIP and media cluster: signaling, media relays with RTP ports of their own, addresses and draining.",
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: names of Services are made from it: use at most 40 of a-z, 0-9 and -, beginning with a letter"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.network.mode"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.signaling.addresses[0].address"),
    printcolumn(name = "Calls", type_ = "integer", json_path = ".status.load.activeCalls"),
    printcolumn(name = "Capacity", type_ = "integer", json_path = ".status.capacity.calls"),
    printcolumn(name = "Media", type_ = "string", json_path = ".status.media.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Signaling", type_ = "integer", json_path = ".status.signaling.readyReplicas", priority = 1),
    printcolumn(name = "Registrations", type_ = "integer", json_path = ".status.load.registrations", priority = 1),
    printcolumn(name = "Ports-Free", type_ = "integer", json_path = ".status.capacity.portsFree", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1)
)]
#[x_kube(
    validation = Rule::new("self.signaling.replicas <= 1 || self.state.type != 'Memory'")
        .message("state.type Memory holds one sip-node: set signaling.replicas to 1")
        .field_path(".signaling.replicas"),
    validation = Rule::new("!has(self.signaling.exposure) || self.signaling.exposure != 'HostNetwork' || !has(self.signaling.listeners) || self.signaling.listeners.all(l, l.port >= 1024)")
        .message("listeners: the programs are not root and cannot bind a port below 1024 on the host: use one from 1024")
        .field_path(".signaling.listeners"),
    validation = Rule::new("!has(self.network.bridge) || (has(self.network.mode) && self.network.mode == 'Bridge')")
        .message("network.bridge: it is the way of mode Bridge: set network.mode to Bridge, or leave it out")
        .field_path(".network.bridge")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoipClusterSpec {
    /// SIP domains that are ours. Empty: any host in a request is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253), regex(pattern = text::DOMAIN)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub domains: Vec<String>,

    /// Realm of digest authentication. Empty: NAME.NAMESPACE of this VoipCluster. Users whose Secret holds HA1
    /// values instead of a password are bound to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253), regex(pattern = text::REALM))]
    #[x_kube(validation = Rule::new("!isIP(self)").message("realm: an address changes: use a name"))]
    pub realm: String,

    /// Digest algorithms in the order in which they are offered. Write `[MD5]` for phones that read only the first.
    #[serde(default = "algorithms")]
    #[schemars(length(min = 1, max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub digest_algorithms: Vec<DigestAlgorithm>,

    /// The sip-nodes.
    #[serde(default)]
    pub signaling: Signaling,

    /// The media-nodes.
    #[serde(default)]
    pub media: Media,

    /// Addresses and ports.
    #[serde(default)]
    pub network: Network,

    /// Where registrations and calls are kept.
    #[serde(default)]
    pub state: State,

    /// How pods are emptied before they end.
    #[serde(default)]
    pub drain: Drain,

    /// How running pods are replaced.
    #[serde(default)]
    pub updates: Updates,

    /// What the programs are run from.
    #[serde(default)]
    pub images: Images,
}

fn algorithms() -> Vec<DigestAlgorithm> {
    vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5]
}

/// A digest algorithm (RFC 8760; MD5 by RFC 3261).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum DigestAlgorithm {
    /// SHA-512/256.
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
}

/// The sip-nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signaling {
    /// How many sip-nodes run. More than one needs a `state.type` that they can share.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub replicas: u32,

    /// How callers reach them. Held while calls are up.
    #[serde(default)]
    pub exposure: Exposure,

    /// The address that callers are told, where it is none that Kubernetes knows: a router's. Empty: that of the
    /// Service, or of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(
        "self == '' || (isIP(self) && ip(self).family() == 4 && !ip(self).isLoopback() && !ip(self).isLinkLocalUnicast() && !ip(self).isUnspecified())")
        .message("advertisedAddress: no caller can send there: use an IPv4 address that callers reach"))]
    pub advertised_address: String,

    /// The Service before them, for the exposures that have one.
    #[serde(default)]
    pub service: SignalingService,

    /// What their pods are given.
    #[serde(default)]
    pub template: PodTemplate,

    /// Where they listen. Empty: one listener `udp`, UDP, port 5060.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.port == a.port && b.protocol == a.protocol))")
        .message("listeners: two listeners share a port: give each its own"))]
    pub listeners: Vec<Listener>,
}

fn one() -> u32 {
    1
}

impl Default for Signaling {
    fn default() -> Self {
        Self {
            replicas: one(),
            exposure: Exposure::default(),
            advertised_address: String::new(),
            service: SignalingService::default(),
            template: PodTemplate::default(),
            listeners: Vec::new(),
        }
    }
}

/// How callers reach sip-node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Exposure {
    /// A Service of type `LoadBalancer`; needs a controller that gives it an address.
    #[default]
    LoadBalancer,
    /// A Service of type `NodePort`: the same port on every node, from the `NodePort` range.
    NodePort,
    /// The network of the node that it runs on, no Service between.
    HostNetwork,
    /// A Service of type `ClusterIP`: callers are inside the cluster.
    ClusterIP,
}

/// The Service before sip-node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignalingService {
    /// Annotations, for the load-balancer controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = Rule::new("self.all(k, k.size() <= 317 && self[k].size() <= 4096 && !k.startsWith('voip.dev/'))")
        .message("annotations: names of at most 317 characters outside voip.dev/, values of at most 4096"))]
    pub annotations: BTreeMap<String, String>,

    /// `loadBalancerClass` of the Service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 317))]
    pub load_balancer_class: String,

    /// Networks that may call, `192.0.2.0/24`. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 43)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(n, isCIDR(n))").message("loadBalancerSourceRanges: use networks such as 192.0.2.0/24"))]
    pub load_balancer_source_ranges: Vec<String>,

    /// `Local` shows sip-node the address of the caller, `Cluster` that of a node: phones behind NAT
    /// get no audio then.
    #[serde(default)]
    pub external_traffic_policy: TrafficPolicy,
}

/// `externalTrafficPolicy` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TrafficPolicy {
    /// Only nodes with a pod answer, and the source address is kept.
    #[default]
    Local,
    /// Every node answers.
    Cluster,
}

/// A port on which SIP is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Name, unique in the list.
    #[schemars(length(min = 1, max = 15), regex(pattern = text::LABEL_1035))]
    pub name: String,
    /// Transport.
    pub protocol: Protocol,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// A SIP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// RFC 3261 over UDP.
    Udp,
}

/// The media-nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Media {
    /// Groups of media-nodes.
    #[serde(default = "pools")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pools: Vec<MediaPool>,
}

fn pools() -> Vec<MediaPool> {
    vec![MediaPool {
        name: "default".to_owned(),
        nodes: two(),
        calls_per_node: 250,
        pods_per_node: 1,
        template: PodTemplate::default(),
    }]
}

impl Default for Media {
    fn default() -> Self {
        Self { pools: pools() }
    }
}

/// Media-nodes of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaPool {
    /// Name, unique in the list.
    #[schemars(length(min = 1, max = 20), regex(pattern = text::LABEL_1035))]
    pub name: String,
    /// Nodes that relay media: a count, or a percentage of the nodes there are.
    #[serde(default = "two")]
    #[schemars(schema_with = "node_count")]
    pub nodes: IntOrString,
    /// Calls that each node must carry at once, both legs relayed. RTP ports follow: 4.4 for each call, rounded up
    /// to 64.
    #[serde(default = "calls")]
    #[schemars(range(min = 1, max = 10000))]
    pub calls_per_node: u32,
    /// media-nodes that share the calls of one node.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub pods_per_node: u32,
    /// What their pods are given, and by `nodeSelector` and `tolerations` which nodes they may have.
    #[serde(default)]
    pub template: PodTemplate,
}

fn two() -> IntOrString {
    IntOrString::Int(2)
}

fn calls() -> u32 {
    250
}

/// The pattern binds strings only, the bounds numbers only.
fn node_count(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 1,
        "maximum": 5000,
        "maxLength": 4,
        "pattern": text::PERCENT,
    })
}

/// Addresses and ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// How media pods are attached to the network. Held while calls are up.
    #[serde(default)]
    pub mode: NetworkMode,

    /// The way of mode Bridge. Empty: host ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,

    /// The address that callers send media to, when one router stands before all nodes. Empty: the address of each
    /// node. Several nodes behind one address need the same label `voip.dev/port-space`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1), inner(length(max = 45)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(
        "self.all(a, isIP(a) && ip(a).family() == 4 && !ip(a).isLoopback() && !ip(a).isLinkLocalUnicast() && !ip(a).isUnspecified())")
        .message("mediaAddresses: no caller can send there: use an IPv4 address that callers reach"))]
    pub media_addresses: Vec<String>,

    /// Ports from which RTP and control ports are leased: an even first port from 1024 and a last one, at least 64.
    #[serde(default = "port_range")]
    #[schemars(length(max = 11), regex(pattern = text::PORT_RANGE))]
    #[x_kube(validation = Rule::new(
        "[self.split('-').map(x, int(x))].all(n, n[0] % 2 == 0 && n[0] >= 1024 && n[1] <= 65535 && n[1] - n[0] >= 63)")
        .message("portRange: use an even first port from 1024 and at least 64 ports, for example 16384-29999"))]
    pub port_range: String,
}

fn port_range() -> String {
    "16384-29999".to_owned()
}

impl Default for Network {
    fn default() -> Self {
        Self {
            mode: NetworkMode::default(),
            bridge: None,
            media_addresses: Vec::new(),
            port_range: port_range(),
        }
    }
}

/// How media pods are attached to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum NetworkMode {
    /// The host's network where admission allows it, else a bridge with host ports.
    #[default]
    Auto,
    /// That of their node.
    HostNetwork,
    /// One of their own.
    Bridge,
}

/// How callers reach a media pod that has a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Bridge {
    /// At the pod's own address: you vouch that callers can route to it.
    PodAddress,
    /// At the node's address, each port mapped; at most 58 calls for each pod.
    HostPort,
}

/// Where registrations and calls are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// The kind of store.
    #[serde(rename = "type", default)]
    pub kind: StateType,
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum StateType {
    /// The memory of the one sip-node: phones register again after it restarts.
    #[default]
    Memory,
}

/// How pods are emptied before they end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// How long a media-node that must go keeps its calls, seconds; after that they get a BYE.
    #[serde(default = "ten_minutes")]
    #[schemars(range(max = 86400))]
    pub timeout_seconds: u32,
}

/// How running pods are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Updates {
    /// media-nodes of a pool that are drained and replaced at a time: a count, or a percentage of the pool; at least 1.
    #[serde(default = "one_node")]
    #[schemars(schema_with = "node_count")]
    pub max_unavailable: IntOrString,
    /// Nothing that runs is replaced while this is set; what needs no replacement goes on.
    #[serde(default)]
    pub paused: bool,
}

fn one_node() -> IntOrString {
    IntOrString::Int(1)
}

impl Default for Updates {
    fn default() -> Self {
        Self { max_unavailable: one_node(), paused: false }
    }
}

/// What the programs are run from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Image of sip-node. Empty: that of the operator's release.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub signaling: String,
    /// Image of media-node. Empty: that of the operator's release.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub media: String,
    /// `imagePullPolicy` of both.
    #[serde(default)]
    pub pull_policy: PullPolicy,
}

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// When the node has none.
    #[default]
    IfNotPresent,
    /// At each start.
    Always,
    /// Never: the node has it.
    Never,
}

fn ten_minutes() -> u32 {
    600
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout_seconds: ten_minutes() }
    }
}
