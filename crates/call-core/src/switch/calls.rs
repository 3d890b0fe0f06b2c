//! The calls that there are, for whoever asks.

use voip_contract::admin::{ActiveCallReport, CallsReport};

use super::Switch;
use crate::call::ActiveCall;

impl Switch {
    /// How many calls have not ended, and the newest `most` of them, newest first.
    pub fn calls(&self, most: usize) -> CallsReport {
        let mut active: Vec<&ActiveCall> = self.calls.values().filter(|call| call.is_active()).collect();
        let total = u32::try_from(active.len()).unwrap_or(u32::MAX);
        active.sort_unstable_by_key(|call| std::cmp::Reverse((call.value.record.started_at_ms, call.id())));
        CallsReport { total, calls: active.into_iter().take(most).map(report).collect() }
    }
}

fn report(call: &ActiveCall) -> ActiveCallReport {
    let record = &call.value.record;
    ActiveCallReport {
        id: record.id,
        from: record.from.clone(),
        to: record.to.clone(),
        started_at_ms: record.started_at_ms,
        answered_at_ms: record.answered_at_ms,
        media_node: call.media_place().map(|place| place.node.to_string()),
    }
}
