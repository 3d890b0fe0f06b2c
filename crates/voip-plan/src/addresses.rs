//! Which address callers are told, and where it comes from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use voip_api::PortSpace;

use crate::observed::{Environment, Node};
use crate::problem::{Problem, Reason};
use crate::validate::ValidCluster;

/// Where an address comes from. The order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum AddressSource {
    /// The machine that everything runs on.
    Local,
    /// The spec.
    Spec,
    /// The ingress of a Service of type `LoadBalancer`.
    LoadBalancer,
    /// The `ExternalIP` of the node.
    NodeExternalIP,
    /// A STUN server's view of the node.
    Stun,
    /// The `InternalIP` of the node.
    NodeInternalIP,
    /// The Service's address inside the cluster.
    ClusterIP,
    /// The pod's own address.
    PodIP,
}

/// An address with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Where it comes from.
    pub source: AddressSource,
}

/// The address at which callers send media to `node`: that of the laptop, else of the spec, else the node's own.
pub(crate) fn media_address(valid: &ValidCluster, node: &Node) -> Option<Address> {
    let spec = valid.media_address.map(|address| Address { address, source: AddressSource::Spec });
    node.addresses
        .iter()
        .copied()
        .chain(spec)
        .filter(|address| reachable(*address))
        .min_by_key(|found| (found.source, found.address))
}

/// The address of the node itself at which callers reach it: the outer one if there is any.
pub(crate) fn node_address(node: &Node) -> Option<Address> {
    let own = node.addresses.iter().copied().filter(|address| reachable(*address));
    own.min_by_key(|found| (found.source, found.address))
}

/// The address to which the sockets of `node` are bound: its own, whatever is advertised.
pub(crate) fn bind_address(node: &Node) -> Option<IpAddr> {
    let own = |source| node.addresses.iter().find(|address| address.source == source);
    own(AddressSource::Local).or_else(|| own(AddressSource::NodeInternalIP)).map(|address| address.address)
}

/// Loopback and link-local addresses reach nobody, except on the laptop, where all are at home.
fn reachable(Address { address, source }: Address) -> bool {
    let nowhere = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast(),
        IpAddr::V6(_) => true, // One family until `ipFamilies` exists.
    };
    source == AddressSource::Local || !nowhere
}

/// Several port spaces behind one address would be given the same ports, and a router can forward them to one only.
pub(crate) fn shared_address(
    valid: &ValidCluster,
    environment: Environment,
    nodes: &BTreeMap<&str, PortSpace>,
) -> Option<Problem> {
    let address = valid.media_address.filter(|_| environment != Environment::Laptop)?;
    let mut spaces: Vec<&PortSpace> = nodes.values().collect();
    spaces.sort_unstable();
    spaces.dedup();
    if spaces.len() < 2 {
        return None;
    }
    let names: Vec<&str> = nodes.keys().copied().collect();
    Some(Problem {
        document: valid.document(),
        path: "spec.network.mediaAddresses[0]".to_owned(),
        reason: Reason::SharedAddress,
        fact: format!(
            "{address} is said to stand before {} nodes that lease ports independently",
            names.len()
        ),
        mend: format!(
            "run `kubectl label node {} voip.dev/port-space={}`, or remove the address",
            crate::nodes::some_of(&names, " "),
            valid.name
        ),
    })
}
