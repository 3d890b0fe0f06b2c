//! The end of a call, from whichever side: every party is told once, media and tables are given back, and the CDR is
//! closed. Whoever ends it, all of it happens here.

use sip_core::{Method, SipCommand, StatusCode};
use voip_contract::admin::EndedBy;
use voip_contract::media::{LegStatistics, MediaOperation};
use voip_contract::{Generation, LegId};

use super::{ActiveCall, BranchStep, CALLER, Stage};
use crate::cause::{Cause, Reason};
use crate::event::Action;
use crate::fact::Fact;
use crate::state::LegState;
use crate::store::StoreRequest;
use crate::turn::{MediaAsked, StoreWaiter, Turn};

/// How a call ends.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// What an unanswered caller is told.
    status: StatusCode,
    cause: Cause,
    by: EndedBy,
    /// The Reason header for the others.
    reason: String,
    /// Who said BYE, and needs none.
    said_bye: Option<LegId>,
    /// The media is gone already: there are no statistics to wait for.
    media_gone: bool,
    /// The process is going: nothing is waited for.
    at_once: bool,
}

impl Ending {
    fn new(status: StatusCode, cause: Cause, by: EndedBy, text: &'static str) -> Self {
        let reason = Reason::Cause { cause, text }.to_string();
        Self { status, cause, by, reason, said_bye: None, media_gone: false, at_once: false }
    }

    /// No action of the route has reached anybody, or the route says so.
    pub(crate) fn failed(status: StatusCode, cause: Cause, by_callee: bool) -> Self {
        let by = if by_callee { EndedBy::Callee } else { EndedBy::System };
        Self::new(status, cause, by, "call ended")
    }

    /// Something on the way is broken.
    pub(crate) fn broken(cause: Cause, text: &'static str) -> Self {
        Self::new(StatusCode::SERVER_INTERNAL_ERROR, cause, EndedBy::System, text)
    }

    /// The caller's INVITE has expired (RFC 3261 section 13.3.1).
    fn expired() -> Self {
        Self::new(StatusCode::REQUEST_TERMINATED, Cause::NO_ANSWER, EndedBy::System, "invitation expired")
    }

    /// The caller has given up. `reason` is what its CANCEL said.
    pub(crate) fn cancelled(cause: Option<Cause>, reason: Option<String>) -> Self {
        let cause = cause.unwrap_or(Cause::NORMAL);
        let ending = Self::new(StatusCode::REQUEST_TERMINATED, cause, EndedBy::Caller, "cancelled");
        Self { reason: reason.unwrap_or(ending.reason), ..ending }
    }

    /// `leg` has said BYE. `reason` is what it gave.
    pub(crate) fn bye(leg: LegId, cause: Option<Cause>, reason: Option<String>) -> Self {
        let (by, status) = if leg == CALLER {
            (EndedBy::Caller, StatusCode::REQUEST_TERMINATED)
        } else {
            (EndedBy::Callee, StatusCode::TEMPORARILY_UNAVAILABLE)
        };
        let ending = Self::new(status, cause.unwrap_or(Cause::NORMAL), by, "hung up");
        Self { reason: reason.unwrap_or(ending.reason), said_bye: Some(leg), ..ending }
    }

    /// The media-node is gone.
    pub(crate) fn media_lost() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let ending = Self::new(status, Cause::TEMPORARY_FAILURE, EndedBy::System, "media lost");
        Self { media_gone: true, ..ending }
    }

    /// This sip-node is going.
    pub(crate) fn shutdown() -> Self {
        Self { at_once: true, ..Self::unavailable("server going down") }
    }

    /// It has outlasted a drain.
    pub(crate) fn drained() -> Self {
        Self::unavailable("drain deadline")
    }

    /// It has outlasted the drain of its media-node.
    pub(crate) fn media_drained() -> Self {
        Self { media_gone: true, ..Self::drained() }
    }

    /// As if this sip-node had said 503, had there been a request to answer.
    fn unavailable(text: &'static str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let ending = Self::new(status, Cause::TEMPORARY_FAILURE, EndedBy::System, text);
        Self { reason: Reason::Status { status, text }.to_string(), ..ending }
    }
}

impl ActiveCall {
    /// Ends the call, unless it has ended.
    pub(crate) fn end(&mut self, turn: &mut Turn, ending: &Ending) {
        if !self.is_active() {
            return;
        }
        self.end_modify(turn);
        self.end_passing(turn);
        self.end_callee(turn, ending);
        self.end_caller(turn, ending);
        self.close_record(turn, ending);
        self.leave_tables(turn);
        turn.store(StoreWaiter::Nobody, StoreRequest::RemoveCall(self.id()));
        self.stage = Stage::Ended { closed: false };
        self.release_media(turn, ending.media_gone);
    }

    /// Somebody else owns the call now: nobody is told anything, and there is no CDR from here.
    pub(super) fn forget(&mut self, turn: &mut Turn) {
        if let Some(session) = self.session() {
            turn.core.nodes.left(&session.node);
        }
        self.leave_tables(turn);
        self.stage = Stage::Ended { closed: true };
    }

    /// The caller's INVITE has expired.
    pub(crate) fn invitation_over(&mut self, turn: &mut Turn) {
        if self.caller.invite.is_some() {
            self.end(turn, &Ending::expired());
        }
    }

    pub(crate) fn media_lost(&mut self, turn: &mut Turn) {
        self.end(turn, &Ending::media_lost());
    }

    /// Tells the callee, however far it is.
    fn end_callee(&mut self, turn: &mut Turn, ending: &Ending) {
        let (leg, step) = match &self.stage {
            Stage::Dialing(branch) => (branch.leg, Some(branch.step)),
            Stage::Connected(peer) => (*peer, None),
            _ => return,
        };
        match step {
            Some(BranchStep::Offering | BranchStep::Saving) => {}
            Some(BranchStep::Inviting) => self.cancel_branch(turn, leg, Some(ending.reason.clone())),
            _ if ending.said_bye == Some(leg) => {}
            _ => self.dismiss_branch(turn, leg, Some(&ending.reason)),
        }
        if let Stage::Dialing(branch) = &self.stage {
            turn.stop(branch.ring);
        }
    }

    /// Tells the caller: the final response, or BYE once that is allowed.
    fn end_caller(&mut self, turn: &mut Turn, ending: &Ending) {
        self.stop_progress(turn);
        if let Some((key, invite)) = self.caller.invite.take() {
            turn.core.servers.remove(&key);
            let response = self.caller_failure(turn, &invite, ending.status, &ending.reason);
            return turn.respond(key, response);
        }
        let unacknowledged = self.caller.unacknowledged.take();
        if let Some(key) = unacknowledged {
            turn.core.servers.remove(&key);
        }
        if ending.said_bye == Some(CALLER) {
            return;
        }
        match unacknowledged {
            Some(key) if !ending.at_once => {
                let Some((dialog, flow)) =
                    self.leg(CALLER).and_then(|leg| Some((leg.dialog.clone()?, leg.flow)))
                else {
                    return;
                };
                turn.bye_after_ack(key, dialog, flow, Some(ending.reason.clone()));
            }
            _ => self.bye_leg(turn, CALLER, Some(&ending.reason)),
        }
    }

    /// BYE to a leg that is confirmed.
    pub(super) fn bye_leg(&mut self, turn: &mut Turn, leg: LegId, reason: Option<&str>) {
        let Some(leg) = self.leg(leg).filter(|leg| leg.state == LegState::Confirmed) else { return };
        if let Some(dialog) = leg.dialog.clone() {
            turn.bye(dialog, leg.flow, reason);
        }
    }

    fn close_record(&mut self, turn: &Turn, ending: &Ending) {
        let now = turn.now.wall.0;
        let record = &mut self.value.record;
        record.ended_at_ms = Some(now);
        record.duration_ms = record.answered_at_ms.map_or(0, |answered| now.saturating_sub(answered));
        if record.answered_at_ms.is_none() {
            record.sip_status = ending.status.code();
        }
        record.q850 = ending.cause.0;
        record.ended_by = Some(ending.by);
    }

    fn leave_tables(&mut self, turn: &mut Turn) {
        turn.stop(self.caller.expiry.take());
        for leg in &self.value.legs {
            turn.core.dialogs.remove(&leg.tag);
        }
        if let Stage::Dialing(branch) = &self.stage
            && let Some((key, _)) = &branch.invite
        {
            turn.core.clients.remove(key);
        }
        for user in std::mem::take(&mut self.occupied) {
            turn.vacate(&user);
        }
    }

    /// Gives the media back; the CDR is closed with its statistics.
    fn release_media(&mut self, turn: &mut Turn, gone: bool) {
        let Some(session) = self.session() else { return self.released(turn, Vec::new()) };
        turn.core.nodes.left(&session.node);
        if gone {
            return self.released(turn, Vec::new());
        }
        turn.media(&session, Generation(0), MediaOperation::Release, MediaAsked::Release);
    }

    /// The media is released: the last word about this call.
    pub(super) fn released(&mut self, turn: &mut Turn, statistics: Vec<LegStatistics>) {
        if let Stage::Ended { closed } = &mut self.stage
            && !std::mem::replace(closed, true)
        {
            turn.emit(Fact::CallEnded { record: Box::new(self.value.record.clone()), statistics });
        }
    }
}

/// Withdraws a re-INVITE of ours.
pub(super) fn cancel(turn: &mut Turn, key: sip_core::ClientKey) {
    turn.out.push(Action::Sip(SipCommand::Cancel { key, reason: None }));
}

/// Whether a response to a request inside a dialog says that the dialog is no more (RFC 3261 section 12.2.1.2).
pub(super) fn ends_dialog(method: &Method, status: StatusCode) -> bool {
    *method != Method::Bye && matches!(status, StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT)
}
