//! The media-nodes: the state of each, and why none is ready.

use std::collections::{HashMap, HashSet};

use voip_api::{
    CapacityStatus, MediaNodeState, MediaNodeStatus, MediaStatus, STATUS_NODES, VoipClusterStatus,
};
use voip_contract::node_admin::{NodeReport, Service};

use super::conditions::{Finding, Is};
use super::signaling::waiting;
use super::{FaultReason, Round, name_of};
use crate::capacity;
use crate::objects::names::media_daemon_set;
use crate::observed::{Component, Observed, Pod, Verdict};
use crate::plan::{MediaPod, NetworkMode, NetworkReason, Order, Plan};
use crate::ports::calls_for_ports;
use crate::validate::ValidCluster;

/// Counts, capacity and the list of nodes, the troubled ones first.
pub(super) fn fill(after: &mut VoipClusterStatus, valid: &ValidCluster, plan: &Plan, observed: &Observed) {
    let states = states(valid, plan, observed);
    after.capacity = capacity(plan, &states);
    let count = |state| states.iter().filter(|(_, found)| *found == state).count();
    let (ready, desired) = (to_u32(count(MediaNodeState::Ready)), to_u32(states.len()));
    after.media = MediaStatus {
        ready,
        desired,
        draining: to_u32(count(MediaNodeState::Draining).saturating_add(removed(valid, plan, observed))),
        summary: format!("{ready}/{desired}"),
    };
    let mut nodes: Vec<MediaNodeStatus> = states.iter().map(|(pod, state)| node(pod, *state)).collect();
    nodes.sort_by(|a, b| (a.state, &a.name, &a.pool, a.shard).cmp(&(b.state, &b.name, &b.pool, b.shard)));
    after.nodes_omitted = to_u32(nodes.len().saturating_sub(STATUS_NODES));
    nodes.truncate(STATUS_NODES);
    after.nodes = nodes;
}

/// Pods that drain because they are not wanted any more.
fn removed(valid: &ValidCluster, plan: &Plan, observed: &Observed) -> usize {
    let set = |pod: &MediaPod| media_daemon_set(&valid.name, &pod.pool, &pod.node, pod.shard);
    let wanted: HashSet<String> = plan.media.iter().map(set).collect();
    let found = Found::of(plan, observed);
    let gone = observed.pods.iter().filter(|pod| pod.component == Component::Media);
    gone.filter(|pod| !wanted.contains(&pod.owner) && found.drains(pod)).count()
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn node(pod: &MediaPod, state: MediaNodeState) -> MediaNodeStatus {
    MediaNodeStatus {
        name: pod.node.clone(),
        pool: pod.pool.clone(),
        shard: pod.shard,
        address: pod.address.map(|found| found.address.to_string()).unwrap_or_default(),
        source: pod.address.map(|found| name_of(&found.source)).unwrap_or_default(),
        ports: format!("{}-{}", pod.rtp.first, pod.rtp.last),
        state,
    }
}

fn capacity(plan: &Plan, states: &[(&MediaPod, MediaNodeState)]) -> CapacityStatus {
    let counted = |(pod, state): &(&MediaPod, MediaNodeState)| MediaPod {
        ready: *state == MediaNodeState::Ready,
        ..(*pod).clone()
    };
    let pods: Vec<MediaPod> = states.iter().map(counted).collect();
    let capacity = capacity::of(&pods, plan.capacity.ports_free);
    CapacityStatus {
        calls: capacity.calls,
        calls_without_one_node: capacity.calls_without_one_node,
        ports_free: capacity.ports_free,
    }
}

fn states<'a>(
    valid: &ValidCluster,
    plan: &'a Plan,
    observed: &Observed,
) -> Vec<(&'a MediaPod, MediaNodeState)> {
    let found = Found::of(plan, observed);
    plan.media.iter().map(|pod| (pod, found.state(valid, pod))).collect()
}

/// What was observed, by name.
struct Found<'a> {
    /// Whether a node answers.
    nodes: HashMap<&'a str, bool>,
    /// By DaemonSet.
    pods: HashMap<&'a str, &'a Pod>,
    reports: &'a std::collections::BTreeMap<String, NodeReport>,
    /// Pods that are ordered to drain.
    draining: HashSet<&'a str>,
}

impl<'a> Found<'a> {
    fn of(plan: &'a Plan, observed: &'a Observed) -> Self {
        let draining = plan.orders.iter().filter_map(|order| match order {
            Order::Drain { pod, .. } => Some(pod.as_str()),
            _ => None,
        });
        // Of a pod that ends and the one after it, the newer counts.
        let mut media: Vec<&Pod> =
            observed.pods.iter().filter(|pod| pod.component == Component::Media).collect();
        media.sort_by_key(|pod| (!pod.ending, &pod.name));
        Self {
            nodes: observed.nodes.iter().map(|node| (node.name.as_str(), node.ready)).collect(),
            pods: media.into_iter().map(|pod| (pod.owner.as_str(), pod)).collect(),
            reports: &observed.reports,
            draining: draining.collect(),
        }
    }

    fn state(&self, valid: &ValidCluster, wanted: &MediaPod) -> MediaNodeState {
        let set = media_daemon_set(&valid.name, &wanted.pool, &wanted.node, wanted.shard);
        let pod = self.pods.get(set.as_str());
        if self.nodes.get(wanted.node.as_str()) != Some(&true) {
            return MediaNodeState::Lost;
        }
        match pod {
            Some(pod) if self.drains(pod) => MediaNodeState::Draining,
            Some(pod) if pod.ready => MediaNodeState::Ready,
            _ => MediaNodeState::NotReady,
        }
    }

    fn drains(&self, pod: &Pod) -> bool {
        let service = self.reports.get(&pod.name).map(|report| report.service);
        pod.ending
            || pod.draining_since_ms.is_some()
            || self.draining.contains(pod.name.as_str())
            || matches!(service, Some(Service::Draining | Service::Drained))
    }
}

/// Media-nodes whose range is held by others so far that the calls that are asked for do not fit.
pub(super) fn short_of_ports(plan: &Plan, round: &Round<'_>) -> Vec<String> {
    let Ok((valid, _)) = round.outcome else { return Vec::new() };
    let found = Found::of(plan, round.observed);
    let short = |pod: &MediaPod| {
        let set = media_daemon_set(&valid.name, &pod.pool, &pod.node, pod.shard);
        let report = found.reports.get(&found.pods.get(set.as_str())?.name)?;
        let foreign = to_u32(report.foreign_ports.len());
        let fit = calls_for_ports(pod.rtp.count().saturating_sub(foreign));
        (fit < pod.capacity).then(|| {
            format!(
                "node {}: {foreign} of the ports {} are held by something else and {fit} of {} calls fit: \
                 end it, or set spec.network.portRange to a range that is free",
                pod.node, pod.rtp, pod.capacity
            )
        })
    };
    plan.media.iter().filter_map(short).collect()
}

/// Whether media can be relayed at all. None: nothing was planned.
pub(super) fn ready(after: &VoipClusterStatus, round: &Round<'_>) -> Option<Finding> {
    let (_, plan) = round.outcome.ok()?;
    let media = &after.media;
    // Pods that drain still carry calls, but new ones need one that does not.
    if media.ready > 0 {
        let message = format!("{} of {} media-nodes are ready", media.ready, media.desired);
        return Some(Finding::new("MediaReady", Is::True, "MinimumAvailable", message));
    }
    let (reason, message) = refused(plan, round).unwrap_or_else(|| {
        let otherwise = match plan.network.reason {
            NetworkReason::Undecided => {
                "spec.network.mode: admission has not answered which network media pods may use".to_owned()
            }
            _ => none_ready(media.desired, plan, round.observed),
        };
        let text = waiting(round.observed.pods.iter(), Component::Media, &otherwise);
        ("PodsNotReady", text)
    });
    Some(Finding::new("MediaReady", Is::False, reason, message))
}

fn none_ready(desired: u32, plan: &Plan, observed: &Observed) -> String {
    let leaving: HashSet<&str> =
        observed.nodes.iter().filter(|node| node.is_leaving()).map(|node| node.name.as_str()).collect();
    match plan.media.iter().filter(|pod| leaving.contains(pod.node.as_str())).count() {
        0 => format!("none of {desired} media-nodes is ready"),
        count => format!(
            "none of {desired} media-nodes is ready, and {count} are on nodes that are cordoned: uncordon one, or add a node"
        ),
    }
}

fn refused(plan: &Plan, round: &Round<'_>) -> Option<(&'static str, String)> {
    let admission = &round.observed.admission;
    let denied = FaultReason::AdmissionDenied.name();
    let verdict = match plan.network.mode {
        Some(NetworkMode::HostNetwork) => &admission.host_network,
        Some(NetworkMode::HostPort) => &admission.host_ports,
        Some(NetworkMode::PodAddress) | None => &admission.plain,
    };
    if let Verdict::Denied(words) = verdict {
        return Some((denied, words.clone()));
    }
    if let Some(fault) = round
        .faults
        .iter()
        .find(|fault| fault.object.starts_with("DaemonSet ") && fault.reason != FaultReason::Conflict)
    {
        return Some((fault.reason.name(), fault.told()));
    }
    if plan.network.mode.is_some() || plan.network.reason != NetworkReason::NoUsableNetwork {
        return None;
    }
    let words = match (&admission.host_network, &admission.host_ports) {
        (Verdict::Denied(network), Verdict::Denied(ports)) => format!("{network}; {ports}"),
        (Verdict::Denied(words), _) | (_, Verdict::Denied(words)) => words.clone(),
        _ => "pods may use neither the host's network nor its ports".to_owned(),
    };
    let mend = "if callers can route to pods, set spec.network to {mode: Bridge, bridge: PodAddress}; \
                else label the namespace pod-security.kubernetes.io/enforce=privileged";
    Some(("NoUsableNetwork", format!("spec.network.mode: {words}: {mend}")))
}
