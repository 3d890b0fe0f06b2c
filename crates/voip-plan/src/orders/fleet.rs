//! What was observed and planned of media-nodes, by DaemonSet.

use std::collections::BTreeMap;

use super::nodes::Nodes;
use crate::objects::names::media_daemon_set;
use crate::objects::{Release, media_fingerprint};
use crate::observed::{Component, Observed, Pod};
use crate::plan::{MediaPod, Plan, PortsChange};
use crate::validate::ValidCluster;

pub(super) struct Fleet<'a> {
    pub(super) valid: &'a ValidCluster,
    pub(super) plan: &'a Plan,
    pub(super) observed: &'a Observed,
    release: &'a Release,
    pub(super) nodes: Nodes<'a>,
    /// The pods that there are, by name.
    pub(super) pods: BTreeMap<&'a str, Vec<&'a Pod>>,
    /// The media-nodes that are wanted.
    pub(super) wanted: BTreeMap<String, &'a MediaPod>,
}

impl<'a> Fleet<'a> {
    pub(super) fn of(
        valid: &'a ValidCluster,
        plan: &'a Plan,
        observed: &'a Observed,
        release: &'a Release,
    ) -> Self {
        let set = |pod: &MediaPod| media_daemon_set(&valid.name, &pod.pool, &pod.node, pod.shard);
        let mut pods: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in observed.pods.iter().filter(|pod| pod.component == Component::Media) {
            pods.entry(&pod.owner).or_default().push(pod);
        }
        for pods in pods.values_mut() {
            pods.sort_by_key(|pod| &pod.name);
        }
        Self {
            valid,
            plan,
            observed,
            release,
            nodes: Nodes::of(observed, &valid.drained_nodes),
            pods,
            wanted: plan.media.iter().map(|pod| (set(pod), pod)).collect(),
        }
    }

    /// Whether anything that runs may be replaced or removed. Without a mode nothing is planned, and so nothing is known
    /// not to be wanted.
    pub(super) fn may_replace(&self) -> bool {
        self.plan.network.mode.is_some() && !self.valid.spec.updates.paused
    }

    /// The DaemonSet is there and not wanted any more.
    pub(super) fn is_removed(&self, set: &str) -> bool {
        self.may_replace() && self.observed.media.contains_key(set) && !self.wanted.contains_key(set)
    }

    /// Its ports must move.
    pub(super) fn waits_for_ports(&self, set: &str) -> bool {
        self.wanted.get(set).is_some_and(|wanted| wanted.ports_change == PortsChange::Waits)
    }

    /// The pod was made from another template than that of its DaemonSet, which is the newest.
    pub(super) fn is_outdated(&self, pod: &Pod) -> bool {
        let (Some(set), Some(wanted)) = (self.observed.media.get(&pod.owner), self.wanted.get(&pod.owner))
        else {
            return false;
        };
        pod.rendered != set.rendered
            && media_fingerprint(self.valid, self.plan, wanted, self.release).as_ref() == Some(&set.rendered)
    }
}
