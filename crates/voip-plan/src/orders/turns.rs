//! Whose turn it is to be replaced: in each pool no more at a time than `updates.maxUnavailable`.
//!
//! A pod that drains for it goes on; others follow as long as enough of the pool serves. What is down for another reason
//! counts, so that an update that breaks its first pod stops there. A media-node on a node that does not answer does not
//! count: it would stop updates for as long as it is lost.

use std::collections::{BTreeMap, BTreeSet};

use voip_contract::node_admin::Service;

use super::emptied::runs_nothing;
use super::fleet::Fleet;
use crate::observed::Pod;
use crate::plan::{MediaPod, NetworkMode};
use crate::validate::NodeCount;

/// Names of the pods whose turn it is.
pub(super) fn of<'a>(fleet: &Fleet<'a>) -> BTreeSet<&'a str> {
    if !fleet.may_replace() {
        return BTreeSet::new();
    }
    let mut pools: BTreeMap<&str, Pool<'a>> = BTreeMap::new();
    for (set, wanted) in &fleet.wanted {
        pools.entry(&wanted.pool).or_default().add(fleet, set, wanted);
    }
    pools.into_values().flat_map(|pool| pool.turns(fleet)).collect()
}

#[derive(Default)]
struct Pool<'a> {
    size: usize,
    /// Those that do not take calls.
    down: usize,
    /// Pods that are to be replaced.
    waiting: Vec<&'a Pod>,
}

impl<'a> Pool<'a> {
    fn add(&mut self, fleet: &Fleet<'a>, set: &str, wanted: &MediaPod) {
        self.size += 1;
        if fleet.nodes.is_lost(&wanted.node) {
            return;
        }
        let pods = fleet.pods.get(set).map_or(&[][..], Vec::as_slice);
        let live: Vec<&'a Pod> = pods.iter().copied().filter(|pod| !pod.ending).collect();
        let leaves = fleet.nodes.cause(&wanted.node).is_some();
        let renderable = wanted.address.is_some() || fleet.plan.network.mode == Some(NetworkMode::PodAddress);
        if renderable && (leaves || !live.iter().any(|pod| serves(fleet, pod))) {
            self.down += 1;
        }
        if !leaves {
            let replaced = |pod: &&Pod| fleet.waits_for_ports(set) || fleet.is_outdated(pod);
            self.waiting.extend(live.into_iter().filter(replaced));
        }
    }

    /// Pods that run nothing go at once. Then those that drain already, the first first, then those that serve nobody
    /// anyway.
    fn turns(mut self, fleet: &Fleet<'_>) -> Vec<&'a str> {
        let most = most(fleet, self.size);
        let (mut turns, mut waiting): (Vec<&Pod>, Vec<&Pod>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|pod| runs_nothing(pod, fleet.observed));
        let since = |pod: &Pod| pod.draining_since_ms.unwrap_or(u64::MAX);
        waiting.sort_by_key(|pod| (since(pod), serves(fleet, pod), &pod.name));
        for pod in waiting.into_iter().take(most) {
            let costs = usize::from(serves(fleet, pod));
            if self.down + costs <= most || pod.draining_since_ms.is_some() {
                self.down += costs;
                turns.push(pod);
            }
        }
        turns.into_iter().map(|pod| pod.name.as_str()).collect()
    }
}

/// At least one: zero would never come to an end.
fn most(fleet: &Fleet<'_>, size: usize) -> usize {
    let most = match fleet.valid.max_unavailable {
        NodeCount::Count(count) => count,
        NodeCount::Percent(percent) => size.saturating_mul(percent) / 100,
    };
    most.max(1)
}

fn serves(fleet: &Fleet<'_>, pod: &Pod) -> bool {
    let report = fleet.observed.reports.get(&pod.name);
    let drains = report.is_some_and(|report| report.service != Service::Serving);
    pod.ready && pod.draining_since_ms.is_none() && !drains
}
