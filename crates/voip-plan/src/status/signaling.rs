//! The sip-nodes: how many there are, where callers reach them, and why none is ready.

use voip_api::{STATUS_ADDRESSES, SignalingAddress, VoipClusterStatus};

use super::conditions::{Finding, Is};
use super::{Fault, FaultReason, Round, first_of, name_of};
use crate::observed::{Component, Pod};
use crate::plan::Plan;

/// Replicas and addresses.
pub(super) fn fill(after: &mut VoipClusterStatus, round: &Round<'_>) {
    let workload = round.observed.signaling.clone().unwrap_or_default();
    after.signaling.replicas = workload.replicas;
    after.signaling.ready_replicas = workload.ready;
    if let Ok((_, plan)) = round.outcome {
        after.signaling.addresses = addresses(plan);
    }
}

fn addresses(plan: &Plan) -> Vec<SignalingAddress> {
    let mut addresses: Vec<SignalingAddress> = Vec::new();
    for pod in &plan.signaling {
        for found in &pod.addresses {
            let listener = pod.listeners.iter().find(|listener| listener.name == found.listener);
            let address = SignalingAddress {
                address: found.address.to_string(),
                port: found.port,
                protocol: listener.map(|listener| name_of(&listener.protocol)).unwrap_or_default(),
                source: name_of(&found.source),
            };
            if addresses.len() < STATUS_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// Whether a sip-node is ready.
pub(super) fn ready(round: &Round<'_>) -> Finding {
    let workload = round.observed.signaling.clone().unwrap_or_default();
    if workload.ready > 0 {
        let message = format!("{} of {} sip-nodes are ready", workload.ready, workload.replicas);
        return Finding::new("SignalingReady", Is::True, "MinimumAvailable", message);
    }
    let no = |reason: &str, message| Finding::new("SignalingReady", Is::False, reason, message);
    if !workload.failure.is_empty() {
        let quota = workload.failure.contains("exceeded quota");
        let reason = if quota { FaultReason::QuotaExceeded } else { FaultReason::AdmissionDenied };
        return no(reason.name(), workload.failure);
    }
    if let Some(fault) = round.faults.iter().find(|fault| concerns(fault)) {
        return no(fault.reason.name(), fault.told());
    }
    no("PodsNotReady", waiting(round.observed.pods.iter(), Component::Signaling, "no sip-node is ready"))
}

fn concerns(fault: &Fault) -> bool {
    fault.object.starts_with("Deployment ") && fault.reason != FaultReason::Conflict
}

/// What the kubelets say of pods that do not start, or else `otherwise`.
pub(super) fn waiting<'a>(
    pods: impl Iterator<Item = &'a Pod>,
    component: Component,
    otherwise: &str,
) -> String {
    let mut troubled: Vec<&Pod> =
        pods.filter(|pod| pod.component == component && !pod.ready && !pod.trouble.is_empty()).collect();
    troubled.sort_by(|a, b| a.name.cmp(&b.name));
    if troubled.is_empty() {
        return otherwise.to_owned();
    }
    let lines = troubled.iter().map(|pod| format!("pod {}: {}", pod.name, pod.trouble));
    format!("{otherwise}: {}", first_of(lines))
}
