//! Plans, and does what is planned: leases first, then objects, then what pods are told.
//!
//! What is decided is decided in `voip-plan`. Here is only what must not be done while not everything is known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use kube::api::DynamicObject;
use kube::{Api, ResourceExt as _};
use voip_plan::objects::{Object, names, probe_pods, render};
use voip_plan::status::Fault;
use voip_plan::{
    Component, DrainCause, LeaseKey, MediaPod, NetworkMode, Observed, Order, Plan, PortsChange, ValidCluster,
    orders, orders_of_nodes, plan,
};

use crate::ClusterKey;
use crate::apply::leases::{self, LeaseError};
use crate::apply::objects::{Key, Owned};
use crate::context::Context;
use crate::documents::announce;
use crate::observe::Sight;
use crate::orders::execute;

/// Plans and applies. None: somebody else wrote a lease first, and everything is to be observed anew.
pub(crate) async fn act(
    context: &Context,
    valid: &ValidCluster,
    seen: &mut Sight,
    faults: &mut Vec<Fault>,
) -> Option<Plan> {
    ask_admission(context, valid, seen).await;
    let mut plan = plan(valid, &seen.observed);
    plan.orders = orders(valid, &plan, &seen.observed, &context.settings.release);
    if seen.blind {
        // A pod that is not told may have calls.
        plan.orders.retain(|order| matches!(order, Order::Drain { .. } | Order::Return { .. }));
    }
    let api = Api::all(context.client.clone());
    match leases::write(&api, &plan.leases, &seen.leases).await {
        Ok(_) => faults.extend(apply(context, valid, &plan, seen).await),
        Err(LeaseError::Overtaken(name)) => {
            tracing::info!(object = name, "somebody else wrote the leases first");
            context.metrics.overtaken();
            return None;
        }
        Err(LeaseError::Refused(fault)) => {
            faults.push(fault);
            plan.orders.retain(rests_on_no_lease);
        }
    }
    faults.extend(tell(context, &plan, seen).await);
    Some(plan)
}

/// What can be done while the spec cannot be used: nodes that are to be empty are emptied. Returns what could not be.
pub(crate) async fn act_on_nodes(context: &Context, seen: &Sight) -> Vec<Fault> {
    let orders = orders_of_nodes(&seen.cluster, &seen.observed);
    let (key, epoch) = (ClusterKey::of(&seen.cluster), context.settings.epoch);
    let (client, uid) = (&context.client, seen.cluster.uid().unwrap_or_default());
    execute(client, &context.sessions, (&key, &uid), &seen.observed, &orders, epoch).await
}

/// A node that is to be empty is emptied whatever else is refused.
fn rests_on_no_lease(order: &Order) -> bool {
    match order {
        Order::Drain { cause, .. } => matches!(cause, DrainCause::NodeLeaves | DrainCause::Asked),
        Order::Return { .. } => true,
        Order::DeletePod { .. } | Order::DeleteDaemonSet { .. } => false,
    }
}

/// What would be admitted says which mode to take, and why no pod comes where there is none.
async fn ask_admission(context: &Context, valid: &ValidCluster, seen: &mut Sight) {
    if seen.observed.pods.iter().any(|pod| pod.component == Component::Media) {
        return;
    }
    let key = ClusterKey::of(&seen.cluster);
    let question = (key.namespace, key.name, seen.cluster.metadata.generation.unwrap_or_default());
    let probes = probe_pods(valid, &context.settings.release);
    seen.observed.admission = context.answers.get(&context.client, question, &probes, Instant::now()).await;
}

async fn apply(context: &Context, valid: &ValidCluster, plan: &Plan, seen: &Sight) -> Vec<Fault> {
    let key = ClusterKey::of(&seen.cluster);
    let objects = render(valid, plan, &context.settings.release);
    let mut wanted: Vec<DynamicObject> = objects.into_iter().filter_map(as_applied).collect();
    let owned = Owned::new(context.client.clone(), &key.namespace, seen.cluster.uid().unwrap_or_default());
    if plan.network.mode != Some(NetworkMode::PodAddress) {
        context.memory(&key, |memory| {
            memory.told(seen.observed.media.values().map(|set| &set.lease));
            memory.made(new_daemon_sets(plan, &seen.observed));
        });
    }
    if !seen.unknown.is_empty() {
        // Without a user whose Secret cannot be read for a moment the documents would take that user away.
        wanted.retain(|object| !is_of_users(object));
    }
    let (_, mut faults) = owned.apply(&wanted, &seen.found).await;
    if faults.is_empty() && !seen.blind && seen.unknown.is_empty() {
        let keys = wanted.iter().map(Key::of).collect();
        faults.extend(owned.prune(&keys, &seen.found).await.1);
    }
    faults
}

async fn tell(context: &Context, plan: &Plan, seen: &Sight) -> Vec<Fault> {
    let key = ClusterKey::of(&seen.cluster);
    let deleted = plan.orders.iter().filter_map(|order| without_pod(order, &seen.observed));
    context.memory(&key, |memory| memory.deleted(deleted));
    let client = &context.client;
    let pods = seen.pods.iter().map(Arc::as_ref);
    let mut faults = announce(client, &key.namespace, pods, |of| documents(plan, of)).await;
    let (sessions, epoch) = (&context.sessions, context.settings.epoch);
    let uid = seen.cluster.uid().unwrap_or_default();
    faults.extend(execute(client, sessions, (&key, &uid), &seen.observed, &plan.orders, epoch).await);
    faults
}

/// The lease of a DaemonSet that is deleted although no pod of it is seen: one may be about to be made.
fn without_pod(order: &Order, observed: &Observed) -> Option<LeaseKey> {
    let Order::DeleteDaemonSet { name } = order else { return None };
    let has_pod = observed.pods.iter().any(|pod| pod.owner == *name);
    let set = observed.media.get(name).filter(|_| !has_pod)?;
    Some(set.lease.clone()).filter(|lease| !lease.id.is_empty())
}

/// Leases of DaemonSets that this plan makes. One that was deleted so that its ports can move is not made before they have.
fn new_daemon_sets(plan: &Plan, observed: &Observed) -> Vec<LeaseKey> {
    let there: BTreeSet<&LeaseKey> = observed.media.values().map(|set| &set.lease).collect();
    let made = plan.media.iter().filter(|pod| pod.ports_change != PortsChange::Moves);
    made.map(MediaPod::lease_key).filter(|lease| !there.contains(lease)).collect()
}

fn is_of_users(object: &DynamicObject) -> bool {
    let cluster = object.labels().get(names::CLUSTER);
    let prefix = cluster.map(|cluster| format!("{cluster}-users-"));
    Key::of(object).kind == "Secret" && prefix.is_some_and(|prefix| object.name_any().starts_with(&prefix))
}

/// Fingerprint of the documents that a component is given.
fn documents(plan: &Plan, component: Component) -> String {
    let documents = &plan.documents;
    match component {
        Component::Signaling => format!("{}-{}", documents.sip.fingerprint, documents.users.fingerprint),
        Component::Media => documents.media.fingerprint.clone(),
    }
}

/// Always: what was rendered is an object.
fn as_applied(object: Object) -> Option<DynamicObject> {
    serde_json::from_value(object.manifest).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voip_api::VoipCluster;
    use voip_plan::Resources;

    use super::*;

    #[test]
    fn a_daemon_set_is_made_once_and_not_while_its_ports_move() {
        let mut resources =
            Resources::new(VoipCluster::new("office", serde_json::from_value(json!({})).unwrap()));
        resources.cluster.metadata.namespace = Some("voip".to_owned());
        let mut observed = voip_plan::invented_world(&resources.cluster);
        let valid = voip_plan::validate(&resources, &observed).unwrap();
        let mut plan = plan(&valid, &observed);
        let leases: Vec<LeaseKey> = plan.media.iter().map(MediaPod::lease_key).collect();
        assert_eq!((leases.len(), new_daemon_sets(&plan, &observed)), (2, leases.clone()));
        let there = voip_plan::MediaWorkload { lease: leases[0].clone(), rendered: String::new() };
        observed.media.insert("one".to_owned(), there);
        assert_eq!(new_daemon_sets(&plan, &observed), leases[1..]);
        plan.media[1].ports_change = PortsChange::Moves;
        assert_eq!(new_daemon_sets(&plan, &observed), []);
    }

    fn order(cause: DrainCause) -> Order {
        Order::Drain { pod: "p".to_owned(), seconds: 1, cause }
    }

    #[test]
    fn a_node_is_emptied_although_leases_are_refused_and_nothing_is_replaced_then() {
        assert!(rests_on_no_lease(&order(DrainCause::NodeLeaves)));
        assert!(rests_on_no_lease(&Order::Return { pod: "p".to_owned() }));
        assert!(!rests_on_no_lease(&order(DrainCause::Update)));
        assert!(!rests_on_no_lease(&Order::DeleteDaemonSet { name: "d".to_owned() }));
    }

    #[test]
    fn a_pod_may_still_come_of_a_daemon_set_that_is_deleted_without_one() {
        let mut observed = Observed::empty(voip_plan::Environment::Kubernetes, 0);
        let lease = LeaseKey::said("l", Some("29998,29999"));
        let set = voip_plan::MediaWorkload { lease: lease.clone(), rendered: String::new() };
        observed.media.insert("d".to_owned(), set);
        let order = Order::DeleteDaemonSet { name: "d".to_owned() };
        assert_eq!(without_pod(&order, &observed), Some(lease));
        assert_eq!(without_pod(&Order::Return { pod: "p".to_owned() }, &observed), None);
    }
}
