//! `voipctl status`: what runs, and waiting until calls are possible.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use voip_contract::admin::{MediaNodeStatus, NodeState, StatusReport};

use crate::cli::{Output, StatusArgs};
use crate::failure::Failure;
use crate::http::{self, HttpError};
use crate::show;
use crate::state::{RunFile, StateDir, StateError};

/// Nothing announces that `up` has appeared; looking costs a file lock and a request to this machine.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is printed with `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    ready: bool,
    active_calls: u32,
    registrations: u32,
    media_nodes: Vec<Node<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    name: &'a str,
    state: NodeState,
    ports: &'a str,
    ports_in_use: u32,
    sessions: u32,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
enum NoStatus {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl From<NoStatus> for Failure {
    fn from(error: NoStatus) -> Self {
        match error {
            NoStatus::State(error) => Self::input(error),
            NoStatus::Http(error) => Self::failed(error),
        }
    }
}

/// Runs the command.
pub(crate) fn run(state: &StateDir, args: &StatusArgs) -> Result<(), Failure> {
    let Some(patience) = args.wait else {
        let (run, status) = look(state)?;
        print(&run, &status, args.output);
        return Ok(());
    };
    let deadline = Instant::now() + patience;
    loop {
        let seen = look(state);
        if let Ok((run, status)) = &seen
            && status.ready
        {
            print(run, status, args.output);
            return Ok(());
        }
        if Instant::now() >= deadline {
            let (run, status) = seen?;
            print(&run, &status, args.output);
            return Err(Failure::failed(format!("not ready within {} ms", patience.as_millis())));
        }
        sleep(LOOK_EVERY);
    }
}

/// What sip-node says of itself.
pub(crate) fn ask(run: &RunFile) -> Result<StatusReport, HttpError> {
    let report = http::get(run.http, "/api/v1/status")?;
    report.ok_or_else(|| HttpError::Unknown {
        address: run.http,
        path: "/api/v1/status".to_owned(),
        reason: std::io::ErrorKind::NotFound.into(),
    })
}

fn look(state: &StateDir) -> Result<(RunFile, StatusReport), NoStatus> {
    let run = state.read_run_file()?;
    let status = ask(&run)?;
    Ok((run, status))
}

fn print(run: &RunFile, status: &StatusReport, output: Option<Output>) {
    match output {
        Some(Output::Json) => show::print(&show::json(&report(status))),
        None => show::print(&text(run, status)),
    }
}

fn report<'a>(status: &'a StatusReport) -> Report<'a> {
    let node = |node: &'a MediaNodeStatus| Node {
        name: &node.name,
        state: node.state,
        ports: &node.ports,
        ports_in_use: node.ports_in_use,
        sessions: node.sessions,
    };
    let media_nodes = status.media_nodes.iter().map(node).collect();
    Report {
        ready: status.ready,
        active_calls: status.active_calls,
        registrations: status.registrations,
        media_nodes,
    }
}

fn text(run: &RunFile, status: &StatusReport) -> String {
    let ready = if status.ready { "ready" } else { "not ready" };
    let mut text = format!(
        "{} on {}: {ready}, {}, {}\n\n",
        run.cluster,
        run.sip,
        show::count(status.active_calls, "call"),
        show::count(status.registrations, "registration")
    );
    let rows = status.media_nodes.iter().map(|node| {
        vec![
            node.name.clone(),
            format!("{:?}", node.state),
            node.ports.clone(),
            node.ports_in_use.to_string(),
            node.sessions.to_string(),
        ]
    });
    text.push_str(&show::table(&["MEDIA NODE", "STATE", "PORTS", "IN USE", "SESSIONS"], rows));
    for reason in &status.rejected {
        let _ = writeln!(text, "\nnot applied: {reason}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusReport {
        StatusReport {
            ready: true,
            active_calls: 2,
            registrations: 3,
            media_nodes: vec![MediaNodeStatus {
                name: "default-0".into(),
                state: NodeState::Lost,
                ports: "16384-17535".into(),
                ports_in_use: 4,
                sessions: 1,
                capacity: 250,
            }],
            documents: std::collections::BTreeMap::new(),
            rejected: Vec::new(),
        }
    }

    #[test]
    fn json_has_the_documented_fields_and_no_others() {
        let status = status();
        let json = serde_json::to_value(report(&status)).unwrap();
        let expected = serde_json::json!({
            "ready": true, "activeCalls": 2, "registrations": 3,
            "mediaNodes": [{"name": "default-0", "state": "Lost", "ports": "16384-17535", "portsInUse": 4, "sessions": 1}],
        });
        assert_eq!(json, expected);
    }
}
