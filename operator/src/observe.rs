//! From what is watched to the world that `voip-plan` plans for: one VoipCluster and everything about it.
//!
//! The conversions live in `voip-plan`, because voipctl makes them too, without a Kubernetes client. Nothing here asks the
//! API server: that is done by watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::DynamicObject;
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use voip_api::{Dialplan, RtpPortLease, SipUser, VoipCluster};
use voip_contract::config::{SIP_DOCUMENT, SipDocument};
use voip_plan::objects::names;
use voip_plan::{Environment, LeaseKey, MediaWorkload, NetworkMode, Node, Observed, ReservedPorts};

pub use voip_plan::observe::{leases, media, nodes, pods, workloads};

use crate::apply::objects::Key;
use crate::owned::is_of;
use crate::world::{OWNED, Scope, Shared};
use crate::{CLUSTER_LABEL, ClusterKey};

pub mod lost_leases;
pub(crate) mod unheard;

/// One VoipCluster and everything about it, as it was last told.
pub struct Sight {
    /// The VoipCluster.
    pub cluster: Arc<VoipCluster>,
    /// Its users.
    pub users: Vec<SipUser>,
    /// Its Dialplans.
    pub dialplans: Vec<Dialplan>,
    /// The objects that were made for it.
    pub found: BTreeMap<Key, Arc<DynamicObject>>,
    /// Its pods, as the server has them.
    pub pods: Vec<Arc<Pod>>,
    /// All lease objects, as the server has them.
    pub leases: Vec<RtpPortLease>,
    /// The world, without admission and reports; with the leases that only pods know any more.
    pub observed: Observed,
    /// Not everything that counts is told now: what is not seen may be there.
    pub blind: bool,
    /// Names of users of whose password nothing is known now.
    pub unknown: BTreeSet<String>,
    /// The document that sip-nodes were given last.
    pub previous: Option<SipDocument>,
}

/// Looks at `cluster`. `reserved`: ports that are never leased; `made`: leases of DaemonSets that were made a moment ago and
/// are not told yet; `now_ms`: Unix time.
pub fn sight(
    cluster: &Arc<VoipCluster>,
    shared: &Shared,
    scope: &Scope,
    (reserved, made): (ReservedPorts, &BTreeSet<LeaseKey>),
    now_ms: u64,
) -> Sight {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let uid = cluster.uid().unwrap_or_default();
    let found = owned(scope, &namespace, &name);
    let pods = scope.pods.within(&namespace, |pod| pod.labels().get(CLUSTER_LABEL) == Some(&name));
    let mut observed = Observed::empty(Environment::Kubernetes, now_ms);
    observed.reserved = reserved;
    observed.nodes = shared.nodes.all().iter().map(|node| nodes::node(node)).collect();
    observed.pods = pods.iter().filter_map(|pod| pods::pod(pod)).collect();
    let kept: Vec<RtpPortLease> =
        shared.leases.all().iter().map(|lease| RtpPortLease::clone(lease)).collect();
    observed.leases = with_lost(kept.clone(), shared, &observed.nodes);
    let own: Vec<_> = sets(&found).filter(|(_, set)| is_of(set.as_ref(), &uid)).collect();
    observed.media = own.iter().map(|(name, set)| ((*name).to_owned(), workload(set))).collect();
    observed.mode = mode(cluster, own.iter().map(|(_, set)| *set));
    let one = |kind: &str| found.get(&Key { kind: kind.to_owned(), name: names::signaling(&name) });
    observed.signaling = one("Deployment").and_then(parse::<Deployment>).map(|it| workloads::workload(&it));
    observed.service = one("Service").and_then(parse::<Service>).map(|it| workloads::service(&it));
    let held = sets(&found).filter_map(|(_, set)| lease_of(set));
    observed.ended = ended(&uid, &observed, &held.chain(made.iter().cloned()).collect());
    Sight {
        cluster: Arc::clone(cluster),
        users: of_cluster(scope.users.within(&namespace, |user| user.spec.cluster_ref.name == name)),
        dialplans: of_cluster(scope.dialplans.within(&namespace, |plan| plan.spec.cluster_ref.name == name)),
        blind: false,
        unknown: BTreeSet::new(),
        previous: previous(&found, &name),
        leases: kept,
        found,
        pods,
        observed,
    }
}

/// The lease objects, and what of them only pods know any more: of all VoipClusters, for they share ports.
fn with_lost(kept: Vec<RtpPortLease>, shared: &Shared, nodes: &[Node]) -> Vec<RtpPortLease> {
    let clusters = shared.holders.iter().flat_map(|of| of.clusters.all());
    let uids: BTreeMap<ClusterKey, Option<String>> =
        clusters.map(|cluster| (ClusterKey::of(&cluster), cluster.uid())).collect();
    let pods: Vec<Arc<Pod>> = shared.holders.iter().flat_map(|of| of.pods.all()).collect();
    lost_leases::rebuild(kept, pods.iter().map(Arc::as_ref), |key| uids.get(key).cloned().flatten(), nodes)
}

/// The lease that the pods of a DaemonSet are started with; none for anything else.
pub(crate) fn lease_of(object: &DynamicObject) -> Option<LeaseKey> {
    let id = said(object, names::LEASE)?;
    Some(LeaseKey::said(id, said(object, names::CONTROL)))
}

/// An annotation of the pods of a DaemonSet. There may be a thousand in each look, so their templates are not parsed for a
/// few words.
fn said<'a>(set: &'a DynamicObject, annotation: &str) -> Option<&'a str> {
    set.data.pointer("/spec/template/metadata/annotations")?.get(annotation)?.as_str()
}

/// Those that are being deleted count no more.
fn of_cluster<K: Resource + Clone>(found: Vec<Arc<K>>) -> Vec<K> {
    let staying = found.into_iter().filter(|object| object.meta().deletion_timestamp.is_none());
    staying.map(|object| K::clone(&object)).collect()
}

fn owned(scope: &Scope, namespace: &str, cluster: &str) -> BTreeMap<Key, Arc<DynamicObject>> {
    let mut found = BTreeMap::new();
    for ((_, kind), known) in OWNED.iter().zip(&scope.owned) {
        let labelled =
            |object: &DynamicObject| object.labels().get(CLUSTER_LABEL).is_some_and(|label| label == cluster);
        for object in known.within(namespace, labelled) {
            found.insert(Key { kind: (*kind).to_owned(), name: object.name_any() }, object);
        }
    }
    found
}

fn sets(found: &BTreeMap<Key, Arc<DynamicObject>>) -> impl Iterator<Item = (&str, &Arc<DynamicObject>)> {
    let of_kind = found.iter().filter(|(key, _)| key.kind == "DaemonSet");
    of_kind.map(|(key, object)| (key.name.as_str(), object))
}

fn workload(set: &Arc<DynamicObject>) -> MediaWorkload {
    let rendered = said(set, names::RENDERED).unwrap_or_default().to_owned();
    MediaWorkload { lease: lease_of(set).unwrap_or_default(), rendered }
}

/// None for what the server would never have taken.
fn parse<K: DeserializeOwned>(object: &Arc<DynamicObject>) -> Option<K> {
    serde_json::to_value(object.as_ref()).ok().and_then(|value| serde_json::from_value(value).ok())
}

/// The status says it; where that was lost, the pods do.
fn mode<'a>(
    cluster: &VoipCluster,
    mut own: impl Iterator<Item = &'a Arc<DynamicObject>>,
) -> Option<NetworkMode> {
    let told = cluster.status.as_ref().and_then(|status| status.network.as_ref());
    told.and_then(|network| NetworkMode::named(&network.mode))
        .or_else(|| own.find_map(|set| media::mode(&parse(set)?)))
}

/// `kept`: leases of DaemonSets, whosesoever they are: their pods may use the ports.
fn ended(uid: &str, observed: &Observed, kept: &BTreeSet<LeaseKey>) -> BTreeSet<LeaseKey> {
    leases::ended(uid, &observed.leases, &observed.pods, kept, &observed.nodes)
}

fn previous(found: &BTreeMap<Key, Arc<DynamicObject>>, cluster: &str) -> Option<SipDocument> {
    let key = Key { kind: "ConfigMap".to_owned(), name: names::signaling_config(cluster) };
    let map: ConfigMap = parse(found.get(&key)?)?;
    serde_json::from_str(map.data?.get(SIP_DOCUMENT)?).ok()
}

#[cfg(test)]
mod tests;
