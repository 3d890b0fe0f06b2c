//! What is reported of resources: status, conditions and events, from what was planned and observed.
//!
//! A pure function of the status before and one round of reconciling. The same round again changes nothing, so a world
//! that does not change is never written to. Nothing here knows a client or a clock.

mod conditions;
mod documents;
mod events;
mod load;
mod media;
mod parts;
mod progress;
mod signaling;

use std::collections::BTreeMap;

use voip_api::{NetworkStatus, VoipClusterStatus};

pub use documents::{dialplan, user};
pub use events::{EventToWrite, EventType, events};

use crate::observed::Observed;
use crate::plan::{Network, NetworkReason, Plan};
use crate::problem::FieldError;
use crate::validate::ValidCluster;
use conditions::{Finding, Is, merge};

/// One round of reconciling a VoipCluster.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Generation of the spec.
    pub generation: i64,
    /// Release of the operator.
    pub version: &'a str,
    /// What was planned, or why nothing was.
    pub outcome: Result<(&'a ValidCluster, &'a Plan), &'a [FieldError]>,
    /// Dialplans by name, and what is wrong with those that were refused.
    pub dialplans: &'a BTreeMap<String, Result<(), Vec<FieldError>>>,
    /// The world.
    pub observed: &'a Observed,
    /// What could not be done.
    pub faults: &'a [Fault],
    /// When the load was last written, Unix time in milliseconds; none: not by this operator.
    pub load_written_ms: Option<u64>,
}

/// Something that apply or observe could not do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Kind and name: `DaemonSet office-media-default-...-0`.
    pub object: String,
    /// `apply`, `list`, `delete`.
    pub action: String,
    /// The class.
    pub reason: FaultReason,
    /// In the words of whoever refused.
    pub message: String,
}

/// Classes of faults. The names are those of conditions and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultReason {
    /// An admission controller refused.
    AdmissionDenied,
    /// The operator lacks a right.
    Forbidden,
    /// A quota is used up.
    QuotaExceeded,
    /// An object of this name belongs to somebody else.
    ForeignObject,
    /// A Secret that the operator makes lacks something, or cannot be made.
    SecretUnusable,
    /// Somebody else wrote at the same time.
    Conflict,
    /// The definition of a resource is not the one of this release.
    CrdInvalid,
    /// The API server did not answer.
    ApiUnavailable,
}

impl FaultReason {
    /// As in conditions, events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdmissionDenied => "AdmissionDenied",
            Self::Forbidden => "Forbidden",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::ForeignObject => "ForeignObject",
            Self::SecretUnusable => "SecretUnusable",
            Self::Conflict => "Conflict",
            Self::CrdInvalid => "CrdInvalid",
            Self::ApiUnavailable => "ApiUnavailable",
        }
    }
}

impl Fault {
    /// Whether port leases could not be written.
    fn concerns_leases(&self) -> bool {
        self.object.starts_with("RtpPortLease ") && self.action != "status"
    }

    /// What was refused, in the words of whoever did.
    fn told(&self) -> String {
        format!("{}: {}: {}", self.object, self.action, self.message)
    }
}

/// The status after a round.
pub fn status(before: &VoipClusterStatus, round: &Round<'_>) -> VoipClusterStatus {
    let mut after = before.clone();
    after.observed_generation = Some(round.generation);
    round.version.clone_into(&mut after.version);
    signaling::fill(&mut after, round);
    if let Ok((valid, plan)) = round.outcome {
        after.network = network(before.network.as_ref(), plan.network);
        media::fill(&mut after, valid, plan, round.observed);
    }
    after.load = load::next(&before.load, round);
    let findings = findings(&after, round);
    after.conditions = merge(&before.conditions, findings, round.generation, round.observed.now_ms);
    after
}

/// The status while not everything is seen, because of `faults`: only that is told.
pub fn unseen(before: &VoipClusterStatus, faults: &[Fault], now_ms: u64) -> VoipClusterStatus {
    let told = first_of(faults.iter().map(Fault::told));
    let message = format!("nothing is decided before everything was seen: {told}");
    let mut found = vec![Finding::new("Progressing", Is::True, "Applying", message)];
    if let Some(fault) = faults.iter().find(|fault| fault.reason != FaultReason::Conflict) {
        found.push(Finding::new("Degraded", Is::True, fault.reason.name(), fault.told()));
    }
    amended(before, found, now_ms)
}

/// The event that tells the same where the status cannot.
pub fn unseen_event(fault: &Fault) -> EventToWrite {
    EventToWrite { kind: EventType::Warning, reason: fault.reason.name().to_owned(), message: fault.told() }
}

/// The status while the VoipCluster is being deleted, and what holds that up.
pub fn ending(before: &VoipClusterStatus, faults: &[Fault], now_ms: u64) -> VoipClusterStatus {
    let message = "the VoipCluster is being deleted: no new calls, and those that are up end soon";
    let told: Vec<String> = faults.iter().map(Fault::told).collect();
    let progress = if told.is_empty() { message.to_owned() } else { first_of(told) };
    let found = vec![
        Finding::new("Ready", Is::False, "Deleting", message),
        Finding::new("Progressing", Is::True, "Deleting", progress),
    ];
    amended(before, found, now_ms)
}

/// Everything as it was but for what is found now.
fn amended(before: &VoipClusterStatus, found: Vec<Finding>, now_ms: u64) -> VoipClusterStatus {
    let mut after = before.clone();
    let generation = before.observed_generation.unwrap_or_default();
    let mut merged = merge(&before.conditions, found, generation, now_ms);
    merged.sort_by_key(|condition| {
        before.conditions.iter().position(|old| old.type_ == condition.type_).unwrap_or(usize::MAX)
    });
    after.conditions = merged;
    after
}

/// A mode that stays keeps the reason for which it was taken.
fn network(before: Option<&NetworkStatus>, now: Network) -> Option<NetworkStatus> {
    let mode = now.mode?.name();
    let kept = before.filter(|before| before.mode == mode && now.reason == NetworkReason::Unchanged);
    let taken = || NetworkStatus { mode: mode.to_owned(), reason: name_of(&now.reason) };
    Some(kept.cloned().unwrap_or_else(taken))
}

/// What is found true now. A part of which nothing is known keeps what was said of it.
fn findings(after: &VoipClusterStatus, round: &Round<'_>) -> Vec<Finding> {
    let mut found = vec![parts::accepted(round)];
    found.extend(parts::ports_allocated(round));
    found.extend(parts::addresses_resolved(round));
    found.push(signaling::ready(round));
    found.extend(media::ready(after, round));
    found.insert(0, parts::ready(&found));
    found.push(progress::progressing(after, round));
    found.push(progress::degraded(after, round));
    found.extend(documents::dialplan_loaded(round));
    found
}

/// The name of a variant, as it is serialised.
fn name_of(variant: &impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// The first few lines of many.
fn first_of(lines: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let mut lines = lines.into_iter();
    let mut shown: Vec<String> = lines.by_ref().take(SHOWN).collect();
    let more = lines.count();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join("; ")
}
