//! `Progressing`: what is still to be done. `Degraded`: what is less than it should be although calls are possible.

use voip_api::{MediaNodeState, VoipClusterStatus};

use super::conditions::{Finding, Is};
use super::parts::told;
use super::signaling::waiting;
use super::{Fault, FaultReason, Round, first_of};
use crate::objects::users::buckets;
use crate::objects::{BUCKET_BYTES, BUCKETS};
use crate::observed::{Component, Observed};
use crate::plan::{Order, Plan};
use crate::problem::Reason;

/// What is still to be done.
pub(super) fn progressing(after: &VoipClusterStatus, round: &Round<'_>) -> Finding {
    let so = |reason: &str, message| Finding::new("Progressing", Is::True, reason, message);
    if !round.faults.is_empty() {
        let told = first_of(round.faults.iter().map(Fault::told));
        return so("Applying", format!("not everything could be done, it is tried again: {told}"));
    }
    let Ok((valid, plan)) = round.outcome else {
        return Finding::new(
            "Progressing",
            Is::False,
            "UpToDate",
            "nothing is applied while the spec is not accepted",
        );
    };
    let paused = valid.spec.updates.paused;
    if let Some((_, message)) = told(&plan.advice, &[Reason::HeldByCalls]).filter(|_| !paused) {
        return so("HeldByCalls", message);
    }
    let drains = drains(plan, round);
    if !drains.is_empty() {
        return so("DrainingMedia", first_of(drains));
    }
    // A paused Deployment never becomes up to date.
    if paused {
        return so(
            "Paused",
            "spec.updates.paused: nothing that runs is replaced: set it to false".to_owned(),
        );
    }
    if let Some(message) = rolling(round, valid.spec.signaling.replicas) {
        return so("RollingSignaling", message);
    }
    let media = &after.media;
    if media.ready < media.desired {
        return so("Applying", format!("{} of {} media-nodes are ready", media.ready, media.desired));
    }
    Finding::new("Progressing", Is::False, "UpToDate", "everything is as it was asked for")
}

fn drains(plan: &Plan, round: &Round<'_>) -> Vec<String> {
    let calls = |pod: &str| match round.observed.reports.get(pod) {
        Some(report) if report.calls > 0 => format!("pod {pod} drains and has calls"),
        _ => format!("pod {pod} drains"),
    };
    let orders = plan.orders.iter().filter_map(|order| match order {
        Order::Drain { pod, .. } => Some(calls(pod)),
        Order::DeletePod { pod, .. } => Some(format!("pod {pod} is replaced")),
        Order::DeleteDaemonSet { name } => Some(format!("DaemonSet {name} is deleted")),
        Order::Return { .. } => None,
    });
    orders.collect()
}

fn rolling(round: &Round<'_>, replicas: u32) -> Option<String> {
    let workload = round.observed.signaling.clone().unwrap_or_default();
    let done = workload.observed && workload.updated >= replicas && workload.ready >= replicas;
    (!done).then(|| {
        format!("{} of {replicas} sip-nodes are up to date and ready", workload.ready.min(workload.updated))
    })
}

/// What is less than it should be.
pub(super) fn degraded(after: &VoipClusterStatus, round: &Round<'_>) -> Finding {
    let so = |reason: &str, message| Finding::new("Degraded", Is::True, reason, message);
    if let Some(fault) = round.faults.iter().find(|fault| fault.reason != FaultReason::Conflict) {
        return so(fault.reason.name(), fault.told());
    }
    let lost: Vec<String> = after
        .nodes
        .iter()
        .filter(|node| node.state == MediaNodeState::Lost)
        .map(|node| {
            let (name, pool) = (&node.name, &node.pool);
            format!("node {name} of pool {pool} does not answer: if it will not come back, kubectl delete node {name}")
        })
        .collect();
    if !lost.is_empty() {
        return so("NodeLost", first_of(lost));
    }
    if let Some((reason, message)) = plan_shortage(round).or_else(|| pods_that_fail(round)) {
        return so(reason, message);
    }
    if let Some(message) = unheard(round) {
        return so("Unheard", message);
    }
    if let Some(message) = rejected(round) {
        return so("ConfigRejected", message);
    }
    if let Some(message) = skew(round) {
        return so("VersionSkew", message);
    }
    Finding::new("Degraded", Is::False, "Healthy", "nothing is less than it should be")
}

fn plan_shortage(round: &Round<'_>) -> Option<(&'static str, String)> {
    let (_, plan) = round.outcome.ok()?;
    told(&plan.advice, &[Reason::PoolShort]).map(|(_, message)| ("PoolShort", message))
}

fn pods_that_fail(round: &Round<'_>) -> Option<(&'static str, String)> {
    let fails = |pod: &&crate::observed::Pod| !pod.trouble.is_empty() && !pod.ready;
    let pods = || round.observed.pods.iter().filter(|pod| pod.component == Component::Media);
    pods().any(|pod| fails(&pod)).then(|| {
        let text = waiting(pods(), Component::Media, "media-nodes do not start");
        ("PoolShort", text)
    })
}

/// Programs that run and do not answer. Where none answers it may be that no program runs at all, as on simulated nodes,
/// so only the log speaks then.
fn unheard(round: &Round<'_>) -> Option<String> {
    let Observed { unheard, reports, .. } = round.observed;
    if unheard.is_empty() || reports.is_empty() {
        return None;
    }
    let lines =
        unheard.iter().map(|(pod, address)| format!("pod {pod} runs and does not answer at {address}"));
    Some(format!(
        "{}: it cannot be drained, and its calls are not counted: let the operator's pods reach that TCP port",
        first_of(lines)
    ))
}

/// Documents that a program refused, or that cannot be written as a whole.
fn rejected(round: &Round<'_>) -> Option<String> {
    let reports = round.observed.reports.iter();
    let refused =
        reports.flat_map(|(pod, report)| report.rejected.iter().map(move |why| format!("pod {pod}: {why}")));
    let refused: Vec<String> = refused.collect();
    if !refused.is_empty() {
        return Some(first_of(refused));
    }
    let (_, plan) = round.outcome.ok()?;
    let left_out = buckets(&plan.documents.users).left_out;
    (!left_out.is_empty()).then(|| {
        format!(
            "{} SipUsers find no room in {BUCKETS} Secrets of {} KiB: remove some, or some of their numbers",
            left_out.len(),
            BUCKET_BYTES / 1024
        )
    })
}

fn skew(round: &Round<'_>) -> Option<String> {
    let others = round.observed.reports.iter().filter(|(_, report)| report.version != round.version);
    let lines: Vec<String> =
        others.map(|(pod, report)| format!("pod {pod} runs {}", report.version)).collect();
    (!lines.is_empty()).then(|| format!("the operator is of release {}: {}", round.version, first_of(lines)))
}
