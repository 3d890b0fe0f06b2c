//! Events: what changed between two statuses, and what the plan does now.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use voip_api::{RtpPortLease, VoipClusterStatus};

use super::conditions::find;
use super::{Fault, Round, first_of, name_of};
use crate::leases::LeaseId;
use crate::observed::Pod;
use crate::plan::{Order, Plan};
use crate::validate::ValidCluster;

/// Whether somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// For information.
    Normal,
    /// Something is not as it should be.
    Warning,
}

/// An Event about the VoipCluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventToWrite {
    /// Whether somebody should look.
    pub kind: EventType,
    /// That of a condition, or `LeaseGranted`, `LeaseReleased`, `DrainStarted`, `DrainFinished`, `CallsEnded`,
    /// `CertificateRotated`.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl EventToWrite {
    fn new(kind: EventType, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, reason: reason.to_owned(), message: message.into() }
    }

    /// The certificate in this Secret was made anew in place of another one.
    pub fn certificate_rotated(secret: &str) -> Self {
        Self::new(EventType::Normal, "CertificateRotated", format!("Secret {secret} has a new certificate"))
    }
}

/// What is to be told of a round, once each.
pub fn events(before: &VoipClusterStatus, after: &VoipClusterStatus, round: &Round<'_>) -> Vec<EventToWrite> {
    let mut events = transitions(before, after);
    if let Ok((valid, plan)) = round.outcome {
        if !round.faults.iter().any(Fault::concerns_leases) {
            events.extend(lease_events(valid, &round.observed.leases, &plan.leases));
        }
        events.extend(plan.orders.iter().flat_map(|order| order_events(order, plan, round)));
    }
    events
}

fn transitions(before: &VoipClusterStatus, after: &VoipClusterStatus) -> Vec<EventToWrite> {
    let mut events: Vec<EventToWrite> = Vec::new();
    for now in &after.conditions {
        let old = find(&before.conditions, &now.type_);
        let same = old.is_some_and(|old| (&old.status, &old.reason) == (&now.status, &now.reason));
        // That all is well is no news when nothing was said before.
        let news = old.is_some() || is_trouble(now) || now.type_ == "Ready";
        if same || !news {
            continue;
        }
        let kind = if is_trouble(now) { EventType::Warning } else { EventType::Normal };
        let event = EventToWrite::new(kind, &now.reason, &now.message);
        // `Ready` repeats its first false part.
        if !events.contains(&event) {
            events.push(event);
        }
    }
    events
}

fn is_trouble(condition: &Condition) -> bool {
    match condition.type_.as_str() {
        "Degraded" => condition.status == "True",
        "Progressing" => false,
        _ => condition.status == "False",
    }
}

/// What one write changes in the leases of this cluster, in one event each way: a thousand would say no more.
fn lease_events(
    valid: &ValidCluster,
    observed: &[RtpPortLease],
    planned: &[RtpPortLease],
) -> impl Iterator<Item = EventToWrite> {
    let written: BTreeSet<&str> =
        planned.iter().filter_map(|object| object.metadata.name.as_deref()).collect();
    let concerned =
        |object: &&RtpPortLease| object.metadata.name.as_deref().is_some_and(|name| written.contains(name));
    let old = ids(valid, observed.iter().filter(concerned));
    let new = ids(valid, planned.iter());
    let told = |reason: &str, ids: Vec<String>| {
        (!ids.is_empty()).then(|| EventToWrite::new(EventType::Normal, reason, first_of(ids)))
    };
    let granted = told("LeaseGranted", new.difference(&old).cloned().collect());
    let released = told("LeaseReleased", old.difference(&new).cloned().collect());
    granted.into_iter().chain(released)
}

fn ids<'a>(valid: &ValidCluster, objects: impl Iterator<Item = &'a RtpPortLease>) -> BTreeSet<String> {
    let leases = objects.flat_map(|object| &object.spec.leases);
    let own = leases.filter(|lease| LeaseId::parse(&lease.id).is_some_and(|id| id.is_of(valid)));
    own.map(|lease| lease.id.clone()).collect()
}

/// Said when an order is first given: a drain that was noted on its pod, and a pod that ends already, are old news.
fn order_events(order: &Order, plan: &Plan, round: &Round<'_>) -> Vec<EventToWrite> {
    let pods = &round.observed.pods;
    match order {
        Order::Drain { pod, seconds, cause } => {
            let fresh = pods.iter().any(|found| found.name == *pod && found.draining_since_ms.is_none());
            let message =
                format!("pod {pod} takes no new calls ({}); the rest end within {seconds} s", name_of(cause));
            fresh.then(|| EventToWrite::new(EventType::Normal, "DrainStarted", message)).into_iter().collect()
        }
        Order::Return { pod } => {
            let noted = pods.iter().any(|found| found.name == *pod && found.draining_since_ms.is_some());
            let message = format!("pod {pod} takes calls again");
            noted
                .then(|| EventToWrite::new(EventType::Normal, "DrainFinished", message))
                .into_iter()
                .collect()
        }
        Order::DeletePod { pod, .. } => {
            let found = pods.iter().find(|found| found.name == *pod);
            found.map(|found| finished(found, round)).unwrap_or_default()
        }
        // Its pod may be deleted by an order of its own.
        Order::DeleteDaemonSet { name } => {
            let own = pods.iter().find(|found| found.owner == *name);
            let ordered = |found: &&Pod| {
                !plan
                    .orders
                    .iter()
                    .any(|other| matches!(other, Order::DeletePod { pod, .. } if *pod == found.name))
            };
            own.filter(ordered).map(|found| finished(found, round)).unwrap_or_default()
        }
    }
}

fn finished(pod: &Pod, round: &Round<'_>) -> Vec<EventToWrite> {
    if pod.ending || pod.draining_since_ms.is_none() {
        return Vec::new();
    }
    let left = round.observed.reports.get(&pod.name).map_or(0, |report| report.calls);
    let mut events = Vec::new();
    if left > 0 {
        let message = format!("{left} calls of pod {} are ended: the drain deadline has passed", pod.name);
        events.push(EventToWrite::new(EventType::Warning, "CallsEnded", message));
    }
    let message = format!("pod {} is drained and ends", pod.name);
    events.push(EventToWrite::new(EventType::Normal, "DrainFinished", message));
    events
}
