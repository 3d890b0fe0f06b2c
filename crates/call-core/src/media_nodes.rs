//! The media-nodes that have announced themselves: which is up, and which takes the next call. It must not know calls;
//! how many sessions a node holds of ours it is told.

use std::collections::BTreeMap;

use voip_contract::admin::{MediaNodeStatus, NodeState};
use voip_contract::media::Announcement;
use voip_contract::{Incarnation, NodeName};

use crate::state::MediaPlace;
use crate::timers::TimerKey;

/// Media-nodes known at a time; further ones are not taken in.
pub(crate) const MAX_NODES: usize = 10_000;

/// Whether a node's stream is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// Broken; the timer ends the grace.
    Broken(TimerKey),
    Lost,
}

#[derive(Debug)]
struct Node {
    said: Announcement,
    link: Link,
    /// Calls placed here and not over. The node's own count is up to a second old.
    placed: u32,
}

/// What an announcement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing new but figures.
    Known,
    /// A first stream of this run: the node holds nothing of ours.
    New {
        /// The run before it, when its calls were not given up yet.
        replaces: Option<Incarnation>,
    },
    /// The same run is back within its grace; the timer is obsolete.
    Returned(TimerKey),
    /// The table is full.
    Refused,
}

/// The nodes, by name.
#[derive(Debug, Default)]
pub(crate) struct MediaNodes {
    nodes: BTreeMap<NodeName, Node>,
}

impl MediaNodes {
    /// Takes in an announcement.
    pub(crate) fn announced(&mut self, said: Announcement) -> Arrival {
        let Some(node) = self.nodes.get_mut(&said.node) else {
            if self.nodes.len() >= MAX_NODES {
                return Arrival::Refused;
            }
            self.nodes.insert(said.node.clone(), Node { said, link: Link::Up, placed: 0 });
            return Arrival::New { replaces: None };
        };
        let before = (node.said.incarnation, node.link);
        let same_run = before.0 == said.incarnation;
        node.said = said;
        node.link = Link::Up;
        match before.1 {
            Link::Up if same_run => Arrival::Known,
            Link::Broken(timer) if same_run => Arrival::Returned(timer),
            Link::Lost => Arrival::New { replaces: None },
            Link::Up | Link::Broken(_) => Arrival::New { replaces: Some(before.0) },
        }
    }

    /// The stream of that run broke. False when it is not the present one.
    pub(crate) fn disconnected(&mut self, name: &NodeName, run: Incarnation, grace: TimerKey) -> bool {
        match self.nodes.get_mut(name) {
            Some(node) if node.said.incarnation == run && node.link == Link::Up => {
                node.link = Link::Broken(grace);
                true
            }
            _ => false,
        }
    }

    /// The grace of that run is over. False when the node came back meanwhile.
    pub(crate) fn grace_over(&mut self, name: &NodeName, run: Incarnation) -> bool {
        match self.nodes.get_mut(name) {
            Some(node) if node.said.incarnation == run && matches!(node.link, Link::Broken(_)) => {
                node.link = Link::Lost;
                true
            }
            _ => false,
        }
    }

    /// The least loaded node that takes calls, other than `not`. Compares used shares exactly, without fractions.
    pub(crate) fn place(&self, not: Option<&NodeName>) -> Option<MediaPlace> {
        let mut free = self.nodes.values().filter(|node| node.takes_calls() && Some(&node.said.node) != not);
        let first = free.next()?;
        let best = free.fold(first, |best, node| if node.is_idler_than(best) { node } else { best });
        Some(MediaPlace { node: best.said.node.clone(), incarnation: best.said.incarnation })
    }

    /// Counts a call in.
    pub(crate) fn placed(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.placed = node.placed.saturating_add(1);
        }
    }

    /// Counts a call out.
    pub(crate) fn left(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.placed = node.placed.saturating_sub(1);
        }
    }

    /// Whether any node takes calls.
    pub(crate) fn any_ready(&self) -> bool {
        self.nodes.values().any(|node| node.link == Link::Up && !node.said.draining)
    }

    /// All of them, by name.
    pub(crate) fn status(&self) -> Vec<MediaNodeStatus> {
        self.nodes.values().map(Node::status).collect()
    }
}

impl Node {
    fn load(&self) -> u64 {
        u64::from(self.placed.max(self.said.sessions))
    }

    fn takes_calls(&self) -> bool {
        self.link == Link::Up && !self.said.draining && self.load() < u64::from(self.said.capacity)
    }

    fn is_idler_than(&self, other: &Self) -> bool {
        self.load() * u64::from(other.said.capacity) < other.load() * u64::from(self.said.capacity)
    }

    fn status(&self) -> MediaNodeStatus {
        let state = match (self.link, self.said.draining) {
            (Link::Up, false) => NodeState::Ready,
            (Link::Up, true) => NodeState::Draining,
            (Link::Broken(_) | Link::Lost, _) => NodeState::Lost,
        };
        let lost = state == NodeState::Lost;
        MediaNodeStatus {
            name: self.said.node.to_string(),
            state,
            ports: format!("{}-{}", self.said.ports.0, self.said.ports.1),
            ports_in_use: if lost { 0 } else { self.said.ports_in_use },
            sessions: if lost { 0 } else { self.said.sessions },
            capacity: self.said.capacity,
        }
    }
}
