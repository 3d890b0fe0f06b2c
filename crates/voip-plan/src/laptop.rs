//! The world that `voipctl up` observes: invented nodes on one machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use voip_api::{PORT_SPACE_LABEL, VoipCluster};

use crate::addresses::{Address, AddressSource};
use crate::observed::{Environment, Node, Observed};
use crate::ports::ReservedPorts;
use crate::validate::NodeCount;
use crate::validate::cluster::node_count;

/// Most nodes that are invented.
pub const LAPTOP_NODES: usize = 8;
/// The port space that all of them share.
pub const LAPTOP_SPACE: &str = "laptop";

/// As many nodes as the largest pool asks, at most [`LAPTOP_NODES`], all at `address` or else on loopback.
///
/// A laptop has no NodePort range; its ephemeral ports are those of Linux unless the caller knows better.
pub fn laptop_world(cluster: &VoipCluster, address: Option<IpAddr>) -> Observed {
    let address =
        Address { address: address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), source: AddressSource::Local };
    let asked = cluster.spec.media.pools.iter().filter_map(|pool| node_count(&pool.nodes));
    // A percentage of invented nodes says nothing: two show that there can be more than one.
    let asked = asked.map(|nodes| match nodes {
        NodeCount::Count(count) => count,
        NodeCount::Percent(_) => 2,
    });
    let count = asked.max().unwrap_or(1).min(LAPTOP_NODES);
    Observed {
        nodes: (0..count).map(|ordinal| node(ordinal, address)).collect(),
        ingress: Some(address),
        reserved: ReservedPorts { node_ports: None, ..ReservedPorts::default() },
        ..Observed::empty(Environment::Laptop, 0)
    }
}

fn node(ordinal: usize, address: Address) -> Node {
    Node {
        name: ordinal.to_string(),
        uid: format!("{LAPTOP_SPACE}-{ordinal}"),
        labels: BTreeMap::from([(PORT_SPACE_LABEL.to_owned(), LAPTOP_SPACE.to_owned())]),
        addresses: vec![address],
        ready: true,
        ..Node::default()
    }
}
