//! What is to be done to media pods that run: which are drained, and what is deleted once they are.
//!
//! Nothing is remembered between rounds but what is noted on the pods: an order is said again until what it is for has
//! happened. Nothing is ordered for a pod whose node does not answer, for nobody would hear it. How an order is carried
//! out is not known here, nor is the deletion of a VoipCluster.

mod due;
mod emptied;
mod fleet;
mod nodes;
mod turns;

use std::collections::BTreeSet;

use voip_contract::node_admin::Service;

use crate::objects::Release;
use crate::observed::{Observed, Pod};
use crate::plan::{DrainCause, Order, Plan, PortsChange};
use crate::validate::ValidCluster;
pub use due::next_ms;
use emptied::is_emptied;
use fleet::Fleet;
pub use nodes::orders_of_nodes;

/// The orders of this round. Pure, and the same for the same world; none when everything is as it was asked for.
pub fn orders(valid: &ValidCluster, plan: &Plan, observed: &Observed, release: &Release) -> Vec<Order> {
    let fleet = Fleet::of(valid, plan, observed, release);
    let turns = turns::of(&fleet);
    let pods = fleet.pods.values().flatten().filter_map(|pod| for_pod(&fleet, pod, &turns));
    let sets = observed.media.keys().filter(|set| is_over(&fleet, set, &turns));
    pods.chain(sets.map(|name| Order::DeleteDaemonSet { name: name.clone() })).collect()
}

fn for_pod(fleet: &Fleet<'_>, pod: &Pod, turns: &BTreeSet<&str>) -> Option<Order> {
    if pod.ending || !fleet.nodes.answers(pod) {
        return None;
    }
    let Some(cause) = cause(fleet, pod, turns) else {
        let drains = pod.draining_since_ms.is_some() || says_it_drains(fleet, pod);
        return drains.then(|| Order::Return { pod: pod.name.clone() });
    };
    let emptied = is_emptied(pod, fleet.observed, fleet.valid.drain_seconds);
    match cause {
        DrainCause::Update if emptied => {
            Some(Order::DeletePod { pod: pod.name.clone(), uid: pod.uid.clone() })
        }
        // Its DaemonSet is deleted, or was.
        DrainCause::Removed if emptied => None,
        _ => Some(Order::Drain { pod: pod.name.clone(), seconds: fleet.valid.drain_seconds, cause }),
    }
}

/// It may have missed the order to return. One that was told to end keeps draining whatever it is ordered.
fn says_it_drains(fleet: &Fleet<'_>, pod: &Pod) -> bool {
    let report = fleet.observed.reports.get(&pod.name);
    report.is_some_and(|report| report.service != Service::Serving)
}

/// Why the pod takes no new calls. What is removed is removed wherever it runs; but what would only be made anew stays
/// on a node that is to be emptied.
fn cause(fleet: &Fleet<'_>, pod: &Pod, turns: &BTreeSet<&str>) -> Option<DrainCause> {
    if fleet.is_removed(&pod.owner) {
        return Some(DrainCause::Removed);
    }
    // The garbage collector has not come to it yet. A pod that was never drained may be known before its DaemonSet is.
    if !fleet.observed.media.contains_key(&pod.owner) && pod.draining_since_ms.is_some() {
        return Some(DrainCause::Removed);
    }
    if let Some(cause) = pod.node.as_deref().and_then(|node| fleet.nodes.cause(node)) {
        return Some(cause);
    }
    let moves = fleet.waits_for_ports(&pod.owner);
    let replaced = if moves { DrainCause::Removed } else { DrainCause::Update };
    turns.contains(pod.name.as_str()).then_some(replaced)
}

/// The DaemonSet is to go, and none of its pods has calls. Of a pod that ends no other may be made.
fn is_over(fleet: &Fleet<'_>, set: &str, turns: &BTreeSet<&str>) -> bool {
    let pods = fleet.pods.get(set).map_or(&[][..], Vec::as_slice);
    let over = |pod: &&Pod| {
        fleet.nodes.answers(pod) && (pod.ending || is_emptied(pod, fleet.observed, fleet.valid.drain_seconds))
    };
    let goes = fleet.is_removed(set) || moves_now(fleet, set, pods, turns);
    goes && pods.iter().all(over)
}

/// It is this one's turn to be made anew on other ports. Without a pod that could have calls it need not wait for one.
fn moves_now(fleet: &Fleet<'_>, set: &str, pods: &[&Pod], turns: &BTreeSet<&str>) -> bool {
    let Some(wanted) = fleet.wanted.get(set) else { return false };
    fleet.may_replace()
        && wanted.ports_change == PortsChange::Waits
        && !fleet.nodes.is_lost(&wanted.node)
        && fleet.nodes.cause(&wanted.node).is_none()
        && pods.iter().all(|pod| pod.ending || turns.contains(pod.name.as_str()))
}
