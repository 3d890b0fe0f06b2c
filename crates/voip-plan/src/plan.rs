//! From a valid cluster and the world to what shall be.

mod media;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;
use voip_api::{Lease, PortSpace, RtpPortLease};
use voip_contract::config::Listener;

use crate::addresses::{self, AddressSource};
use crate::capacity::{self, Capacity};
use crate::documents::{self, Documents};
use crate::leases::{self, Want};
use crate::network;
use crate::nodes::{self, some_of};
use crate::observed::Observed;
use crate::problem::{Problem, Reason};
use crate::signaling;
use crate::validate::ValidCluster;
pub use media::{MediaPod, PortsChange};

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
    let planned = |want| media::pod(valid, observed, want, &granted, network.mode?);
    let media: Vec<MediaPod> = wanted.media.iter().filter_map(planned).collect();
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
