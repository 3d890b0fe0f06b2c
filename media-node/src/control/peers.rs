//! The open streams and whose they are.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};
use voip_contract::Incarnation;
use voip_contract::media::FromMediaNode;

use super::link::LinkId;

/// One stream.
struct Peer {
    /// None once nothing more will be said.
    outbound: Option<mpsc::Sender<FromMediaNode>>,
    /// Dropping it ends the stream.
    _open: oneshot::Sender<()>,
    /// Known once it has said so.
    owner: Option<Incarnation>,
}

/// All open streams. A sip-node that is reached at two addresses has two.
#[derive(Default)]
pub(super) struct Peers {
    by_link: BTreeMap<LinkId, Peer>,
}

impl Peers {
    pub(super) fn add(
        &mut self,
        link: LinkId,
        outbound: mpsc::Sender<FromMediaNode>,
        open: oneshot::Sender<()>,
    ) {
        self.by_link.insert(link, Peer { outbound: Some(outbound), _open: open, owner: None });
    }

    pub(super) fn welcome(&mut self, link: LinkId, owner: Incarnation) {
        if let Some(peer) = self.by_link.get_mut(&link) {
            peer.owner = Some(owner);
        }
    }

    /// Who speaks on `link`.
    pub(super) fn owner(&self, link: LinkId) -> Option<Incarnation> {
        self.by_link.get(&link)?.owner
    }

    /// The newest stream to `owner`.
    pub(super) fn link_to(&self, owner: Incarnation) -> Option<LinkId> {
        self.by_link.iter().rev().find(|(_, peer)| peer.owner == Some(owner)).map(|(link, _)| *link)
    }

    /// The newest stream to anybody but `owner`.
    pub(super) fn link_to_other(&self, owner: Incarnation) -> Option<LinkId> {
        let other = |peer: &Peer| peer.outbound.is_some() && peer.owner.is_some_and(|known| known != owner);
        self.by_link.iter().rev().find(|(_, peer)| other(peer)).map(|(link, _)| *link)
    }

    /// Nothing more is said on any stream; what was said is still delivered.
    pub(super) fn hang_up(&mut self) {
        for peer in self.by_link.values_mut() {
            peer.outbound = None;
        }
    }

    /// Forgets a stream. Gives its owner when that has no other.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<Incarnation> {
        let owner = self.by_link.remove(&link)?.owner?;
        self.link_to(owner).is_none().then_some(owner)
    }

    /// False when the stream's queue is full. A stream that is closed already will be reported as down.
    pub(super) fn send(&self, link: LinkId, message: FromMediaNode) -> bool {
        let Some(outbound) = self.by_link.get(&link).and_then(|peer| peer.outbound.as_ref()) else {
            return true;
        };
        !matches!(outbound.try_send(message), Err(mpsc::error::TrySendError::Full(_)))
    }

    pub(super) fn links(&self) -> Vec<LinkId> {
        self.by_link.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_link.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_link.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(peers: &mut Peers, link: LinkId) -> (mpsc::Receiver<FromMediaNode>, oneshot::Receiver<()>) {
        let (outbound, queue) = mpsc::channel(1);
        let (open, closed) = oneshot::channel();
        peers.add(link, outbound, open);
        (queue, closed)
    }

    #[test]
    fn an_owner_is_gone_with_its_last_stream() {
        let mut peers = Peers::default();
        let _streams = (add(&mut peers, 1), add(&mut peers, 2));
        let owner = Incarnation(9);
        peers.welcome(1, owner);
        peers.welcome(2, owner);
        assert_eq!(peers.link_to(owner), Some(2));
        assert_eq!((peers.link_to_other(owner), peers.link_to_other(Incarnation(8))), (None, Some(2)));
        assert_eq!(peers.remove(2), None);
        assert_eq!(peers.link_to(owner), Some(1));
        assert_eq!(peers.remove(1), Some(owner));
        assert_eq!(peers.remove(1), None);
    }

    #[test]
    fn a_stream_that_is_not_read_is_noticed() {
        use voip_contract::media::MediaNotice;
        let mut peers = Peers::default();
        let _stream = add(&mut peers, 1);
        let notice = || {
            FromMediaNode::Notice(MediaNotice::PlayFinished {
                session: voip_contract::CallId(1),
                leg: voip_contract::LegId(0),
            })
        };
        assert!(peers.send(1, notice()));
        assert!(!peers.send(1, notice()), "the queue holds one");
        assert!(peers.send(7, notice()), "a stream that is gone is no reader that is slow");
    }
}
