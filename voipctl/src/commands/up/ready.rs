//! Waits until the programs really take calls.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use voip_contract::admin::{NodeState, StatusReport};

use crate::http;

/// Readiness is asked for: sip-node is the one that knows, and it tells nobody unasked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What sip-node says of itself; none while it says nothing.
pub(super) async fn status(http: SocketAddr) -> Option<StatusReport> {
    let ask = tokio::task::spawn_blocking(move || http::get(http, "/api/v1/status"));
    ask.await.ok()?.ok()?
}

/// Until sip-node is ready and every one of `nodes` is; after `patience` what is missing.
pub(super) async fn wait(
    http: SocketAddr,
    nodes: &BTreeSet<String>,
    patience: Duration,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let missing = match status(http).await {
            None => Some("sip-node does not answer".to_owned()),
            Some(status) => missing(&status, nodes),
        };
        let Some(missing) = missing else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(missing);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Until the running documents are those with `fingerprints`, or sip-node says why not.
pub(super) async fn wait_applied(
    http: SocketAddr,
    fingerprints: &[&str],
    patience: Duration,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let status = status(http).await;
        if let Some(status) = &status
            && fingerprints.iter().all(|wanted| status.documents.values().any(|runs| runs == wanted))
        {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let reasons = status.map(|status| status.rejected.join("; ")).filter(|r| !r.is_empty());
            return Err(reasons.unwrap_or_else(|| "sip-node does not say that it runs them".to_owned()));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn missing(status: &StatusReport, nodes: &BTreeSet<String>) -> Option<String> {
    for name in nodes {
        match status.media_nodes.iter().find(|node| node.name == *name).map(|node| node.state) {
            Some(NodeState::Ready) => {}
            Some(state) => return Some(format!("media-node {name} is {state:?}")),
            None => return Some(format!("media-node {name} has not connected to sip-node")),
        }
    }
    (!status.ready).then(|| "sip-node is not ready".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use voip_contract::admin::MediaNodeStatus;

    use super::*;

    #[test]
    fn every_planned_node_counts() {
        let node = |name: &str, state| MediaNodeStatus {
            name: name.into(),
            state,
            ports: "16384-17535".into(),
            ports_in_use: 0,
            sessions: 0,
            capacity: 250,
        };
        let mut status = StatusReport {
            ready: true,
            active_calls: 0,
            registrations: 0,
            media_nodes: vec![node("a", NodeState::Ready)],
            documents: BTreeMap::new(),
            rejected: Vec::new(),
        };
        let nodes: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(missing(&status, &nodes).as_deref(), Some("media-node b has not connected to sip-node"));
        status.media_nodes.push(node("b", NodeState::Draining));
        assert_eq!(missing(&status, &nodes).as_deref(), Some("media-node b is Draining"));
        status.media_nodes[1].state = NodeState::Ready;
        assert_eq!(missing(&status, &nodes), None);
        status.ready = false;
        assert_eq!(missing(&status, &nodes).as_deref(), Some("sip-node is not ready"));
    }
}
