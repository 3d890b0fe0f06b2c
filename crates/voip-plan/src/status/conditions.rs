//! Conditions as a map by type: a time changes only with a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Longest message, bytes; the schema allows more, but nobody reads it.
const MESSAGE: usize = 4096;

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    True,
    False,
}

impl Is {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
        }
    }
}

/// What is found of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: &'static str,
    pub(super) is: Is,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(kind: &'static str, is: Is, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, is, reason: reason.to_owned(), message: message.into() }
    }
}

/// Conditions in the order of the findings; those of which nothing was found stay as they were.
pub(super) fn merge(
    before: &[Condition],
    findings: Vec<Finding>,
    generation: i64,
    now_ms: u64,
) -> Vec<Condition> {
    let mut kept: Vec<Condition> = before.to_vec();
    let mut after = Vec::with_capacity(findings.len());
    for finding in findings {
        let old = kept.iter().position(|condition| condition.type_ == finding.kind).map(|at| kept.remove(at));
        let same = old.filter(|old| old.status == finding.is.name());
        after.push(Condition {
            type_: finding.kind.to_owned(),
            status: finding.is.name().to_owned(),
            last_transition_time: same.map_or_else(|| time(now_ms), |old| old.last_transition_time),
            observed_generation: Some(generation),
            reason: finding.reason,
            message: shortened(finding.message),
        });
    }
    after.extend(kept);
    after
}

/// A condition by type.
pub(super) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// To the second, as Kubernetes writes it: more would come back different.
fn time(now_ms: u64) -> Time {
    let seconds = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE {
        let end = (0..=MESSAGE - 3).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push_str("...");
    }
    message
}
