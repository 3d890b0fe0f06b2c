//! Media inputs: what nodes say, and what it means for the calls they hold.

use sip_core::Now;
use voip_contract::media::{Announcement, MediaNotice, MediaRefusal, MediaReply, RefusalReason};
use voip_contract::{CallId, Incarnation, NodeName};

use super::Switch;
use crate::call::{ActiveCall, record};
use crate::event::{Action, MediaEvent};
use crate::fact::Fact;
use crate::media_nodes::Arrival;
use crate::timers::{NODE_GRACE, Timer};

impl Switch {
    pub(super) fn on_media(&mut self, now: Now, event: MediaEvent, out: &mut Vec<Action>) {
        match event {
            MediaEvent::Announced(said) => self.announced(now, said, out),
            MediaEvent::Disconnected { node, incarnation } => self.disconnected(now, &node, incarnation, out),
            MediaEvent::Replied { reply, .. } => self.replied(now, reply, out),
            MediaEvent::Noticed { node, notice } => self.noticed(now, &node, &notice, out),
            MediaEvent::Undeliverable { ticket, .. } => {
                self.media_unavailable(now, ticket, "not connected", out);
            }
        }
    }

    /// A node is there. After each connect it is told which sessions are still wanted.
    fn announced(&mut self, now: Now, said: Announcement, out: &mut Vec<Action>) {
        let (node, run) = (said.node.clone(), said.incarnation);
        match self.core.nodes.announced(said) {
            Arrival::Known | Arrival::Refused => return,
            Arrival::Returned(timer) => self.core.timers.stop(timer),
            Arrival::New { replaces } => {
                if let Some(before) = replaces {
                    self.lose_node(now, &node, before, out);
                }
                out.push(Action::Emit(Fact::MediaNodeReady { node: node.clone() }));
            }
        }
        let sessions = self.calls_on(&node, run);
        out.push(Action::Claim { node, sessions });
    }

    fn disconnected(&mut self, now: Now, node: &NodeName, run: Incarnation, out: &mut Vec<Action>) {
        let timer = self.turn(now, out).after(NODE_GRACE, Timer::NodeGrace(node.clone(), run));
        if !self.core.nodes.disconnected(node, run, timer) {
            self.core.timers.stop(timer);
        }
    }

    /// That run of a node did not come back in time.
    pub(super) fn grace_over(&mut self, now: Now, node: &NodeName, run: Incarnation, out: &mut Vec<Action>) {
        if self.core.nodes.grace_over(node, run) {
            self.lose_node(now, node, run, out);
        }
    }

    /// Ends the calls of a run that is no more.
    fn lose_node(&mut self, now: Now, node: &NodeName, run: Incarnation, out: &mut Vec<Action>) {
        let calls = self.calls_on(node, run);
        let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        out.push(Action::Emit(Fact::MediaNodeLost { node: node.clone(), calls: count }));
        for id in calls {
            self.with_call(now, out, id, ActiveCall::media_lost);
        }
    }

    fn calls_on(&self, node: &NodeName, run: Incarnation) -> Vec<CallId> {
        let here = |call: &&ActiveCall| {
            call.is_active()
                && call.media_place().is_some_and(|place| place.node == *node && place.incarnation == run)
        };
        self.calls.values().filter(here).map(ActiveCall::id).collect()
    }

    fn replied(&mut self, now: Now, reply: MediaReply, out: &mut Vec<Action>) {
        let Some(waiter) = self.turn(now, out).media_replied(reply.ticket) else { return };
        self.with_call(now, out, waiter.call, |call, turn| match reply.result {
            Ok(outcome) => call.media_done(turn, waiter.asked, outcome),
            Err(refusal) => call.media_refused(turn, waiter.asked, &refusal),
        });
    }

    /// A request that a node has not answered, or never got.
    pub(super) fn media_unavailable(&mut self, now: Now, ticket: u64, detail: &str, out: &mut Vec<Action>) {
        let Some(waiter) = self.turn(now, out).media_replied(ticket) else { return };
        let refusal = MediaRefusal {
            reason: RefusalReason::Unavailable,
            detail: format!("media-node {}: {detail}", waiter.node),
        };
        self.with_call(now, out, waiter.call, |call, turn| call.media_refused(turn, waiter.asked, &refusal));
    }

    /// A call whose sip-node is lost: nobody else writes its CDR.
    fn orphaned(&self, id: CallId, record: &[u8], lost_at_ms: u64, out: &mut Vec<Action>) {
        if self.calls.contains_key(&id) {
            return;
        }
        let fact = match record::lost(record, lost_at_ms) {
            Ok(record) if record.id == id => {
                Fact::CallEnded { record: Box::new(record), statistics: Vec::new() }
            }
            Ok(_) => Fact::RecordUnreadable { call: id, detail: "it is of another call".to_owned() },
            Err(error) => Fact::RecordUnreadable { call: id, detail: error.to_string() },
        };
        out.push(Action::Emit(fact));
    }

    fn noticed(&mut self, now: Now, node: &NodeName, notice: &MediaNotice, out: &mut Vec<Action>) {
        let session = match notice {
            MediaNotice::PlayFinished { session, .. } | MediaNotice::SessionLost { session, .. } => *session,
            MediaNotice::Orphaned { session, record, lost_at_ms } => {
                return self.orphaned(*session, record, *lost_at_ms, out);
            }
        };
        self.with_call(now, out, session, |call, turn| {
            if call.media_place().is_some_and(|place| place.node == *node) {
                call.media_noticed(turn, notice);
            }
        });
    }
}
