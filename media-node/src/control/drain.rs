//! Draining: by order of the operator, which may be taken back, and by a signal, which may not.
//!
//! While it lasts no session is begun. Sessions end by themselves; those that are left at the deadline are ended, and
//! their sip-nodes are told, so that they hang up on both phones.

use std::time::Duration;

use voip_contract::Epoch;
use voip_contract::media::{FromMediaNode, MediaNotice};
use voip_contract::node_admin::{NodeOrder, Service};

use super::Control;

/// What sip-nodes are told of a session that is ended at the deadline.
const ENDED: &str = "the media-node was drained and its time is over";

/// Whether the node drains, and until when.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// The highest of an operator that was obeyed.
    epoch: Epoch,
    /// On the engine's clock.
    deadline: Option<Duration>,
    /// The process is going to end.
    for_good: bool,
}

impl Drain {
    pub(super) fn is_on(&self) -> bool {
        self.deadline.is_some()
    }

    fn is_over(&self, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// False when a newer operator has ordered before, or the order comes too late.
    fn obey(&mut self, now: Duration, order: NodeOrder) -> bool {
        if order.epoch() < self.epoch {
            return false;
        }
        self.epoch = order.epoch();
        match order {
            NodeOrder::Drain { seconds, .. } => self.end_at(now + Duration::from_secs(seconds.into())),
            NodeOrder::Return { .. } if self.for_good => return false,
            NodeOrder::Return { .. } => self.deadline = None,
        }
        true
    }

    /// A signal: at the latest after `grace`, and never back.
    fn end(&mut self, now: Duration, grace: Duration) {
        self.end_at(now + grace);
        self.for_good = true;
    }

    /// A drain that runs is only ever made shorter.
    fn end_at(&mut self, deadline: Duration) {
        self.deadline = Some(self.deadline.map_or(deadline, |running| running.min(deadline)));
    }
}

impl Control {
    /// The operator orders.
    pub(crate) fn order(&mut self, order: NodeOrder) {
        if self.drain.obey(self.engine.now(), order) {
            tracing::debug!(?order, "an order of the operator");
        } else {
            tracing::warn!(?order, "an order is refused: a newer operator has spoken, or the process ends");
        }
        self.end_drained();
    }

    /// The process is told to end, and will within `grace`.
    pub(crate) fn end_within(&mut self, grace: Duration) {
        self.drain.end(self.engine.now(), grace);
        self.end_drained();
    }

    /// Ends what is left when the time of a drain is over. True: it is over.
    pub(crate) fn end_drained(&mut self) -> bool {
        if !self.drain.is_over(self.engine.now()) {
            return false;
        }
        if !self.sessions.is_empty() {
            tracing::warn!(sessions = self.sessions.len(), "ending the sessions that a drain has left");
        }
        let left: Vec<_> = self.sessions.iter().map(|(id, entry)| (*id, entry.owner)).collect();
        for (session, owner) in left {
            if let Some(link) = self.peers.link_to(owner) {
                let notice = MediaNotice::SessionLost { session, detail: ENDED.to_owned(), drained: true };
                self.send(link, FromMediaNode::Notice(notice));
                self.free(session);
            } else {
                self.leave(session);
            }
        }
        self.hand_over();
        true
    }

    /// What the operator is told.
    pub(crate) fn service(&self) -> Service {
        match (self.drain.is_on(), self.is_idle()) {
            (false, _) => Service::Serving,
            (true, false) => Service::Draining,
            (true, true) => Service::Drained,
        }
    }

    /// Whether the time of a drain is over and all that it left is ended.
    pub(crate) fn is_over(&self) -> bool {
        self.drain.is_over(self.engine.now()) && self.sessions.is_empty()
    }

    /// When the drain that runs is over, on the engine's clock from now.
    pub(crate) fn drain_ends_in(&self) -> Option<Duration> {
        self.drain.deadline.map(|deadline| deadline.saturating_sub(self.engine.now()))
    }

    /// Says nothing more to anybody. Each stream ends once its sip-node has read what was said.
    pub(crate) fn hang_up(&mut self) {
        self.peers.hang_up();
    }

    /// Whether every stream has ended.
    pub(crate) fn is_alone(&self) -> bool {
        self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(epoch: u64, seconds: u32) -> NodeOrder {
        NodeOrder::Drain { epoch: Epoch(epoch), seconds }
    }

    fn back(epoch: u64) -> NodeOrder {
        NodeOrder::Return { epoch: Epoch(epoch) }
    }

    #[test]
    fn an_order_said_again_keeps_the_first_deadline() {
        let mut state = Drain::default();
        assert!(state.obey(SECOND, drain(1, 20)));
        assert!(state.obey(SECOND * 9, drain(2, 20)));
        assert!(!state.is_over(SECOND * 20));
        assert!(state.is_over(SECOND * 21));
    }

    #[test]
    fn an_order_with_less_time_shortens_a_drain_that_runs() {
        let mut state = Drain::default();
        assert!(state.obey(SECOND, drain(1, 600)));
        assert!(state.obey(SECOND * 9, drain(1, 20)));
        assert!(!state.is_over(SECOND * 28));
        assert!(state.is_over(SECOND * 29));
    }

    #[test]
    fn a_lower_epoch_is_refused_and_changes_nothing() {
        let mut state = Drain::default();
        assert!(state.obey(SECOND, drain(5, 20)));
        assert!(!state.obey(SECOND, back(4)));
        assert!(state.is_on());
        assert!(state.obey(SECOND, back(5)));
        assert!(!state.is_on());
        assert!(!state.obey(SECOND, drain(4, 20)));
        assert!(!state.is_on());
    }

    #[test]
    fn a_signal_shortens_a_drain_and_is_not_taken_back() {
        let mut state = Drain::default();
        assert!(state.obey(SECOND, drain(1, 600)));
        state.end(SECOND * 2, SECOND * 5);
        assert!(!state.obey(SECOND * 3, back(9)));
        assert!(state.is_over(SECOND * 7));
        let mut ordered_first = Drain::default();
        assert!(ordered_first.obey(SECOND, drain(1, 3)));
        ordered_first.end(SECOND * 2, SECOND * 60);
        assert!(ordered_first.is_over(SECOND * 4), "the earlier one counts");
    }
}
