//! How often each kind of fact came. Counted by the decision thread itself: waking another one for every challenge
//! would cost more than the challenge.

use std::collections::BTreeMap;

use call_core::Fact;
use voip_contract::admin::CallRecord;

/// Totals by words of the source: their number is limited by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FactCounts {
    /// Calls that ended, by outcome.
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// Requests refused, by method, status and reason.
    pub(crate) refused: BTreeMap<(&'static str, u16, &'static str), u64>,
    /// Requests that media-nodes refused, by reason.
    pub(crate) media_refused: BTreeMap<&'static str, u64>,
    /// Media-nodes lost: their calls were ended.
    pub(crate) media_nodes_lost: u64,
}

impl FactCounts {
    /// Counts one fact.
    pub(super) fn count(&mut self, fact: &Fact) {
        let total = match fact {
            Fact::CallEnded { record, .. } => self.calls.entry(outcome(record)).or_default(),
            Fact::Refused { method, status, reason } => {
                self.refused.entry((method, *status, reason)).or_default()
            }
            Fact::MediaNodeLost { .. } => &mut self.media_nodes_lost,
            Fact::MediaRefused { reason, .. } => self.media_refused.entry(reason).or_default(),
            _ => return,
        };
        *total += 1;
    }
}

/// One of a few words for how a call ended.
fn outcome(record: &CallRecord) -> &'static str {
    match record.sip_status {
        _ if record.answered_at_ms.is_some() => "answered",
        486 | 600 => "busy",
        408 | 480 => "no-answer",
        487 => "cancelled",
        404 | 484 | 604 => "not-found",
        500..=599 => "failed",
        _ => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use voip_contract::CallId;

    use super::*;

    fn ended(sip_status: u16, answered_at_ms: Option<u64>) -> Fact {
        let record = CallRecord {
            id: CallId(1),
            from: "1001".to_owned(),
            to: "1002".to_owned(),
            started_at_ms: 0,
            answered_at_ms,
            ended_at_ms: Some(9),
            duration_ms: 0,
            sip_status,
            q850: 16,
            ended_by: None,
        };
        Fact::CallEnded { record: Box::new(record), statistics: Vec::new() }
    }

    #[test]
    fn calls_are_counted_by_how_they_ended() {
        let mut counts = FactCounts::default();
        for (status, answered) in
            [(200, Some(1)), (486, None), (480, None), (487, None), (404, None), (503, None)]
        {
            counts.count(&ended(status, answered));
        }
        counts.count(&ended(403, None));
        counts.count(&ended(486, None));
        let seen: Vec<_> = counts.calls.into_iter().collect();
        let once = ["answered", "cancelled", "failed", "no-answer", "not-found", "rejected"];
        let mut wanted: Vec<_> = once.into_iter().map(|word| (word, 1)).chain([("busy", 2)]).collect();
        wanted.sort_unstable();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn refusals_are_counted_by_method_status_and_reason() {
        let mut counts = FactCounts::default();
        let refused = Fact::Refused { method: "INVITE", status: 503, reason: "no-media-node" };
        counts.count(&refused);
        counts.count(&refused);
        assert_eq!(counts.refused[&("INVITE", 503, "no-media-node")], 2);
    }
}
