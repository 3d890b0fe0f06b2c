//! What the operator is told: the newest report is kept for whoever has a session.

use std::collections::BTreeMap;

use tokio::sync::watch;
use voip_contract::config::MEDIA_DOCUMENT;
use voip_contract::node_admin::{MAX_FOREIGN_PORTS, NodeReport, Role};

use crate::control::Control;

/// Where the kernel says from which ports it gives to sockets that ask for none.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// The document that runs, and why the one on disk does not.
#[derive(Debug, Clone)]
pub(crate) struct DocumentState {
    pub(crate) fingerprint: String,
    pub(crate) rejected: Option<String>,
}

/// Makes reports and publishes them.
pub(crate) struct Reports {
    newest: watch::Sender<NodeReport>,
    ephemeral: Option<(u16, u16)>,
}

impl Reports {
    pub(crate) fn new(control: &Control, document: &DocumentState) -> Self {
        let text = std::fs::read_to_string(EPHEMERAL).unwrap_or_default();
        let ephemeral = port_range(&text);
        Self { newest: watch::Sender::new(report(control, document, ephemeral)), ephemeral }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<NodeReport> {
        self.newest.subscribe()
    }

    /// Once a second.
    pub(crate) fn publish(&self, control: &Control, document: &DocumentState) {
        self.newest.send_replace(report(control, document, self.ephemeral));
    }

    /// At once when more than the load has changed.
    pub(crate) fn publish_changes(&self, control: &Control, document: &DocumentState) {
        let known = { self.newest.borrow().service };
        if known != control.service() {
            self.publish(control, document);
        }
    }
}

fn report(control: &Control, document: &DocumentState, ephemeral: Option<(u16, u16)>) -> NodeReport {
    let identity = control.identity();
    NodeReport {
        role: Role::MediaNode,
        name: identity.node.to_string(),
        incarnation: identity.incarnation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        service: control.service(),
        calls: u32::try_from(control.sessions()).unwrap_or(u32::MAX),
        registrations: 0,
        documents: BTreeMap::from([(MEDIA_DOCUMENT.to_owned(), document.fingerprint.clone())]),
        rejected: document.rejected.iter().cloned().collect(),
        foreign_ports: control.foreign_ports().take(MAX_FOREIGN_PORTS).collect(),
        ephemeral_ports: ephemeral,
        media_nodes: Vec::new(),
    }
}

/// Two numbers with white space between.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_range_is_two_numbers() {
        assert_eq!(port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(port_range(""), None);
        assert_eq!(port_range("32768"), None);
        assert_eq!(port_range("1 70000"), None);
    }
}
