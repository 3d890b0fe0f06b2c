//! Orders that follow from nodes alone: a node that is to be empty is emptied although its VoipCluster cannot be planned.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use voip_api::{LeaseState, VoipCluster};

use crate::leases::LeaseKey;
use crate::observed::{Component, Node, Observed, Pod};
use crate::plan::{DrainCause, Order};
use crate::validate::cluster::{LONGEST_DRAIN_SECONDS, drained_nodes};

/// The nodes, and which of them are to be emptied.
pub(super) struct Nodes<'a> {
    by_name: HashMap<&'a str, &'a Node>,
    asked: &'a BTreeSet<String>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of(observed: &'a Observed, asked: &'a BTreeSet<String>) -> Self {
        Self { by_name: observed.nodes.iter().map(|node| (node.name.as_str(), node)).collect(), asked }
    }

    /// Nothing is heard from the node, or it is gone.
    pub(super) fn is_lost(&self, node: &str) -> bool {
        !self.by_name.get(node).is_some_and(|node| node.ready)
    }

    /// Its node answers, or it has none yet.
    pub(super) fn answers(&self, pod: &Pod) -> bool {
        !pod.node.as_deref().is_some_and(|node| self.is_lost(node))
    }

    /// Why pods on this node are drained and stay so.
    pub(super) fn cause(&self, node: &str) -> Option<DrainCause> {
        if self.by_name.get(node).is_some_and(|node| node.is_leaving()) {
            return Some(DrainCause::NodeLeaves);
        }
        self.asked.contains(node).then_some(DrainCause::Asked)
    }
}

/// The orders of a round in which nothing could be planned, because the spec of `cluster` is invalid. Nothing is replaced
/// or removed, and who drains for that stays as it is.
pub fn orders_of_nodes(cluster: &VoipCluster, observed: &Observed) -> Vec<Order> {
    let asked = drained_nodes(cluster);
    let nodes = Nodes::of(observed, &asked);
    let seconds = cluster.spec.drain.timeout_seconds.min(LONGEST_DRAIN_SECONDS);
    let leases = observed.leases.iter().flat_map(|object| &object.spec.leases);
    let states: BTreeMap<LeaseKey, LeaseState> =
        leases.map(|lease| (LeaseKey::of(lease), lease.state)).collect();
    let stays = |pod: &Pod| {
        let newest = observed.media.get(&pod.owner).is_some_and(|set| set.rendered == pod.rendered);
        let lease = pod.lease.as_ref();
        newest && lease.is_none_or(|lease| states.get(lease) == Some(&LeaseState::Active))
    };
    let order = |pod: &Pod| match pod.node.as_deref().and_then(|node| nodes.cause(node)) {
        Some(cause) => Some(Order::Drain { pod: pod.name.clone(), seconds, cause }),
        None if pod.draining_since_ms.is_some() && stays(pod) => {
            Some(Order::Return { pod: pod.name.clone() })
        }
        None => None,
    };
    let pods = observed.pods.iter().filter(|pod| pod.component == Component::Media);
    pods.filter(|pod| !pod.ending && nodes.answers(pod)).filter_map(order).collect()
}
