//! The replies to the last requests of exchanges, for requests that are repeated.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use voip_contract::media::{LegSpec, MediaOperation, MediaOutcome, MediaRequest, SdpFacts};
use voip_contract::{Generation, LegId};

use crate::offer_answer::fingerprint_of;

/// Replies kept: an exchange has an offer per branch and few answers.
const KEPT: usize = 8;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Journal(VecDeque<Entry>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    generation: Generation,
    operation: u64,
    legs: (LegId, LegId),
    #[serde(with = "as_text")]
    sdp: Vec<u8>,
    facts: SdpFacts,
}

impl Journal {
    /// The reply to the same request, whatever its ticket; an owner that took over may repeat its predecessor.
    pub(super) fn find(&self, request: &MediaRequest) -> Option<MediaOutcome> {
        let (operation, _) = identity(&request.operation)?;
        let same = |entry: &&Entry| entry.generation == request.generation && entry.operation == operation;
        let entry = self.0.iter().find(same)?;
        let (sdp, facts) = (Some(entry.sdp.clone()), Some(entry.facts.clone()));
        Some(MediaOutcome { sdp, facts, ..MediaOutcome::default() })
    }

    /// Remembers a reply that has a body; the others are as good when made again.
    pub(super) fn add(&mut self, request: &MediaRequest, outcome: &MediaOutcome) {
        let (Some((operation, legs)), Some(sdp), Some(facts)) =
            (identity(&request.operation), outcome.sdp.clone(), outcome.facts.clone())
        else {
            return;
        };
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Entry { generation: request.generation, operation, legs, sdp, facts });
    }

    /// Forgets an exchange that was rolled back: it may be made again.
    pub(super) fn forget(&mut self, generation: Generation) {
        self.0.retain(|entry| entry.generation != generation);
    }

    /// Forgets what was said of a leg that is gone.
    pub(super) fn forget_leg(&mut self, leg: LegId) {
        self.0.retain(|entry| entry.legs.0 != leg && entry.legs.1 != leg);
    }
}

/// Tells operations with a body from each other; with the legs that they name.
fn identity(operation: &MediaOperation) -> Option<(u64, (LegId, LegId))> {
    let (kind, first, second, sdp) = match operation {
        MediaOperation::Offer { from, to, sdp } => ("offer", from, to, sdp),
        MediaOperation::Answer { from, to, sdp, provisional: true } => ("early", from, to, sdp),
        MediaOperation::Answer { from, to, sdp, provisional: false } => ("answer", from, to, sdp),
        MediaOperation::AnswerLocally { leg, sdp } => ("local", leg, leg, sdp),
        _ => return None,
    };
    let text = |spec: &LegSpec| format!("{} {}", spec.leg.0, spec.source).into_bytes();
    let identity = fingerprint_of(&[kind.as_bytes(), &text(first), &text(second), sdp]);
    Some((identity, (first.leg, second.leg)))
}

/// A byte per character: a body is text almost always, and JSON has no bytes.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytes.iter().map(|b| char::from(*b)).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}
