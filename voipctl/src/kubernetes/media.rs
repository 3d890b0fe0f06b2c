//! The media-nodes of a VoipCluster: what the operator reports of them, and beyond that what their DaemonSets, pods and
//! leases say. A status holds a hundred; those that are not wanted any more are in none.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{self as core, PodSpec};
use serde::Serialize;
use voip_api::{LeaseState, MediaNodeState, RtpPortLease};
use voip_plan::Pod;
use voip_plan::objects::names;
use voip_plan::observe::pods;

use super::cluster::Cluster;
use super::kubectl::{Kubectl, KubectlError};

/// A media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediaNode {
    /// The Kubernetes node.
    pub(crate) node: String,
    /// The pool.
    pub(crate) pool: String,
    /// Which of the pods of the pool on that node.
    pub(crate) shard: u32,
    /// RTP ports, `first-last`.
    pub(crate) ports: String,
    /// Control ports, `grpc,http`; empty where it has no DaemonSet.
    pub(crate) control: String,
    /// What callers are told.
    pub(crate) address: String,
    /// As the operator says, else what its pod or lease looks like.
    pub(crate) state: State,
    /// Name under which sip-node knows it; empty where it has no DaemonSet.
    pub(crate) name: String,
    /// Why its pod does not start; empty when nothing is wrong.
    pub(crate) trouble: String,
}

/// The state of a media-node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum State {
    /// Its Kubernetes node does not answer.
    Lost,
    /// Its pod is not ready, or is not there.
    NotReady,
    /// It takes no new calls because it is to go.
    Draining,
    /// It takes calls.
    Ready,
    /// It is gone, and its ports are held because nobody saw it end.
    Quarantined,
}

impl From<MediaNodeState> for State {
    fn from(state: MediaNodeState) -> Self {
        match state {
            MediaNodeState::Lost => Self::Lost,
            MediaNodeState::NotReady => Self::NotReady,
            MediaNodeState::Draining => Self::Draining,
            MediaNodeState::Ready => Self::Ready,
        }
    }
}

/// Node, pool and shard.
type Place = (String, String, u32);

/// All media-nodes by node, pool and shard, and what could not be looked at.
pub(crate) fn nodes(kubectl: &Kubectl, cluster: &Cluster) -> (Vec<MediaNode>, Vec<KubectlError>) {
    let kubectl = kubectl.within(cluster.namespace());
    let selector = format!("--selector={}={},{}=media", names::CLUSTER, cluster.name(), names::COMPONENT);
    let mut unseen = Vec::new();
    let mut seen = |error| unseen.push(error);
    let sets = kubectl.list(&["daemonsets.apps", &selector]).map_err(&mut seen).unwrap_or_default();
    let pods = kubectl.list(&["pods", &selector]).map_err(&mut seen).unwrap_or_default();
    // Only then there can be one that neither the status nor a DaemonSet names.
    let leases = if cluster.status.nodes_omitted > 0 {
        kubectl.list(&["rtpportleases.voip.dev"]).map_err(&mut seen).unwrap_or_default()
    } else {
        Vec::new()
    };
    (merge(cluster, &sets, &pods, &leases), unseen)
}

fn merge(
    cluster: &Cluster,
    sets: &[DaemonSet],
    pods: &[core::Pod],
    leases: &[RtpPortLease],
) -> Vec<MediaNode> {
    let mut nodes: BTreeMap<Place, MediaNode> = BTreeMap::new();
    for set in sets {
        let owned =
            pods.iter().filter_map(pods::pod).filter(|pod| Some(&pod.owner) == set.metadata.name.as_ref());
        // Of a pod that ends and the one after it, the newer counts.
        let pod = owned.min_by_key(|pod| pod.ending);
        if let Some(node) = of_set(set, pod.as_ref()) {
            nodes.insert((node.node.clone(), node.pool.clone(), node.shard), node);
        }
    }
    for reported in &cluster.status.nodes {
        let place = (reported.name.clone(), reported.pool.clone(), reported.shard);
        let node = nodes.entry(place).or_insert_with_key(empty);
        node.ports.clone_from(&reported.ports);
        node.address.clone_from(&reported.address);
        node.state = reported.state.into();
    }
    let uid = cluster.metadata.uid.as_deref();
    let ours = leases
        .iter()
        .flat_map(|object| &object.spec.leases)
        .filter(|it| Some(it.cluster_uid.as_str()) == uid);
    for lease in ours {
        let Some(place) = place_of_lease(&lease.id) else { continue };
        nodes.entry(place).or_insert_with_key(|place| MediaNode {
            ports: lease.rtp.map(|rtp| rtp.to_string()).unwrap_or_default(),
            control: format!("{},{}", lease.control.start, lease.control.last()),
            state: if lease.state == LeaseState::Quarantined { State::Quarantined } else { State::NotReady },
            ..empty(place)
        });
    }
    nodes.into_values().collect()
}

fn empty((node, pool, shard): &Place) -> MediaNode {
    MediaNode {
        node: node.clone(),
        pool: pool.clone(),
        shard: *shard,
        ports: String::new(),
        control: String::new(),
        address: String::new(),
        state: State::NotReady,
        name: String::new(),
        trouble: String::new(),
    }
}

/// `NAMESPACE/CLUSTER/POOL/SHARD@NODE`
fn place_of_lease(id: &str) -> Option<Place> {
    let (place, node) = id.split_once('@')?;
    let mut parts = place.rsplit('/');
    let (shard, pool) = (parts.next()?.parse().ok()?, parts.next()?);
    Some((node.to_owned(), pool.to_owned(), shard))
}

/// A DaemonSet is the record of its media-node.
fn of_set(set: &DaemonSet, pod: Option<&Pod>) -> Option<MediaNode> {
    let labels = set.metadata.labels.as_ref()?;
    let template = &set.spec.as_ref()?.template;
    let annotation = |name: &str| template.metadata.as_ref()?.annotations.as_ref()?.get(name).cloned();
    let spec = template.spec.as_ref()?;
    let place = (pinned_to(spec)?, labels.get(names::POOL)?.clone(), labels.get(names::SHARD)?.parse().ok()?);
    let told = argument(spec, "--advertise=").filter(|told| told.parse::<std::net::IpAddr>().is_ok());
    let address = told.map(str::to_owned).or_else(|| Some(pod?.address?.to_string()));
    Some(MediaNode {
        ports: annotation(names::RTP).unwrap_or_default(),
        control: annotation(names::CONTROL).unwrap_or_default(),
        address: address.unwrap_or_default(),
        state: state(pod),
        name: argument(spec, "--name=").unwrap_or_default().to_owned(),
        trouble: pod.map(|pod| pod.trouble.clone()).unwrap_or_default(),
        ..empty(&place)
    })
}

fn state(pod: Option<&Pod>) -> State {
    match pod {
        Some(pod) if pod.ending || pod.draining_since_ms.is_some() => State::Draining,
        Some(pod) if pod.ready => State::Ready,
        _ => State::NotReady,
    }
}

/// The node that a pod is pinned to by name.
fn pinned_to(spec: &PodSpec) -> Option<String> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let fields = terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut named = fields.filter(|field| field.key == "metadata.name");
    named.next()?.values.as_ref()?.first().cloned()
}

fn argument<'a>(spec: &'a PodSpec, flag: &str) -> Option<&'a str> {
    let arguments = spec.containers.iter().flat_map(|container| container.args.iter().flatten());
    arguments.into_iter().find_map(|argument| argument.strip_prefix(flag))
}

#[cfg(test)]
mod tests;
