//! The world for which `voipctl plan -o yaml` prints objects: invented nodes of a Kubernetes that has what the file asks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use voip_api::{PORT_SPACE_LABEL, VoipCluster};

use crate::addresses::{Address, AddressSource};
use crate::observed::{Admission, Environment, Node, Observed, Verdict};
use crate::validate::NodeCount;
use crate::validate::cluster::node_count;

/// Nodes `node-1`, `node-2`, .. with the labels that pools select by, as many as these ask; a Service that has an
/// address; and admission that allows everything. Their addresses are private, the
/// Service's is one set aside for documentation (RFC 5737).
pub fn invented_world(cluster: &VoipCluster) -> Observed {
    let labels = labels(cluster);
    let nodes = labels.into_iter().enumerate().map(|(at, labels)| node(at + 1, labels)).collect();
    let allowed = || Verdict::Admitted;
    Observed {
        nodes,
        ingress: Some(Address {
            address: IpAddr::from([203, 0, 113, 1]),
            source: AddressSource::LoadBalancer,
        }),
        admission: Admission { host_network: allowed(), host_ports: allowed(), plain: allowed() },
        ..Observed::empty(Environment::Kubernetes, 0)
    }
}

/// Labels of each node. Pools that select alike share nodes.
fn labels(cluster: &VoipCluster) -> Vec<BTreeMap<String, String>> {
    let mut groups: BTreeMap<BTreeMap<String, String>, usize> = BTreeMap::new();
    for pool in &cluster.spec.media.pools {
        // A percentage of invented nodes says nothing: two show that there can be more than one.
        let asked = match node_count(&pool.nodes) {
            Some(NodeCount::Count(count)) => count,
            Some(NodeCount::Percent(_)) | None => 2,
        };
        let count = groups.entry(pool.template.spec.node_selector.clone()).or_default();
        *count = asked.max(*count);
    }
    // The sip-node needs no node more than there are media-nodes, but may select another kind.
    let own = &cluster.spec.signaling.template.spec.node_selector;
    let has = |group: &BTreeMap<String, String>| own.iter().all(|(key, value)| group.get(key) == Some(value));
    if !groups.keys().any(has) {
        groups.insert(own.clone(), 1);
    }
    let mut nodes: Vec<_> =
        groups.into_iter().flat_map(|(labels, count)| std::iter::repeat_n(labels, count)).collect();
    // One address for all nodes means one router before them.
    if !cluster.spec.network.media_addresses.is_empty() {
        for node in &mut nodes {
            node.entry(PORT_SPACE_LABEL.to_owned()).or_insert_with(|| "router".to_owned());
        }
    }
    nodes
}

fn node(number: usize, labels: BTreeMap<String, String>) -> Node {
    let last = |number: usize| u8::try_from(number % 256).unwrap_or_default();
    Node {
        name: format!("node-{number}"),
        uid: format!("invented-{number}"),
        labels,
        addresses: vec![Address {
            address: IpAddr::from([10, 0, last(number / 256), last(number)]),
            source: AddressSource::NodeInternalIP,
        }],
        ready: true,
        ..Node::default()
    }
}
