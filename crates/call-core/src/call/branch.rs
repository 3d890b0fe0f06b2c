//! One contact of the callee: the offer is made, the INVITE sent, its progress handed to the caller, its failure
//! answered with the next contact. Its 200 is the business of `accept`.

use bytes::Bytes;
use sip_core::{Dialog, Flow, Message, SipCommand, StatusCode};
use voip_contract::LegId;
use voip_contract::media::{LegSpec, MediaOperation};

use super::{ActiveCall, Branch, BranchStep, CALLER, Dial, Failure, Stage};
use crate::cause::{Cause, Reason, cause_in_reason};
use crate::event::Action;
use crate::peer;
use crate::requests::sdp_of;
use crate::state::{AddressOfRecord, Binding, Leg, LegState};
use crate::timers::{PROGRESS, Timer};
use crate::turn::{Checkpoint, MediaAsked, Turn};

impl ActiveCall {
    /// Has media-node make the offer for a contact; without one from the caller, the callee is to offer.
    pub(super) fn begin_branch(&mut self, turn: &mut Turn, dial: Dial, binding: Binding) {
        let Some(session) = self.place_media(turn) else { return self.no_media_for(turn, &dial) };
        let leg = LegId(self.next_leg);
        self.next_leg = self.next_leg.saturating_add(1);
        let generation = self.next_generation();
        let Some((from, offer)) = self.leg(CALLER).map(|caller| (spec(caller), caller.remote_sdp.clone()))
        else {
            return;
        };
        let callee = branch_leg(leg, turn.core.tokens.token(), &dial, &binding);
        let to = spec(&callee);
        self.value.legs.push(callee);
        let late = offer.is_none();
        let step = if late { BranchStep::Saving } else { BranchStep::Offering };
        self.stage = Stage::Dialing(Box::new(Branch {
            dial,
            leg,
            binding,
            generation,
            step,
            late,
            invite: None,
            ring: None,
            unacknowledged: None,
            early_answer: None,
        }));
        match offer {
            Some(sdp) => {
                let offer = MediaOperation::Offer { from, to, sdp };
                turn.media(&session, generation, offer, MediaAsked::Offer(leg));
            }
            None => self.save_then(turn, Checkpoint::Invite(leg)),
        }
    }

    /// media-node has made the offer: the call is written before anybody hears of it.
    pub(super) fn branch_offered(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Vec<u8>>) {
        let Some(branch) = self.branch_at(leg, BranchStep::Offering) else { return };
        branch.step = BranchStep::Saving;
        if let Some(leg) = self.leg_mut(leg) {
            leg.local_sdp = sdp;
        }
        self.save_then(turn, Checkpoint::Invite(leg));
    }

    /// The call is written: the INVITE goes out.
    pub(super) fn invite_branch(&mut self, turn: &mut Turn, leg: LegId) {
        let Some(branch) = self.branch_at(leg, BranchStep::Saving) else { return };
        let (binding, share) = (branch.binding.clone(), branch.dial.share(turn));
        let Some(callee) = self.leg(leg) else { return };
        let (flow, tag) = (callee.flow, callee.tag.clone());
        let Some(invite) = self.invite_to(turn, &binding, callee) else {
            // A contact that is no URI cannot be stored; one from another release is passed over.
            return self
                .branch_failed(turn, Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::ABSENT));
        };
        let key = turn.request(self.id(), leg, flow, invite.clone());
        turn.core.dialogs.insert(tag, (self.id(), leg));
        let ring = turn.after(share, Timer::Ring(self.id(), leg));
        if let Some(branch) = self.branch_at(leg, BranchStep::Saving) {
            branch.step = BranchStep::Inviting;
            branch.invite = Some((key, invite));
            branch.ring = Some(ring);
        }
    }

    /// The branch `leg`, when it waits at `step`.
    pub(super) fn branch_at(&mut self, leg: LegId, step: BranchStep) -> Option<&mut Branch> {
        self.branch(leg).filter(|branch| branch.step == step)
    }

    /// The branch `leg`, while it is tried.
    pub(super) fn branch(&mut self, leg: LegId) -> Option<&mut Branch> {
        match &mut self.stage {
            Stage::Dialing(branch) if branch.leg == leg => Some(branch),
            _ => None,
        }
    }

    /// A response to the INVITE of a branch.
    pub(super) fn branch_response(&mut self, turn: &mut Turn, leg: LegId, source: Flow, response: &Message) {
        let Some(status) = response.status() else { return };
        if self.branch_at(leg, BranchStep::Inviting).is_none() {
            return;
        }
        if status.is_provisional() {
            self.branch_progress(turn, leg, status, response);
        } else if status.is_success() {
            self.branch_answered(turn, leg, source, response);
        } else {
            self.forget_invite(turn, leg);
            self.branch_failed(turn, callee_failure(status, response));
        }
    }

    /// 180, 183 and their like (section 13.2.2.1): an early dialog, and perhaps early media.
    fn branch_progress(&mut self, turn: &mut Turn, leg: LegId, status: StatusCode, response: &Message) {
        self.note_early_dialog(turn, leg, response);
        if self.caller.invite.is_none() {
            return;
        }
        match self.early_answer(leg, response) {
            Some(sdp) => self.offer_early_answer(turn, leg, status, &sdp),
            None => self.relay_progress(turn, status, None),
        }
    }

    fn note_early_dialog(&mut self, turn: &mut Turn, leg: LegId, response: &Message) {
        let invite =
            self.branch(leg).and_then(|branch| branch.invite.as_ref().map(|(_, invite)| invite.clone()));
        let Some(Ok(dialog)) = invite.map(|invite| Dialog::from_response(&invite, response)) else { return };
        let Some(known) = self.leg_mut(leg) else { return };
        if known.dialog.as_ref().is_some_and(|known| known.id == dialog.id) {
            return;
        }
        known.flow = peer::next_hop(&dialog.route_set, known.flow);
        known.dialog = Some(dialog);
        known.state = LegState::Early;
        self.save(turn);
    }

    /// The answer in a provisional response, if it can be one: our INVITE had the offer.
    fn early_answer(&mut self, leg: LegId, response: &Message) -> Option<Bytes> {
        let branch = self.branch(leg).filter(|branch| !branch.late)?;
        let sdp = sdp_of(response)?;
        branch.early_answer = Some(sdp.clone());
        Some(sdp)
    }

    fn offer_early_answer(&mut self, turn: &mut Turn, leg: LegId, status: StatusCode, sdp: &[u8]) {
        let asked = MediaAsked::Progress(leg, status.code());
        self.media_answer(turn, leg, sdp, true, asked);
    }

    /// Hands the answer of a branch to media-node.
    pub(super) fn media_answer(
        &mut self,
        turn: &mut Turn,
        leg: LegId,
        sdp: &[u8],
        early: bool,
        asked: MediaAsked,
    ) {
        let Some(generation) = self.branch(leg).map(|branch| branch.generation) else { return };
        let (Some(from), Some(to)) = (self.leg(leg).map(spec), self.leg(CALLER).map(spec)) else { return };
        let answer = MediaOperation::Answer { from, to, sdp: sdp.to_vec(), provisional: early };
        if let Some(session) = self.session() {
            turn.media(&session, generation, answer, asked);
        }
    }

    /// media-node has taken an early answer.
    pub(super) fn early_answered(&mut self, turn: &mut Turn, leg: LegId, status: u16, sdp: Option<&[u8]>) {
        if self.branch(leg).is_some() {
            self.relay_progress(turn, StatusCode::new(status).unwrap_or(StatusCode::RINGING), sdp);
        }
    }

    fn relay_progress(&mut self, turn: &mut Turn, status: StatusCode, sdp: Option<&[u8]>) {
        let Some((key, response)) = self.caller_response(turn, status, sdp) else { return };
        if let Some(leg) = self.leg_mut(CALLER) {
            leg.state = LegState::Early;
            if let Some(sdp) = sdp {
                leg.local_sdp = Some(sdp.to_vec());
            }
        }
        self.stop_progress(turn);
        self.caller.progress = Some((response.clone(), turn.after(PROGRESS, Timer::Progress(self.id()))));
        turn.respond(key, response);
    }

    /// Repeats the last provisional response, so that no proxy on the way gives the INVITE up.
    pub(crate) fn repeat_progress(&mut self, turn: &mut Turn) {
        let Some(key) = self.caller.invite.as_ref().map(|(key, _)| *key) else { return };
        let Some((response, timer)) = &mut self.caller.progress else { return };
        *timer = turn.after(PROGRESS, Timer::Progress(self.value.id));
        turn.respond(key, response.clone());
    }

    pub(super) fn stop_progress(&mut self, turn: &mut Turn) {
        let timer = self.caller.progress.take().map(|(_, timer)| timer);
        turn.stop(timer);
    }

    /// The contact has rung long enough: CANCEL, then the next one.
    pub(crate) fn ring_over(&mut self, turn: &mut Turn, leg: LegId) {
        if self.branch_at(leg, BranchStep::Inviting).is_none() {
            return;
        }
        let reason = Reason::Cause { cause: Cause::NO_ANSWER, text: "no answer" };
        self.cancel_branch(turn, leg, Some(reason.to_string()));
        self.branch_failed(turn, Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::NO_ANSWER));
    }

    /// The INVITE of a branch got no final response at all (section 8.1.3.1).
    pub(super) fn branch_silent(&mut self, turn: &mut Turn, leg: LegId, timed_out: bool) {
        if self.branch_at(leg, BranchStep::Inviting).is_none() {
            return;
        }
        self.forget_invite(turn, leg);
        let failure = if timed_out {
            Failure::ours(StatusCode::REQUEST_TIMEOUT, Cause::TIMER_EXPIRED)
        } else {
            // The contact cannot be reached: as one who is not there.
            Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::NO_RESPONSE)
        };
        self.branch_failed(turn, failure);
    }

    /// CANCELs a branch. A 2xx that crosses it is acknowledged and ended by `farewell`.
    pub(super) fn cancel_branch(&mut self, turn: &mut Turn, leg: LegId, reason: Option<String>) {
        let Some((key, invite)) = self.branch(leg).and_then(|branch| branch.invite.take()) else { return };
        let Some(flow) = self.leg(leg).map(|leg| leg.flow) else { return };
        turn.out.push(Action::Sip(SipCommand::Cancel { key, reason }));
        turn.abandon_invite(key, invite, flow);
    }

    /// The INVITE of a branch has failed and needs nothing more.
    fn forget_invite(&mut self, turn: &mut Turn, leg: LegId) {
        if let Some((key, _)) = self.branch(leg).and_then(|branch| branch.invite.take()) {
            turn.core.clients.remove(&key);
        }
    }

    /// The branch is given up: its media is undone, and the next contact tried. A 6xx speaks for all of them.
    pub(super) fn branch_failed(&mut self, turn: &mut Turn, failure: Failure) {
        if !matches!(self.stage, Stage::Dialing(_)) {
            return;
        }
        let Stage::Dialing(branch) = std::mem::replace(&mut self.stage, Stage::Routing) else { return };
        let branch = *branch;
        self.drop_branch(turn, &branch);
        let everywhere = failure.by_callee && failure.status.code() >= 600;
        let time_left = turn.now.instant < branch.dial.until;
        if everywhere || !time_left || branch.dial.candidates.is_empty() {
            return self.finish_dial(turn, &branch.dial, failure);
        }
        self.note_failure(failure);
        self.next_contact(turn, branch.dial);
    }

    /// Takes a branch out of the call and its media.
    fn drop_branch(&mut self, turn: &mut Turn, branch: &Branch) {
        turn.stop(branch.ring);
        self.drop_leg(turn, branch.leg);
        if let Some(session) = self.session() {
            // No rollback: the caller keeps the ports of the offer that the next contact gets, and its session.
            let drop = MediaOperation::Drop { leg: branch.leg };
            turn.media(&session, branch.generation, drop, MediaAsked::Undo);
        }
    }

    /// Takes a leg out of the call.
    pub(super) fn drop_leg(&mut self, turn: &mut Turn, id: LegId) {
        let Some(at) = self.value.legs.iter().position(|leg| leg.id == id) else { return };
        turn.core.dialogs.remove(&self.value.legs.remove(at).tag);
    }
}

/// A leg as media-node is told of it.
pub(super) fn spec(leg: &Leg) -> LegSpec {
    LegSpec { leg: leg.id, source: leg.flow.remote.ip() }
}

fn branch_leg(id: LegId, tag: String, dial: &Dial, binding: &Binding) -> Leg {
    Leg {
        id,
        user: AddressOfRecord(dial.callee.username.clone()),
        state: LegState::Trying,
        tag,
        dialog: None,
        flow: peer::flow_to_binding(binding),
        remote_sdp: None,
        local_sdp: None,
        unacknowledged: None,
    }
}

/// What a callee's final response means to the caller.
fn callee_failure(status: StatusCode, response: &Message) -> Failure {
    let cause = cause_in_reason(response.headers(sip_core::Header::Reason));
    let status = match status.code() {
        // Redirection is not followed: a contact that is elsewhere is not here.
        300..=399 => StatusCode::TEMPORARILY_UNAVAILABLE,
        // The callee challenges us, not the caller, who could not answer it.
        401 | 407 => StatusCode::BAD_GATEWAY,
        // The callee's protocol trouble with us is nothing that the caller could mend.
        481 | 482 | 483 | 487 | 491 => StatusCode::TEMPORARILY_UNAVAILABLE,
        400 | 405 | 414 | 416 | 420 | 421 | 422 | 501 | 505 => StatusCode::BAD_GATEWAY,
        // One phone's overload is not ours (section 16.7 step 6): 503 would have the caller avoid this server.
        503 => StatusCode::SERVER_INTERNAL_ERROR,
        _ => status,
    };
    let cause = cause.unwrap_or(Cause::of_status(status.code()));
    Failure { status, cause, by_callee: true }
}
