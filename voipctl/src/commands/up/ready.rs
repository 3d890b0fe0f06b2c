//! Waits until the programs really take calls.

use std::collections::BTreeMap;
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

/// Why calls are not possible as planned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Something that may still come.
    Yet(String),
    /// RTP ports that other programs have: waiting does not help.
    Ports {
        /// The media-node.
        node: String,
        /// Its RTP ports.
        ports: String,
        /// Calls that fit.
        room: u32,
        /// Calls that were planned.
        planned: u32,
    },
}

/// Until sip-node is ready and every one of `nodes` is, with room for as many calls; after `patience` what is missing.
pub(super) async fn wait(
    http: SocketAddr,
    nodes: &BTreeMap<String, u32>,
    patience: Duration,
) -> Result<(), Missing> {
    let deadline = Instant::now() + patience;
    loop {
        let missing = match status(http).await {
            None => Some(Missing::Yet("sip-node does not answer".to_owned())),
            Some(status) => missing(&status, nodes),
        };
        match missing {
            None => return Ok(()),
            Some(Missing::Yet(_)) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            Some(missing) => return Err(missing),
        }
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

fn missing(status: &StatusReport, nodes: &BTreeMap<String, u32>) -> Option<Missing> {
    for (name, &planned) in nodes {
        let Some(node) = status.media_nodes.iter().find(|node| node.name == *name) else {
            return Some(Missing::Yet(format!("media-node {name} has not connected to sip-node")));
        };
        if node.capacity < planned && node.state != NodeState::Lost {
            let (node, ports, room) = (name.clone(), node.ports.clone(), node.capacity);
            return Some(Missing::Ports { node, ports, room, planned });
        }
        if node.state != NodeState::Ready {
            return Some(Missing::Yet(format!("media-node {name} is {:?}", node.state)));
        }
    }
    (!status.ready).then(|| Missing::Yet("sip-node is not ready".to_owned()))
}

#[cfg(test)]
mod tests {
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
        let nodes: BTreeMap<String, u32> = [("a".to_owned(), 250), ("b".to_owned(), 250)].into();
        let yet = |text: &str| Some(Missing::Yet(text.to_owned()));
        assert_eq!(missing(&status, &nodes), yet("media-node b has not connected to sip-node"));
        status.media_nodes.push(node("b", NodeState::Draining));
        assert_eq!(missing(&status, &nodes), yet("media-node b is Draining"));
        status.media_nodes[1].state = NodeState::Ready;
        assert_eq!(missing(&status, &nodes), None);
        status.media_nodes[1].capacity = 249;
        assert!(matches!(missing(&status, &nodes), Some(Missing::Ports { room: 249, planned: 250, .. })));
        status.media_nodes[1].capacity = 250;
        status.ready = false;
        assert_eq!(missing(&status, &nodes), yet("sip-node is not ready"));
    }
}
