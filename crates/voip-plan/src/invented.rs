//! The world for which `voipctl plan -o yaml` prints objects: invented nodes of a Kubernetes that has what the file asks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use voip_api::{PORT_SPACE_LABEL, VoipCluster};

use crate::addresses::{Address, AddressSource};
use crate::observed::{Admission, Component, Environment, Node, Observed, Pod, SignalingService, Verdict};
use crate::validate::NodeCount;
use crate::validate::cluster::node_count;

/// Nodes `node-1`, `node-2`, .. with the labels that pools select by, as many as these ask; a Service that has
/// addresses, a sip-node that runs, and admission that allows everything. Their addresses are private, the
/// Service's is one set aside for documentation (RFC 5737).
pub fn invented_world(cluster: &VoipCluster) -> Observed {
    let labels = labels(cluster);
    let nodes: Vec<Node> = labels.into_iter().enumerate().map(|(at, labels)| node(at + 1, labels)).collect();
    let allowed = || Verdict::Admitted;
    Observed {
        pods: vec![sip_pod(cluster, &nodes)],
        nodes,
        service: Some(service(cluster)),
        admission: Admission { host_network: allowed(), host_ports: allowed(), plain: allowed() },
        ..Observed::empty(Environment::Kubernetes, 0)
    }
}

/// Has every kind of address; the one that the exposure asks for is taken.
fn service(cluster: &VoipCluster) -> SignalingService {
    let listeners = cluster.spec.signaling.listeners.iter().map(|listener| listener.name.clone());
    // Without any the plan has this one.
    let named = listeners.chain(["udp".to_owned()]);
    SignalingService {
        cluster_ip: Some(IpAddr::from([10, 96, 0, 1])),
        ingress: vec![IpAddr::from([203, 0, 113, 1])],
        hostname: None,
        node_ports: named.zip(30_060..).collect(),
    }
}

/// Runs on the first node that it may run on.
fn sip_pod(cluster: &VoipCluster, nodes: &[Node]) -> Pod {
    let asked = &cluster.spec.signaling.template.spec.node_selector;
    let may = |node: &&Node| asked.iter().all(|(key, value)| node.labels.get(key) == Some(value));
    Pod {
        name: "sip".to_owned(),
        uid: "invented".to_owned(),
        component: Component::Signaling,
        owner: String::new(),
        lease: None,
        rendered: String::new(),
        node: nodes.iter().find(may).map(|node| node.name.clone()),
        address: None,
        ready: true,
        ending: false,
        draining_since_ms: None,
        trouble: String::new(),
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
