//! `kubectl voip calls`: the calls that have not ended.

use std::fmt::Write;

use voip_contract::admin::{ActiveCallReport, CallsReport};

use crate::cli::kube::ShowArgs;
use crate::failure::Failure;
use crate::kubernetes::api::Api;
use crate::kubernetes::cluster::find;
use crate::kubernetes::kubectl::Kubectl;
use crate::show;

/// Runs the command.
pub(crate) async fn run(kubectl: &Kubectl, args: &ShowArgs) -> Result<(), Failure> {
    let cluster = find(kubectl, args.name.as_deref())?;
    let api = Api::open(kubectl, &cluster).await?;
    let calls: CallsReport = api.get("/api/v1/calls")?;
    match args.output {
        Some(_) => show::print(&show::json(&calls)),
        None => show::print(&text(&calls, super::now_seconds())),
    }
    Ok(())
}

fn text(report: &CallsReport, now: i64) -> String {
    if report.calls.is_empty() {
        return "no calls\n".to_owned();
    }
    let rows = report.calls.iter().map(|call| row(call, now));
    let mut text = show::table(&["FROM", "TO", "STATE", "FOR", "MEDIA NODE"], rows);
    if usize::try_from(report.total).is_ok_and(|total| total > report.calls.len()) {
        let _ = writeln!(text, "\nthe newest {} of {} calls", report.calls.len(), report.total);
    }
    text
}

fn row(call: &ActiveCallReport, now: i64) -> Vec<String> {
    let (state, since) = match call.answered_at_ms {
        Some(answered) => ("talking", answered),
        None => ("ringing", call.started_at_ms),
    };
    let since = i64::try_from(since / 1_000).unwrap_or(i64::MAX);
    vec![
        call.from.clone(),
        call.to.clone(),
        state.to_owned(),
        show::age(now.saturating_sub(since)),
        call.media_node.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use voip_contract::CallId;

    use super::*;

    #[test]
    fn a_call_says_who_talks_and_for_how_long() {
        let call = |answered_at_ms| ActiveCallReport {
            id: CallId(1),
            from: "1001".into(),
            to: "1002".into(),
            started_at_ms: 1_000_000,
            answered_at_ms,
            media_node: answered_at_ms.map(|_| "default-w1".into()),
        };
        let report = CallsReport { total: 3, calls: vec![call(None), call(Some(1_010_000))] };
        let text = text(&report, 1_070);
        assert!(text.contains("1001  1002  ringing  70s  -\n"), "{text}");
        assert!(text.contains("1001  1002  talking  60s  default-w1\n"), "{text}");
        assert!(text.ends_with("\nthe newest 2 of 3 calls\n"), "{text}");
    }
}
