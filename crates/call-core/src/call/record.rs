//! The CDR of a call whose sip-node is lost: what its owner leaves with the media-node, and what another one makes of it.

use voip_contract::admin::{CallRecord, EndedBy};
use voip_contract::media::MediaOperation;

use crate::cause::Cause;

/// Characters of a name or number in a record that is left: with everything escaped it stays below
/// [`MAX_RECORD_BYTES`](voip_contract::media::MAX_RECORD_BYTES).
const NAME: usize = 128;
/// What a caller is left with whose call was never answered by anybody (RFC 3261 section 8.1.3.1).
const STATUS_LOST: u16 = 408;

/// What is left with the session along with `operation`, at `now_ms`: the record as it is with the first request, as
/// it is about to be with the one that answers the call.
pub(crate) fn left_with(operation: &MediaOperation, record: &CallRecord, now_ms: u64) -> Option<Vec<u8>> {
    let answered = match operation {
        MediaOperation::Offer { .. } => record.answered_at_ms,
        MediaOperation::Answer { provisional: false, .. } | MediaOperation::AnswerLocally { .. } => {
            record.answered_at_ms.or(Some(now_ms))
        }
        _ => return None,
    };
    let short = |name: &str| name.chars().take(NAME).collect();
    let left = CallRecord {
        from: short(&record.from),
        to: short(&record.to),
        answered_at_ms: answered,
        ..record.clone()
    };
    serde_json::to_vec(&left).ok()
}

/// The CDR of a call that was left with `record` and whose owner was lost at `lost_at_ms`.
pub(crate) fn lost(record: &[u8], lost_at_ms: u64) -> Result<CallRecord, serde_json::Error> {
    let record: CallRecord = serde_json::from_slice(record)?;
    let ended = lost_at_ms.max(record.started_at_ms).max(record.answered_at_ms.unwrap_or(0));
    Ok(CallRecord {
        ended_at_ms: Some(ended),
        duration_ms: record.answered_at_ms.map_or(0, |answered| ended.saturating_sub(answered)),
        sip_status: if record.answered_at_ms.is_some() { 200 } else { STATUS_LOST },
        q850: Cause::TEMPORARY_FAILURE.0,
        ended_by: Some(EndedBy::Lost),
        ..record
    })
}

#[cfg(test)]
mod tests {
    use voip_contract::CallId;
    use voip_contract::media::MAX_RECORD_BYTES;

    use super::*;

    #[test]
    fn the_longest_names_fit() {
        let long = "\u{1}".repeat(5_000);
        let record = CallRecord {
            id: CallId(u128::MAX),
            from: long.clone(),
            to: long,
            started_at_ms: u64::MAX,
            answered_at_ms: None,
            ended_at_ms: None,
            duration_ms: u64::MAX,
            sip_status: u16::MAX,
            q850: u8::MAX,
            ended_by: None,
        };
        let operation =
            MediaOperation::Answer { from: spec(), to: spec(), sdp: Vec::new(), provisional: false };
        let left = left_with(&operation, &record, u64::MAX).unwrap();
        assert!(left.len() <= MAX_RECORD_BYTES, "{}", left.len());
        assert_eq!(lost(&left, 5).unwrap().ended_at_ms, Some(u64::MAX), "no end before the start");
    }

    fn spec() -> voip_contract::media::LegSpec {
        voip_contract::media::LegSpec { leg: super::super::CALLER, source: [192, 0, 2, 1].into() }
    }
}
