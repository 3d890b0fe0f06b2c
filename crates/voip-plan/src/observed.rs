//! The world as it was found.

use std::collections::{BTreeMap, BTreeSet};

use voip_api::{PORT_SPACE_LABEL, PortSpace, PortSpaceType, RtpPortLease};

use crate::addresses::Address;
use crate::ports::ReservedPorts;

/// Where the pods run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Processes on one machine, on behalf of invented nodes.
    Laptop,
    /// Kubernetes, where a pod on the host network was admitted.
    HostNetworkAdmitted,
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
    /// Ids of leases whose pod was seen to end, or of which it is known that there is none.
    pub ended: BTreeSet<String>,
    /// Where callers reach signaling; none while nobody has given it an address.
    pub ingress: Option<Address>,
    /// Port ranges that this world keeps for itself.
    pub reserved: ReservedPorts,
    /// Unix time, milliseconds.
    pub now_ms: u64,
}

/// A machine that can carry media-nodes.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its UID: another one under the same name is another machine.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its addresses, in any order.
    pub addresses: Vec<Address>,
    /// It takes new pods.
    pub ready: bool,
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
