//! `voipctl cdrs`: the calls that were. Read from the database, so `up` need not run.

mod rfc3339;

use serde::Serialize;
use voip_contract::CallId;
use voip_contract::admin::{CallRecord, EndedBy};

use crate::cli::{CdrsArgs, Output};
use crate::failure::Failure;
use crate::show;
use crate::state::StateDir;

/// What is printed with `-o json`. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    id: CallId,
    from: &'a str,
    to: &'a str,
    started_at: String,
    answered_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: u64,
    sip_status: u16,
    q850: u8,
    ended_by: Option<EndedBy>,
}

/// Runs the command.
pub(crate) fn run(state: &StateDir, args: &CdrsArgs) -> Result<(), Failure> {
    let path = state.cdrs();
    let records = match sip_node::cdr::read(&path, args.last.unwrap_or(u32::MAX)) {
        Ok(records) => records,
        Err(sip_node::cdr::CdrError::Missing { .. }) => {
            return Err(Failure::input(format!(
                "up never ran on {}: there are no CDRs",
                state.root().display()
            )));
        }
        Err(error) => return Err(Failure::failed(error)),
    };
    match args.output {
        Some(Output::Json) => show::print(&show::json(&records.iter().map(record).collect::<Vec<_>>())),
        None => show::print(&text(&records)),
    }
    Ok(())
}

fn record(record: &CallRecord) -> Record<'_> {
    Record {
        id: record.id,
        from: &record.from,
        to: &record.to,
        started_at: rfc3339::format(record.started_at_ms),
        answered_at: record.answered_at_ms.map(rfc3339::format),
        ended_at: record.ended_at_ms.map(rfc3339::format),
        duration_ms: record.duration_ms,
        sip_status: record.sip_status,
        q850: record.q850,
        ended_by: record.ended_by,
    }
}

fn text(records: &[CallRecord]) -> String {
    if records.is_empty() {
        return "no calls yet\n".to_owned();
    }
    let rows = records.iter().map(|record| {
        vec![
            rfc3339::format(record.started_at_ms),
            record.from.clone(),
            record.to.clone(),
            seconds(record),
            record.sip_status.to_string(),
            record.q850.to_string(),
            ended_by(record).to_owned(),
        ]
    });
    show::table(&["STARTED", "FROM", "TO", "TALKED", "STATUS", "CAUSE", "ENDED BY"], rows)
}

fn seconds(record: &CallRecord) -> String {
    match record.answered_at_ms {
        Some(_) => format!("{}.{:03} s", record.duration_ms / 1_000, record.duration_ms % 1_000),
        None => "-".to_owned(),
    }
}

fn ended_by(record: &CallRecord) -> &'static str {
    match record.ended_by {
        Some(EndedBy::Caller) => "caller",
        Some(EndedBy::Callee) => "callee",
        Some(EndedBy::System) => "system",
        Some(EndedBy::Lost) => "lost",
        None => "lasts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_documented_fields_and_no_others() {
        let call = CallRecord {
            id: CallId(1),
            from: "1001".into(),
            to: "1002".into(),
            started_at_ms: 1_795_254_000_123,
            answered_at_ms: None,
            ended_at_ms: Some(1_795_254_001_000),
            duration_ms: 0,
            sip_status: 486,
            q850: 17,
            ended_by: Some(EndedBy::Callee),
        };
        let expected = serde_json::json!({
            "id": "00000000000000000000000000000001", "from": "1001", "to": "1002",
            "startedAt": "2026-11-21T09:40:00.123Z", "answeredAt": null, "endedAt": "2026-11-21T09:40:01.000Z",
            "durationMs": 0, "sipStatus": 486, "q850": 17, "endedBy": "callee",
        });
        assert_eq!(serde_json::to_value(record(&call)).unwrap(), expected);
    }
}
