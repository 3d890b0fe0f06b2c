//! Control: what sip-nodes ask, applied to sessions; what happens to sessions, told to sip-nodes.
//!
//! One task owns every session's state and the port pool. It must not know sockets beyond handing them over, and it
//! never waits for a sip-node: a stream that is not read is given up, and dialled again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use media_core::session::Addresses;
use voip_contract::media::{Announcement, FromMediaNode, ToMediaNode};
use voip_contract::{CallId, Incarnation, NodeName};
use voip_telemetry::Health;

use crate::engine::{Engine, Event};
use crate::metrics::Figures;
use crate::ports::BoundPorts;
use crate::prompts::Prompts;

mod drain;
pub(crate) mod link;
mod orphans;
mod owners;
mod peers;
mod sessions;

use drain::Drain;
use link::LinkEvent;
use orphans::Orphans;
use peers::Peers;
use sessions::{Entry, Pending};

/// Ports that a call takes: two legs, RTP and RTCP each.
pub(crate) const PAIRS_PER_CALL: usize = 2;
/// The part of readiness that streams to sip-nodes make up.
pub(crate) const SIP_NODE_PART: &str = "sip-node";
/// The part of readiness that ports make up.
pub(crate) const PORTS_PART: &str = "ports";

/// Who this media-node is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) node: NodeName,
    pub(crate) incarnation: Incarnation,
    pub(crate) pool: String,
    pub(crate) ports: (u16, u16),
    /// Calls that were planned.
    pub(crate) calls: u32,
    /// Calls for which the process may open enough sockets.
    pub(crate) calls_by_files: u32,
}

/// What control works with.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) engine: Engine,
    pub(crate) ports: BoundPorts,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) addresses: Addresses,
    pub(crate) orphan_after: Duration,
    pub(crate) health: Health,
    pub(crate) figures: Figures,
}

pub(crate) struct Control {
    identity: Identity,
    engine: Engine,
    ports: BoundPorts,
    prompts: Arc<Prompts>,
    addresses: Addresses,
    orphan_after: Duration,
    health: Health,
    figures: Figures,
    peers: Peers,
    sessions: HashMap<CallId, Entry>,
    /// What waits for a relay thread, by token.
    pending: HashMap<u64, Pending>,
    next_token: u64,
    drain: Drain,
    /// What lost sip-nodes have left.
    orphans: Orphans,
    /// Capacity and draining as last announced.
    announced: Option<(u32, bool)>,
}

impl Control {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { identity, engine, ports, prompts, addresses, orphan_after, health, figures } = parts;
        figures.prompts.set(prompts.len() as u64);
        let control = Self {
            identity,
            engine,
            ports,
            prompts,
            addresses,
            orphan_after,
            health,
            figures,
            peers: Peers::default(),
            sessions: HashMap::new(),
            pending: HashMap::new(),
            next_token: 0,
            drain: Drain::default(),
            orphans: Orphans::default(),
            announced: None,
        };
        control.report();
        control
    }

    /// Something happened on a stream.
    pub(crate) fn on_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { link, address, outbound, open } => {
                tracing::info!(%address, "connected to a sip-node");
                self.peers.add(link, outbound, open);
                let announcement = self.announcement();
                self.send(link, FromMediaNode::Announce(announcement));
                self.report();
            }
            LinkEvent::Down { link } => {
                self.lose(link);
                self.report();
            }
            LinkEvent::Message { link, message } => match message {
                ToMediaNode::Welcome { incarnation } => self.greet(link, incarnation),
                ToMediaNode::Claim { sessions } => self.claim(link, &sessions),
                ToMediaNode::Request(request) => self.request(link, request),
            },
        }
    }

    /// A relay thread says something. False: one has died, and the process must not go on.
    pub(crate) fn on_engine(&mut self, event: Event) -> bool {
        match event {
            Event::Applied { token, statistics } => self.applied(token, statistics),
            Event::PlayFinished { session, leg, play } => self.play_finished(session, leg, play),
            Event::Died => return false,
        }
        true
    }

    /// Once a second: frees orphans, ends a drain, looks whether ports of others have become free, announces.
    pub(crate) fn on_tick(&mut self) {
        self.ports.reclaim();
        self.free_orphans();
        self.look_after_orphans();
        self.end_drained();
        self.announce();
    }

    /// Announces if anything but the load has changed since.
    pub(crate) fn announce_changes(&mut self) {
        if self.announced != Some((self.capacity(), self.drain.is_on())) {
            self.announce();
        }
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.pending.is_empty() && !self.has_untold_orphans()
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Who this is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Ports of ours that others have, in order.
    pub(crate) fn foreign_ports(&self) -> impl Iterator<Item = u16> {
        self.ports.foreign_ports()
    }

    /// A new document runs.
    pub(crate) fn set_document(&mut self, addresses: Addresses, orphan_after: Duration) {
        self.addresses = addresses;
        self.orphan_after = orphan_after;
        self.figures.document_rejected.set(0);
    }

    /// The document on disk is not the one that runs.
    pub(crate) fn document_rejected(&self) {
        self.figures.document_rejected.set(1);
    }

    fn announce(&mut self) {
        let announcement = self.announcement();
        for link in self.peers.links() {
            self.send(link, FromMediaNode::Announce(announcement.clone()));
        }
        self.announced = Some((announcement.capacity, announcement.draining));
        self.report();
    }

    fn announcement(&self) -> Announcement {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Announcement {
            node: self.identity.node.clone(),
            incarnation: self.identity.incarnation,
            pool: self.identity.pool.clone(),
            ports: self.identity.ports,
            capacity: self.capacity(),
            sessions: count(self.sessions.len()),
            ports_in_use: count(self.ports.in_use() * 2),
            draining: self.drain.is_on(),
        }
    }

    /// Calls that can be held, at most those planned.
    fn capacity(&self) -> u32 {
        let by_ports = u32::try_from(self.ports.capacity() / PAIRS_PER_CALL).unwrap_or(u32::MAX);
        self.identity.calls.min(by_ports).min(self.identity.calls_by_files)
    }

    /// A sip-node that does not read loses its stream, never our time.
    fn send(&mut self, link: link::LinkId, message: FromMediaNode) {
        if !self.peers.send(link, message) {
            tracing::warn!("a sip-node does not read its stream; dialling again");
            self.figures.links_dropped.increment();
            self.lose(link);
        }
    }

    /// Brings health and metrics up to date.
    fn report(&self) {
        let capacity = self.capacity();
        if capacity >= self.identity.calls {
            self.health.ready(PORTS_PART);
        } else {
            let (planned, foreign) = (self.identity.calls, self.ports.foreign());
            let by_files = self.identity.calls_by_files;
            self.health.not_ready(
                PORTS_PART,
                format!("{capacity} of {planned} calls fit: {foreign} port pairs are taken by others, open files allow {by_files} calls"),
            );
        }
        if self.peers.is_empty() {
            self.health.not_ready(SIP_NODE_PART, "no sip-node is connected");
        } else {
            self.health.ready(SIP_NODE_PART);
        }
        let ports = |pairs: usize| pairs as u64 * 2;
        self.figures.sessions.set(self.sessions.len() as u64);
        self.figures.capacity.set(u64::from(capacity));
        self.figures.ports_in_use.set(ports(self.ports.in_use()));
        self.figures.ports_free.set(ports(self.ports.capacity().saturating_sub(self.ports.in_use())));
        self.figures.ports_foreign.set(ports(self.ports.foreign()));
        self.figures.sip_nodes.set(self.peers.len() as u64);
        self.figures.draining.set(u64::from(self.drain.is_on()));
    }
}
