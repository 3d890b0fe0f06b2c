//! The decision thread's end of the streams: which stream speaks for which node.

use std::collections::HashMap;

use call_core::MediaEvent;
use tokio::sync::mpsc;
use voip_contract::media::{Announcement, FromMediaNode, MediaRequest, ToMediaNode};
use voip_contract::{CallId, Incarnation, NodeName};

use super::streams::MediaInput;

#[derive(Debug)]
struct Link {
    stream: u64,
    incarnation: Incarnation,
    outbound: mpsc::Sender<ToMediaNode>,
}

/// One link per node name: the newest stream counts, whoever dialled it.
#[derive(Debug, Default)]
pub(crate) struct MediaLinks {
    links: HashMap<NodeName, Link>,
    nodes: HashMap<u64, NodeName>,
    undeliverable: u64,
}

impl MediaLinks {
    /// Takes in what came over a stream and tells `event` what it means.
    pub(crate) fn take(&mut self, input: MediaInput, mut event: impl FnMut(MediaEvent)) {
        match input {
            MediaInput::Opened { stream, announcement, outbound } => {
                self.close(announcement.node.clone(), &mut event);
                self.nodes.insert(stream, announcement.node.clone());
                let link = Link { stream, incarnation: announcement.incarnation, outbound };
                self.links.insert(announcement.node.clone(), link);
                event(MediaEvent::Announced(announcement));
            }
            MediaInput::Received { stream, message } => self.received(stream, message, event),
            MediaInput::Closed { stream } => {
                if let Some(node) = self.nodes.get(&stream).cloned() {
                    self.close(node, &mut event);
                }
            }
        }
    }

    fn received(&mut self, stream: u64, message: FromMediaNode, mut event: impl FnMut(MediaEvent)) {
        let Some(node) = self.nodes.get(&stream).cloned() else { return };
        let Some(incarnation) = self.links.get(&node).map(|link| link.incarnation) else { return };
        match message {
            FromMediaNode::Announce(said) if is_somebody_else(&said, &node, incarnation) => {
                self.close(node, &mut event);
            }
            FromMediaNode::Announce(said) => event(MediaEvent::Announced(said)),
            FromMediaNode::Reply(reply) => event(MediaEvent::Replied { node, incarnation, reply }),
            FromMediaNode::Notice(notice) => event(MediaEvent::Noticed { node, notice }),
        }
    }

    /// Forgets the stream that speaks for `node`, if any; dropping its sending end closes it.
    fn close(&mut self, node: NodeName, event: &mut impl FnMut(MediaEvent)) {
        if let Some(link) = self.links.remove(&node) {
            self.nodes.remove(&link.stream);
            event(MediaEvent::Disconnected { node, incarnation: link.incarnation });
        }
    }

    /// Hands a request over; false when there is no stream or its queue is full.
    pub(crate) fn request(&mut self, node: &NodeName, request: MediaRequest) -> bool {
        self.send(node, ToMediaNode::Request(request))
    }

    /// Says which sessions are still wanted; false as for [`MediaLinks::request`].
    pub(crate) fn claim(&mut self, node: &NodeName, sessions: Vec<CallId>) -> bool {
        self.send(node, ToMediaNode::Claim { sessions })
    }

    fn send(&mut self, node: &NodeName, message: ToMediaNode) -> bool {
        let sent = self.links.get(node).is_some_and(|link| link.outbound.try_send(message).is_ok());
        if !sent {
            self.undeliverable += 1;
        }
        sent
    }

    /// Messages that could not be handed over.
    pub(crate) fn undeliverable(&self) -> u64 {
        self.undeliverable
    }
}

fn is_somebody_else(said: &Announcement, node: &NodeName, incarnation: Incarnation) -> bool {
    said.node != *node || said.incarnation != incarnation
}

#[cfg(test)]
mod tests;
