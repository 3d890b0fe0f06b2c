//! What a call was like.

use std::fmt::Write;

use serde::Serialize;
use softphone::{Call, MediaReport, PhoneError};

use crate::cli::CallArgs;
use crate::show;

use super::parties::{FarEnd, Parties};

/// What is printed with `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// INVITE to 200; none when nobody answered.
    setup_ms: Option<f64>,
    /// Final status of the INVITE; none when there was none.
    status: Option<u16>,
    /// What our calling phone sent and heard.
    caller: Option<Direction>,
    /// What our answering phone sent and heard; none when there was none.
    callee: Option<Direction>,
    /// Whether all that was heard is, bit for bit, what was sent; none when we did not send it.
    audio_matches: Option<bool>,
    /// Why there was no call, or why it ended early.
    #[serde(skip)]
    problem: Option<String>,
}

/// One end: `lost`, `jitterMs` and `mos` are of what it received.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Direction {
    sent: u64,
    received: u64,
    lost: u64,
    jitter_ms: f64,
    mos: Option<f64>,
}

impl Direction {
    fn of(report: &MediaReport) -> Self {
        Self {
            sent: report.sent,
            received: report.received,
            lost: report.lost,
            jitter_ms: rounded(report.jitter_ms, 1_000.0),
            mos: report.mos.map(|mos| rounded(mos, 100.0)),
        }
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

impl Report {
    /// Nobody answered.
    pub(super) fn failed(call: &Call, error: &PhoneError) -> Self {
        let number = call.peer();
        let why = match error {
            PhoneError::Ended(reason) => reason.to_string(),
            other => other.to_string(),
        };
        Self {
            setup_ms: None,
            status: error.status(),
            caller: Some(Direction::of(&call.report())),
            callee: None,
            audio_matches: None,
            problem: Some(format!("the call to {number} failed: {why}")),
        }
    }

    /// It was answered, and is over; `problem` says why too early.
    pub(super) fn finished(call: &Call, answered: Option<&Call>, problem: Option<String>) -> Self {
        let near = call.report();
        let far = answered.map(Call::report);
        let audio_matches = match &far {
            Some(far) => near.matches.zip(far.matches).map(|(near, far)| near && far),
            None => near.matches,
        };
        let mismatch = || (audio_matches == Some(false)).then(|| not_what_was_sent(&near, far.as_ref()));
        Self {
            setup_ms: call.setup_time().map(|time| rounded(time.as_secs_f64() * 1_000.0, 1_000.0)),
            status: Some(200),
            caller: Some(Direction::of(&near)),
            callee: far.as_ref().map(Direction::of),
            audio_matches,
            problem: problem.or_else(mismatch),
        }
    }

    /// What is wrong, if anything is.
    pub(super) fn verdict(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The report for people.
    pub(super) fn text(&self, args: &CallArgs, parties: &Parties) -> String {
        let mut text = String::new();
        let Some(setup) = self.setup_ms else { return text };
        let who = match parties.far_end {
            FarEnd::Ours(_) => "answered by a phone of voipctl",
            FarEnd::Foreign => "answered by another phone",
            FarEnd::Echo => "answered by the echo test",
            FarEnd::Announcement => "answered by the cluster",
        };
        let _ = writeln!(text, "{} called {}: {who} after {setup:.1} ms\n", args.caller, args.number);
        let ends = [(&args.caller, &self.caller), (&args.number, &self.callee)];
        let rows = ends.into_iter().filter_map(|(name, end)| end.as_ref().map(|end| end.row(name)));
        text.push_str(&show::table(&["HEARD BY", "SENT", "RECEIVED", "LOST", "JITTER MS", "MOS"], rows));
        let audio = match self.audio_matches {
            Some(true) => "what was heard is what was sent, bit for bit",
            Some(false) => "what was heard is not what was sent",
            None if self.caller.as_ref().is_some_and(|end| end.received == 0) => "nothing was heard",
            None => "heard, not checked: it is not ours",
        };
        let _ = writeln!(text, "\naudio: {audio}");
        text
    }
}

impl Direction {
    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.sent.to_string(),
            self.received.to_string(),
            self.lost.to_string(),
            format!("{:.2}", self.jitter_ms),
            self.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}")),
        ]
    }
}

fn not_what_was_sent(near: &MediaReport, far: Option<&MediaReport>) -> String {
    let mut text = "the audio is not what was sent:".to_owned();
    for (end, report) in [("caller", Some(near)), ("callee", far)] {
        if let Some(report) = report.filter(|report| report.matches == Some(false)) {
            let _ = write!(
                text,
                " the {end} heard {} packets, {} of them foreign or damaged;",
                report.received, report.mismatched
            );
        }
    }
    text.trim_end_matches(';').to_owned()
}
