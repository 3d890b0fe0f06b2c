//! What objects are called, and the labels by which they are found. Selectors are made of these only, and nothing here
//! depends on anything that can change while an object lives.

use std::collections::BTreeMap;

use crate::digest::fingerprint;
use crate::observed::Component;
use crate::plan::ControlPorts;

/// Label: name of the VoipCluster.
pub const CLUSTER: &str = "voip.dev/cluster";
/// Label: `signaling` or `media`.
pub const COMPONENT: &str = "voip.dev/component";
/// Label: name of the pool.
pub const POOL: &str = "voip.dev/pool";
/// Label: which of the pods of the pool on that node.
pub const SHARD: &str = "voip.dev/shard";
/// Label: [`node_hash`] of the node.
pub const NODE: &str = "voip.dev/node";
/// Annotation: fingerprint of an object's manifest; of a pod: of the template that it was made from.
pub const RENDERED: &str = "voip.dev/rendered";
/// Annotation of a pod: id of its lease.
pub const LEASE: &str = "voip.dev/lease";
/// Annotation of a pod: its RTP ports, `first-last`.
pub const RTP: &str = "voip.dev/rtp";
/// Annotation of a sip-node's pod: its listeners, `name=port,..`.
pub const LISTENERS: &str = "voip.dev/listeners";
/// Annotation of a pod: its control ports, `grpc,http`.
pub const CONTROL: &str = "voip.dev/control";
/// Annotation of a VoipCluster: names of nodes whose media-nodes are to be emptied, separated by commas.
pub const DRAIN: &str = "voip.dev/drain";

/// Longest name of a workload. Names of pods add a dash and five characters and must stay within a label's 63, or the API
/// server cuts off the end that tells shards apart.
const WORKLOAD: usize = 57;

/// Names a node in labels and names: node names may be longer than either.
pub fn node_hash(node: &str) -> String {
    fingerprint(node.as_bytes())
}

/// The DaemonSet of one media-node: `CLUSTER-media-POOL-HASH-SHARD`, shortened where that is too long.
pub fn media_daemon_set(cluster: &str, pool: &str, node: &str, shard: u32) -> String {
    let name = format!("{cluster}-media-{pool}-{}-{shard}", node_hash(node));
    if name.len() <= WORKLOAD {
        return name;
    }
    // What was cut off is in the hash.
    let tail = format!("-{}-{shard}", fingerprint(format!("{cluster}/{pool}/{node}").as_bytes()));
    let head: String =
        format!("{cluster}-media-{pool}").chars().take(WORKLOAD.saturating_sub(tail.len())).collect();
    format!("{}{tail}", head.trim_end_matches('-'))
}

/// Deployment, Service and `ServiceAccount` of the sip-nodes.
pub fn signaling(cluster: &str) -> String {
    format!("{cluster}-sip")
}

/// `ServiceAccount` of the media-nodes.
pub fn media(cluster: &str) -> String {
    format!("{cluster}-media")
}

/// The headless Service at which media-nodes find sip-nodes.
pub fn peers(cluster: &str) -> String {
    format!("{cluster}-peers")
}

/// Service of the API, and the Secret with its token.
pub fn api(cluster: &str) -> String {
    format!("{cluster}-api")
}

/// `ConfigMap` with `sip.json`, by version of the documents.
pub fn signaling_config(cluster: &str) -> String {
    format!("{cluster}-sip-v{}", voip_contract::config::DOCUMENT_VERSION)
}

/// `ConfigMap` with `media.json`, by version of the documents.
pub fn media_config(cluster: &str) -> String {
    format!("{cluster}-media-v{}", voip_contract::config::DOCUMENT_VERSION)
}

/// Secret with the certificate of a component.
pub fn certificate(cluster: &str, component: Component) -> String {
    match component {
        Component::Signaling => format!("{cluster}-sip-mtls"),
        Component::Media => format!("{cluster}-media-mtls"),
    }
}

/// Secret with one bucket of users.
pub fn users(cluster: &str, bucket: usize) -> String {
    format!("{cluster}-users-{bucket:02}")
}

/// File name of one bucket of users, and the key in its Secret.
pub fn users_file(bucket: usize) -> String {
    format!("users-{bucket:02}.json")
}

pub(super) const fn component(component: Component) -> &'static str {
    match component {
        Component::Signaling => "signaling",
        Component::Media => "media",
    }
}

pub(super) type Labels = BTreeMap<String, String>;

/// Selects the pods of a component.
pub(super) fn selector(cluster: &str, of: Component) -> Labels {
    labels([(CLUSTER, cluster), (COMPONENT, component(of))])
}

/// Labels of every object of a cluster.
pub(super) fn common(cluster: &str) -> Labels {
    labels([
        (CLUSTER, cluster),
        ("app.kubernetes.io/name", "voip"),
        ("app.kubernetes.io/instance", cluster),
        ("app.kubernetes.io/managed-by", "voip-operator"),
    ])
}

/// Labels of an object of one component.
pub(super) fn of_component(cluster: &str, of: Component) -> Labels {
    let mut all = common(cluster);
    all.extend(labels([(COMPONENT, component(of)), ("app.kubernetes.io/component", component(of))]));
    all
}

/// Where the pod is spoken to, as the pod itself says it.
pub(super) fn control(ports: ControlPorts) -> Labels {
    labels([(CONTROL, &format!("{},{}", ports.grpc, ports.http))])
}

pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}
