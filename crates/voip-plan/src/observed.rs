//! The world as it was found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use voip_api::{PORT_SPACE_LABEL, PortSpace, PortSpaceType, RtpPortLease, TaintEffect};
use voip_contract::node_admin::NodeReport;

use crate::addresses::Address;
use crate::leases::LeaseKey;
use crate::plan::NetworkMode;
use crate::ports::ReservedPorts;

/// Where the pods run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Processes on one machine, on behalf of invented nodes.
    Laptop,
    /// Pods of a Kubernetes cluster.
    Kubernetes,
}

/// What a plan rests on besides the resources.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Where the pods run.
    pub environment: Environment,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The lease objects, those of other clusters included.
    pub leases: Vec<RtpPortLease>,
    /// Leases whose pod was seen to end, or of which it is known that there is none.
    pub ended: BTreeSet<LeaseKey>,
    /// The address of a laptop; none in Kubernetes, where it follows from the Service, a pod or a node.
    pub ingress: Option<Address>,
    /// Port ranges that this world keeps for itself.
    pub reserved: ReservedPorts,
    /// What admission said to pods of each kind.
    pub admission: Admission,
    /// The mode that was taken before, from the status or else from the DaemonSets that are there.
    pub mode: Option<NetworkMode>,
    /// The DaemonSets of this cluster, by name.
    pub media: BTreeMap<String, MediaWorkload>,
    /// The pods of this cluster.
    pub pods: Vec<Pod>,
    /// The Deployment of sip-nodes.
    pub signaling: Option<Workload>,
    /// The Service before the sip-nodes.
    pub service: Option<SignalingService>,
    /// What programs last said of themselves, by name of the pod; nothing that is older than a few seconds.
    pub reports: BTreeMap<String, NodeReport>,
    /// Programs that should have been heard for a while and were not, by name of the pod; where they are dialled.
    pub unheard: BTreeMap<String, SocketAddr>,
    /// Unix time, milliseconds.
    pub now_ms: u64,
}

impl Observed {
    /// A world of which nothing is known yet.
    pub fn empty(environment: Environment, now_ms: u64) -> Self {
        Self {
            environment,
            nodes: Vec::new(),
            leases: Vec::new(),
            ended: BTreeSet::new(),
            ingress: None,
            reserved: ReservedPorts::default(),
            admission: Admission::default(),
            mode: None,
            media: BTreeMap::new(),
            pods: Vec::new(),
            signaling: None,
            service: None,
            reports: BTreeMap::new(),
            unheard: BTreeMap::new(),
            now_ms,
        }
    }
}

/// What admission said to a pod, by a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Not asked, or no answer that decides anything: 400, 5xx, a time-out.
    #[default]
    Unknown,
    /// The pod may be.
    Admitted,
    /// It may not; in the words of whoever refused.
    Denied(String),
}

/// What admission said to pods of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admission {
    /// A media pod on the host network.
    pub host_network: Verdict,
    /// The same pod without host network, with host ports.
    pub host_ports: Verdict,
    /// The same pod with neither.
    pub plain: Verdict,
}

/// A machine that can carry media-nodes.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its UID: another one under the same name is another machine.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Its addresses, in any order.
    pub addresses: Vec<Address>,
    /// Its kubelet says that it is well.
    pub ready: bool,
    /// It was cordoned.
    pub cordoned: bool,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value; may be empty.
    pub value: String,
    /// Effect.
    pub effect: TaintEffect,
}

impl Node {
    /// The sockets with which its own share numbers.
    pub fn port_space(&self) -> PortSpace {
        match self.labels.get(PORT_SPACE_LABEL).filter(|name| !name.is_empty()) {
            Some(group) => PortSpace { kind: PortSpaceType::Group, name: group.clone() },
            None => PortSpace { kind: PortSpaceType::Node, name: self.name.clone() },
        }
    }
}

/// What runs in a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// sip-node.
    Signaling,
    /// media-node.
    Media,
}

/// A pod of this cluster. A pod that has ended (phase Succeeded or Failed, or gone) is not in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// What runs in it.
    pub component: Component,
    /// Name of the DaemonSet or `ReplicaSet` that owns it.
    pub owner: String,
    /// The lease that it was started with (annotations `voip.dev/lease` and `voip.dev/control`); none for a sip-node.
    pub lease: Option<LeaseKey>,
    /// Fingerprint of the template that it was made from (annotation `voip.dev/rendered`).
    pub rendered: String,
    /// The node that it runs on, once it was scheduled.
    pub node: Option<String>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// It passes its readiness probe.
    pub ready: bool,
    /// It has been told to end.
    pub ending: bool,
    /// When the operator first ordered it to drain (annotation `voip.dev/draining`), Unix time in milliseconds.
    pub draining_since_ms: Option<u64>,
    /// Why it does not start, in the kubelet's words: `ImagePullBackOff: ...`; empty when nothing is wrong.
    pub trouble: String,
}

/// A DaemonSet that runs one media-node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaWorkload {
    /// The lease that its pod is started with (annotations `voip.dev/lease` and `voip.dev/control` of the template).
    pub lease: LeaseKey,
    /// Fingerprint of its newest pod template (annotation `voip.dev/rendered` of the template). A pod with another one
    /// is to be replaced.
    pub rendered: String,
}

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// Pods there are.
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Pods made from the newest template.
    pub updated: u32,
    /// Its controller has seen the newest spec.
    pub observed: bool,
    /// Message of its condition `ReplicaFailure`: quota, admission; empty when it is not so.
    pub failure: String,
    /// Fingerprint of its pod template (annotation `voip.dev/rendered` of the template).
    pub rendered: String,
}

/// The Service before the sip-nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignalingService {
    /// Its address inside the cluster.
    pub cluster_ip: Option<IpAddr>,
    /// Addresses that a load-balancer controller gave it.
    pub ingress: Vec<IpAddr>,
    /// The host name that it gave instead.
    pub hostname: Option<String>,
    /// Its port on every node, by name of the listener.
    pub node_ports: BTreeMap<String, u16>,
}
