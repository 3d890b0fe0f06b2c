//! From a valid cluster and the world to what shall be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;
use voip_api::{Lease, PortSpace, RtpPortLease};
use voip_contract::NodeName;
use voip_contract::config::Listener;

use crate::addresses::{self, Address, AddressSource};
use crate::capacity::{self, Capacity};
use crate::digest;
use crate::documents::{self, Documents};
use crate::leases::{self, Granted, LeaseKey, Want};
use crate::network;
use crate::nodes::{self, some_of};
use crate::objects::names;
use crate::observed::{Environment, Observed};
use crate::ports::{PortRange, calls_for_ports};
use crate::problem::{Problem, Reason};
use crate::signaling;
use crate::validate::{Pool, ValidCluster};

/// What shall be. The same input gives the same plan; a plan made of its own leases is the same plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `namespace/name` of the VoipCluster.
    pub cluster: String,
    /// How pods are attached to the network.
    pub network: Network,
    /// The sip-nodes.
    pub signaling: Vec<SignalingPod>,
    /// The media-nodes that have ports, by pool, shard and node.
    pub media: Vec<MediaPod>,
    /// What fits.
    pub capacity: Capacity,
    /// What keeps calls from working as asked. `voipctl` refuses a plan that has any.
    pub problems: Vec<Problem>,
    /// What works, though with less than was asked or not as was meant.
    pub advice: Vec<Problem>,
    /// The lease objects to be written before anything else.
    pub leases: Vec<RtpPortLease>,
    /// What is to be done to pods that run: empty until [`crate::orders`] said it.
    pub orders: Vec<Order>,
    /// The config documents. They hold secrets and are never printed.
    #[serde(skip)]
    pub documents: Documents,
}

/// How pods are attached to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Network {
    /// The mode; none while nothing is admitted or nothing is known.
    pub mode: Option<NetworkMode>,
    /// Why that one.
    pub reason: NetworkReason,
}

/// Network modes of media pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NetworkMode {
    /// The network of their node.
    HostNetwork,
    /// A network of their own; their RTP ports are mapped on the node.
    #[serde(rename = "Bridge/HostPort")]
    HostPort,
    /// A network of their own whose addresses callers reach.
    #[serde(rename = "Bridge/PodAddress")]
    PodAddress,
}

impl NetworkMode {
    /// As in `status.network.mode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostNetwork => "HostNetwork",
            Self::HostPort => "Bridge/HostPort",
            Self::PodAddress => "Bridge/PodAddress",
        }
    }

    /// The mode that [`Self::name`] names.
    pub fn named(name: &str) -> Option<Self> {
        [Self::HostNetwork, Self::HostPort, Self::PodAddress].into_iter().find(|mode| mode.name() == name)
    }
}

/// Why a mode was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NetworkReason {
    /// Everything runs on this machine.
    Local,
    /// The spec says so.
    Spec,
    /// There are media pods or leases already, and nothing that runs is moved for a better mode.
    Unchanged,
    /// Admission lets pods use the host network.
    HostNetworkAdmitted,
    /// It does not, and the spec vouches for pod addresses.
    PodAddressesVouched,
    /// It does not, and lets them map host ports.
    HostPortsAdmitted,
    /// None can be used.
    NoUsableNetwork,
    /// Admission has not answered yet.
    Undecided,
}

/// What is to be done to a pod that runs, besides applying objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Tell the program to take no new calls and to end the rest after `seconds`; note the time on the pod.
    Drain {
        /// The pod.
        pod: String,
        /// From the first order on.
        seconds: u32,
        /// For the event.
        cause: DrainCause,
    },
    /// Tell the program to take calls again; remove the note.
    Return {
        /// The pod.
        pod: String,
    },
    /// Delete a pod that was drained; its DaemonSet makes another from the newest template.
    DeletePod {
        /// The pod.
        pod: String,
        /// Only if it still is this one.
        uid: String,
    },
    /// Delete a DaemonSet whose pod was drained or is gone: it is not wanted any more, or must be made anew.
    DeleteDaemonSet {
        /// Its name.
        name: String,
    },
}

/// Why a pod is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum DrainCause {
    /// The node was cordoned, or is about to be taken away.
    NodeLeaves,
    /// `kubectl voip drain` asked for it.
    Asked,
    /// A newer template waits.
    Update,
    /// It is not wanted any more, or its ports must move.
    Removed,
    /// The VoipCluster is being deleted.
    Deleted,
}

/// TCP ports on which a program is spoken to by others of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ControlPorts {
    /// gRPC: media-nodes dial the sip-node here.
    pub grpc: u16,
    /// HTTP: health, metrics, API.
    pub http: u16,
}

/// A sip-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignalingPod {
    /// Its name: `sip-0`.
    pub name: String,
    /// The node, where the plan chooses it.
    pub node: Option<String>,
    /// The address that its sockets are bound to; none: all.
    pub bind: Option<IpAddr>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// What callers are told.
    pub addresses: Vec<SignalingAddress>,
    /// Control ports; leased where the node's ports are used, else the usual ones.
    pub control: ControlPorts,
}

/// Where callers reach a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignalingAddress {
    /// Name of the listener.
    pub listener: String,
    /// The address.
    pub address: IpAddr,
    /// Where it comes from.
    pub source: AddressSource,
    /// The port.
    pub port: u16,
}

/// A media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaPod {
    /// Its name, unique in the cluster.
    pub name: NodeName,
    /// Id of its lease. A pod with an address of its own has none under it.
    pub lease: String,
    /// The pool.
    pub pool: String,
    /// The node.
    pub node: String,
    /// Which of the pods of the pool on that node.
    pub shard: u32,
    /// RTP and RTCP ports that it may use.
    pub rtp: PortRange,
    /// Control ports.
    pub control: ControlPorts,
    /// The address that its sockets are bound to; none: all.
    pub bind: Option<IpAddr>,
    /// What callers are told; none: it is not ready.
    pub address: Option<Address>,
    /// Calls that it carries at once.
    pub capacity: u32,
    /// Its node is, and it has an address.
    pub ready: bool,
    /// Whether its ports become others.
    #[serde(skip_serializing_if = "PortsChange::is_none")]
    pub ports_change: PortsChange,
}

impl MediaPod {
    /// Its lease.
    pub fn lease_key(&self) -> LeaseKey {
        LeaseKey { id: self.lease.clone(), control: Some(self.control.grpc) }
    }
}

/// What becomes of the ports of a media-node. They never move while its pod lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum PortsChange {
    /// They are what is asked for, or there is no room for what is.
    #[default]
    None,
    /// It gets others, and keeps these until its DaemonSet was deleted for that.
    Waits,
    /// Its DaemonSet is gone: it is made anew, on others, once its pod was seen to end.
    Moves,
}

impl PortsChange {
    // Called by serde.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Control ports of a sip-node that has a network of its own.
pub(crate) const POD_CONTROL: ControlPorts = ControlPorts { grpc: 8081, http: 8080 };

/// Plans.
pub fn plan(valid: &ValidCluster, observed: &Observed) -> Plan {
    let network = network::choose(valid, observed);
    let mut wanted = nodes::choose(valid, observed, network.mode);
    if network.mode.is_none() {
        wanted.media.clear();
    }
    // Control ports of sip-nodes first: without them no media-node is of use. A pod with an address of its own needs no
    // lease.
    let leased = wanted.media.iter().filter(|_| network.mode != Some(NetworkMode::PodAddress));
    let wants: Vec<Want<'_>> = wanted.signaling.iter().chain(leased).cloned().collect();
    let granted = leases::grant(valid, observed, &wants);
    let media: Vec<MediaPod> = wanted
        .media
        .iter()
        .filter_map(|want| match network.mode? {
            NetworkMode::PodAddress => pod_with_address(valid, observed, want),
            mode => media_pod(valid, observed, want, &granted, mode),
        })
        .collect();
    let capacity = capacity::of(&media, granted.ports_free);
    let mut problems = wanted.problems;
    problems.extend(address_problems(valid, observed, &wants, &media));
    let signaling = signaling::pods(valid, observed, &wanted.signaling, &granted);
    problems.extend(signaling::problem(valid, observed, &signaling));
    problems.extend(granted.problems);
    let advice = [valid.advice.clone(), wanted.advice, granted.advice].concat();
    Plan {
        cluster: valid.id(),
        network,
        documents: documents::render(valid, observed.environment, &signaling),
        signaling,
        media,
        capacity,
        problems,
        advice,
        leases: granted.objects,
        orders: Vec::new(),
    }
}

pub(crate) fn control_ports(lease: &Lease) -> ControlPorts {
    ControlPorts { grpc: lease.control.start, http: lease.control.last() }
}

/// It has all ports of its own address and uses the first of the range, and the usual control ports.
fn pod_with_address(valid: &ValidCluster, observed: &Observed, want: &Want<'_>) -> Option<MediaPod> {
    let pool = want.pool?;
    let ports = want.rtp_ports.min(valid.ports.count());
    let last = u32::from(valid.ports.first).saturating_add(ports).saturating_sub(1);
    let owner = names::media_daemon_set(&valid.name, &pool.name, &want.node.name, want.shard);
    let runs = observed.pods.iter().find(|pod| pod.owner == owner && !pod.ending);
    let address = runs.and_then(|pod| pod.address);
    let address = address.map(|address| Address { address, source: AddressSource::PodIP });
    Some(MediaPod {
        name: pod_name(pool, want)?,
        lease: want.id.clone(),
        pool: pool.name.clone(),
        node: want.node.name.clone(),
        shard: want.shard,
        rtp: PortRange::new(valid.ports.first, u16::try_from(last).ok()?),
        control: POD_CONTROL,
        bind: None,
        address,
        capacity: share(pool, want.shard).min(calls_for_ports(ports)),
        ready: want.node.ready && address.is_some(),
        ports_change: PortsChange::None,
    })
}

fn media_pod(
    valid: &ValidCluster,
    observed: &Observed,
    want: &Want<'_>,
    granted: &Granted,
    mode: NetworkMode,
) -> Option<MediaPod> {
    let (pool, lease) = (want.pool?, granted.leases.get(&want.id)?);
    let rtp = lease.rtp?;
    let address = addresses::media_address(valid, want.node);
    Some(MediaPod {
        name: pod_name(pool, want)?,
        lease: want.id.clone(),
        pool: pool.name.clone(),
        node: want.node.name.clone(),
        shard: want.shard,
        rtp: PortRange::new(rtp.start, rtp.last()),
        control: control_ports(lease),
        bind: addresses::bind_address(want.node).filter(|_| mode == NetworkMode::HostNetwork),
        address,
        capacity: share(pool, want.shard).min(calls_for_ports(u32::from(rtp.length))),
        ready: want.node.ready && address.is_some(),
        ports_change: ports_change(valid, observed, want, granted),
    })
}

fn ports_change(
    valid: &ValidCluster,
    observed: &Observed,
    want: &Want<'_>,
    granted: &Granted,
) -> PortsChange {
    let Some(pool) = want.pool else { return PortsChange::None };
    if observed.environment == Environment::Laptop || !granted.moves.contains(&want.id) {
        return PortsChange::None;
    }
    let set = names::media_daemon_set(&valid.name, &pool.name, &want.node.name, want.shard);
    if observed.media.contains_key(&set) { PortsChange::Waits } else { PortsChange::Moves }
}

/// The calls of a node, spread over its pods: the first few take what is left over.
fn share(pool: &Pool, shard: u32) -> u32 {
    let pods = pool.pods_per_node.max(1);
    pool.calls_per_node / pods + u32::from(shard < pool.calls_per_node % pods)
}

/// `POOL-NODE`, and `.SHARD` after the first. A node name that would make this ambiguous or too long is hashed.
fn pod_name(pool: &Pool, want: &Want<'_>) -> Option<NodeName> {
    let node = &want.node.name;
    let plain = node.len() <= 30 && node.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let node = if plain { node.clone() } else { digest::fingerprint(node.as_bytes()) };
    let name = format!("{}-{node}", pool.name);
    NodeName::new(if want.shard == 0 { name } else { format!("{name}.{}", want.shard) }).ok()
}

fn address_problems(
    valid: &ValidCluster,
    observed: &Observed,
    wants: &[Want<'_>],
    media: &[MediaPod],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // A pod that brings its own address has one once it runs.
    let leased: BTreeSet<&str> = wants.iter().map(|want| want.id.as_str()).collect();
    let mut nowhere: Vec<&str> = media
        .iter()
        .filter(|pod| leased.contains(pod.lease.as_str()) && pod.address.is_none())
        .map(|pod| pod.node.as_str())
        .collect();
    nowhere.sort_unstable();
    nowhere.dedup();
    if !nowhere.is_empty() {
        problems.push(Problem {
            document: valid.document(),
            path: "spec.network.mediaAddresses".to_owned(),
            reason: Reason::NoAddress,
            fact: format!("nodes {} have no address that callers reach", some_of(&nowhere, ", ")),
            mend: "give them an ExternalIP or InternalIP, or name the address of the router before them"
                .to_owned(),
        });
    }
    let spaces: BTreeMap<&str, PortSpace> =
        wants.iter().map(|want| (want.node.name.as_str(), want.space.clone())).collect();
    problems.extend(addresses::shared_address(valid, observed.environment, &spaces));
    problems
}
