//! Which nodes may carry a pool: its selector and tolerations against labels and taints, as the scheduler sees them.

use voip_api::{PodSettings, TaintEffect, Toleration, TolerationOperator};

use crate::observed::{Node, Taint};

/// Taints that the controller of DaemonSets tolerates for its pods: they tell of a state that may pass, and
/// [`Node::ready`] and [`Node::cordoned`] say what of it counts here.
const TOLERATED: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
];
/// Taints by which autoscalers say that they are about to take a node away.
const DISRUPTION: [&str; 3] =
    ["ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted", "karpenter.sh/disruption"];

impl Node {
    /// It was cordoned, or an autoscaler is about to take it away.
    pub fn is_leaving(&self) -> bool {
        self.cordoned || self.taints.iter().any(|taint| DISRUPTION.contains(&taint.key.as_str()))
    }
}

/// Whether pods with these settings belong on the node, whatever state it is in at the moment.
pub(crate) fn matches(node: &Node, settings: &PodSettings) -> bool {
    let selected = settings.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
    selected && node.taints.iter().all(|taint| is_no_bar(taint, &settings.tolerations))
}

fn is_no_bar(taint: &Taint, tolerations: &[Toleration]) -> bool {
    let key = taint.key.as_str();
    taint.effect == TaintEffect::PreferNoSchedule
        || TOLERATED.contains(&key)
        || DISRUPTION.contains(&key)
        || tolerations.iter().any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.is_none_or(|effect| effect == taint.effect);
    let every = toleration.key.is_empty() && toleration.operator == TolerationOperator::Exists;
    let value = match toleration.operator {
        TolerationOperator::Exists => true,
        TolerationOperator::Equal => toleration.value == taint.value,
    };
    effect && (every || toleration.key == taint.key && value)
}
