//! Re-INVITEs that come to nothing: refused, withdrawn, overdue, or overtaken by the end of the call.

use sip_core::{ServerKey, StatusCode};
use voip_contract::Generation;
use voip_contract::media::MediaOperation;

use super::super::end::cancel;
use super::super::messages::response;
use super::super::{ActiveCall, Ending};
use super::{Modify, Step};
use crate::cause::Cause;
use crate::turn::{MediaAsked, Turn};

impl ActiveCall {
    /// media-node has refused its part of a step. Once the other leg has agreed there is no way back.
    pub(in crate::call) fn modify_refused(
        &mut self,
        turn: &mut Turn,
        generation: Generation,
        status: StatusCode,
    ) {
        let Some(modify) = self.modify.as_ref().filter(|modify| modify.generation == generation) else {
            return;
        };
        match modify.step {
            Step::Offering if !modify.late => self.undo_modify(turn, status),
            Step::Answering if modify.to.is_none() => self.undo_modify(turn, status),
            _ => self.end(turn, &Ending::broken(Cause::INCOMPATIBLE, "media refused")),
        }
    }

    /// The sender has withdrawn its re-INVITE.
    pub(in crate::call) fn modify_cancelled(&mut self, turn: &mut Turn, key: ServerKey) {
        let Some(modify) = self.modify.as_mut().filter(|modify| modify.key == key) else { return };
        match (modify.step, modify.client) {
            (Step::Inviting, Some((client, _))) => {
                // Answered when the other leg has: if its 200 crosses our CANCEL, both are modified.
                modify.withdrawn = Some(StatusCode::REQUEST_TERMINATED);
                cancel(turn, client);
            }
            (Step::Offering, None) => self.undo_modify(turn, StatusCode::REQUEST_TERMINATED),
            _ => {}
        }
    }

    /// Nobody answers our re-INVITE.
    pub(crate) fn modify_overdue(&mut self, turn: &mut Turn) {
        let Some(modify) = self.modify.as_mut().filter(|modify| modify.step == Step::Inviting) else {
            return;
        };
        modify.timer = None;
        if let Some((client, _)) = modify.client {
            modify.withdrawn = modify.withdrawn.or(Some(StatusCode::SERVER_TIMEOUT));
            cancel(turn, client);
        }
    }

    /// Our re-INVITE got no final response: the other leg is gone (section 12.2.1.2).
    pub(in crate::call) fn modify_silent(&mut self, turn: &mut Turn) {
        if let Some(modify) = &mut self.modify {
            modify.client = None;
        }
        self.undo_modify(turn, StatusCode::REQUEST_TIMEOUT);
        self.end(turn, &Ending::broken(Cause::TIMER_EXPIRED, "no response"));
    }

    /// The exchange fails: media as before, and the sender is told.
    pub(super) fn undo_modify(&mut self, turn: &mut Turn, status: StatusCode) {
        let Some(modify) = self.modify.take() else { return };
        turn.stop(modify.timer);
        turn.core.servers.remove(&modify.key);
        if let Some(session) = self.session() {
            turn.media(&session, modify.generation, MediaOperation::Rollback, MediaAsked::Undo);
        }
        self.refuse_modify(turn, &modify, status);
    }

    fn refuse_modify(&self, turn: &mut Turn, modify: &Modify, status: StatusCode) {
        let tag = self.leg(modify.from).map_or("", |leg| &leg.tag);
        let failure = response(turn, &modify.request, None, tag, status, None).build();
        turn.respond(modify.key, failure);
    }

    pub(super) fn modify_over(&mut self, turn: &mut Turn) {
        if let Some(modify) = self.modify.take() {
            turn.stop(modify.timer);
            turn.core.servers.remove(&modify.key);
        }
    }

    /// The call ends amid an exchange: the sender gets a final response, the other leg's 2xx its ACK.
    pub(in crate::call) fn end_modify(&mut self, turn: &mut Turn) {
        let Some(modify) = self.modify.take() else { return };
        turn.stop(modify.timer);
        turn.core.servers.remove(&modify.key);
        if !matches!(modify.step, Step::Unacknowledged | Step::Acknowledging) {
            self.refuse_modify(turn, &modify, StatusCode::REQUEST_TERMINATED);
        }
        let (Some((key, cseq)), Some(leg)) = (modify.client, modify.to.and_then(|to| self.leg(to))) else {
            return;
        };
        let Some(dialog) = leg.dialog.clone() else { return };
        if modify.step == Step::Inviting {
            cancel(turn, key);
            turn.abandon_reinvite(key, dialog, cseq, leg.flow);
        } else {
            turn.acknowledge(key, leg.flow, dialog.ack(cseq).build());
        }
    }
}
