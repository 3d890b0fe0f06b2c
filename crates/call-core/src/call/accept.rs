//! The callee's 200: acknowledged, its answer handed to media-node, the call written, the 200 passed on to the caller.
//! With a late offer the order is another: the callee offers in its 200, the caller answers in its ACK.

use bytes::Bytes;
use sip_core::{ClientKey, Dialog, Flow, Message, StatusCode};
use voip_contract::LegId;
use voip_contract::media::MediaOperation;

use super::branch::spec;
use super::{ActiveCall, BranchStep, CALLER, Ending, Failure, Stage};
use crate::cause::Cause;
use crate::peer;
use crate::requests::sdp_of;
use crate::state::LegState;
use crate::turn::{Checkpoint, MediaAsked, Turn};

impl ActiveCall {
    /// A 2xx to the INVITE of a branch.
    pub(super) fn branch_answered(&mut self, turn: &mut Turn, leg: LegId, source: Flow, response: &Message) {
        let Some(branch) = self.branch(leg) else { return };
        let (Some((key, invite)), late) = (branch.invite.take(), branch.late) else { return };
        let (ring, early) = (branch.ring.take(), branch.early_answer.take());
        turn.stop(ring);
        let flow = self.leg(leg).map(|leg| leg.flow);
        let (Ok(dialog), Some(flow)) = (Dialog::from_response(&invite, response), flow) else {
            // No dialog can be made of it, so it can be neither acknowledged nor ended.
            turn.core.clients.remove(&key);
            return self
                .branch_failed(turn, Failure::ours(StatusCode::BAD_GATEWAY, Cause::NETWORK_OUT_OF_ORDER));
        };
        let flow = peer::flow_to_target(&dialog, source, flow);
        if let Some(leg) = self.leg_mut(leg) {
            leg.dialog = Some(dialog);
            leg.flow = flow;
            leg.state = LegState::Confirmed;
        }
        // Another 2xx to this INVITE comes from another fork: not wanted any more.
        turn.refuse_forks(key, invite, flow);
        let sdp = sdp_of(response);
        if late {
            if let Some(branch) = self.branch(leg) {
                branch.unacknowledged = Some(key);
            }
            self.callee_offered(turn, leg, sdp);
        } else {
            self.acknowledge_branch(turn, leg, key, None);
            // A 200 may leave out the answer that a 183 gave.
            self.callee_answered(turn, leg, sdp.or(early));
        }
    }

    /// ACKs the 2xx of a branch.
    pub(super) fn acknowledge_branch(
        &mut self,
        turn: &mut Turn,
        leg: LegId,
        key: ClientKey,
        sdp: Option<&[u8]>,
    ) {
        let Some(leg) = self.leg(leg) else { return };
        let Some(dialog) = &leg.dialog else { return };
        let ack = dialog.ack(dialog.local_cseq);
        let ack = match sdp {
            Some(sdp) => ack.body(crate::requests::SDP, sdp.to_vec()),
            None => ack,
        };
        turn.acknowledge(key, leg.flow, ack.build());
    }

    fn callee_answered(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Bytes>) {
        let Some(sdp) = sdp else {
            return self.answer_unusable(
                turn,
                leg,
                Failure::ours(StatusCode::BAD_GATEWAY, Cause::INCOMPATIBLE),
            );
        };
        if let Some(leg) = self.leg_mut(leg) {
            leg.remote_sdp = Some(sdp.to_vec());
        }
        if let Some(branch) = self.branch(leg) {
            branch.step = BranchStep::Answering;
        }
        self.media_answer(turn, leg, &sdp, false, MediaAsked::Answer(leg));
    }

    /// media-node has taken the callee's answer.
    pub(super) fn answer_taken(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Vec<u8>>) {
        let answered = self.caller.invite.is_none();
        let Some(branch) = self.branch_at(leg, BranchStep::Answering) else { return };
        if answered {
            // The caller was answered before: media-node joins the two, the caller hears nothing of it.
            self.connect(turn, leg);
            return self.save(turn);
        }
        branch.step = BranchStep::Accepting;
        self.prepare_answer(turn, sdp.unwrap_or_default(), Checkpoint::Accept(leg));
    }

    /// The answered call is written: the caller gets its 200.
    pub(super) fn pass_answer_on(&mut self, turn: &mut Turn, leg: LegId) {
        let Some(branch) = self.branch_at(leg, BranchStep::Accepting) else { return };
        let late = branch.late;
        branch.step = BranchStep::Unacknowledged;
        self.send_answer(turn);
        if !late {
            self.connect(turn, leg);
        }
    }

    fn connect(&mut self, turn: &mut Turn, leg: LegId) {
        self.stop_progress(turn);
        self.failure = None;
        self.stage = Stage::Connected(leg);
    }

    /// A callee whose session cannot be joined to the caller's: it is sent away, the caller told.
    pub(super) fn answer_unusable(&mut self, turn: &mut Turn, leg: LegId, failure: Failure) {
        self.dismiss_branch(turn, leg, None);
        self.branch_failed(turn, failure);
    }

    /// Ends a branch that has answered.
    pub(super) fn dismiss_branch(&mut self, turn: &mut Turn, leg: LegId, reason: Option<&str>) {
        if let Some(key) = self.branch(leg).and_then(|branch| branch.unacknowledged.take()) {
            // An offer without an answer; still, nothing may follow a 2xx before its ACK.
            self.acknowledge_branch(turn, leg, key, None);
        }
        self.bye_leg(turn, leg, reason);
    }

    /// The callee has made the offer that the caller's INVITE lacked.
    fn callee_offered(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Bytes>) {
        let (Some(sdp), Some(session)) = (sdp, self.session()) else {
            return self.answer_unusable(
                turn,
                leg,
                Failure::ours(StatusCode::BAD_GATEWAY, Cause::INCOMPATIBLE),
            );
        };
        if let Some(leg) = self.leg_mut(leg) {
            leg.remote_sdp = Some(sdp.to_vec());
        }
        let Some(branch) = self.branch(leg) else { return };
        branch.step = BranchStep::Answering;
        let generation = branch.generation;
        let (Some(from), Some(to)) = (self.leg(leg).map(spec), self.leg(CALLER).map(spec)) else { return };
        let offer = MediaOperation::Offer { from, to, sdp: sdp.to_vec() };
        turn.media(&session, generation, offer, MediaAsked::LateOffer(leg));
    }

    /// media-node has made the callee's offer one for the caller.
    pub(super) fn late_offered(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Vec<u8>>) {
        let Some(branch) = self.branch_at(leg, BranchStep::Answering) else { return };
        branch.step = BranchStep::Accepting;
        self.prepare_answer(turn, sdp.unwrap_or_default(), Checkpoint::Accept(leg));
    }

    /// The caller has acknowledged a 200 that carried the callee's offer.
    pub(super) fn late_acknowledged(&mut self, turn: &mut Turn, ack: &Message) {
        let Stage::Dialing(branch) = &mut self.stage else { return };
        if branch.step != BranchStep::Unacknowledged {
            return;
        }
        branch.step = BranchStep::Acknowledging;
        let (leg, generation) = (branch.leg, branch.generation);
        let (Some(sdp), Some(session)) = (sdp_of(ack), self.session()) else {
            return self.end(turn, &Ending::broken(Cause::INCOMPATIBLE, "no answer in ACK"));
        };
        if let Some(caller) = self.leg_mut(CALLER) {
            caller.remote_sdp = Some(sdp.to_vec());
        }
        let (Some(from), Some(to)) = (self.leg(CALLER).map(spec), self.leg(leg).map(spec)) else { return };
        let answer = MediaOperation::Answer { from, to, sdp: sdp.to_vec(), provisional: false };
        turn.media(&session, generation, answer, MediaAsked::LateAnswer(leg));
    }

    /// media-node has made the caller's answer one for the callee.
    pub(super) fn late_answered(&mut self, turn: &mut Turn, leg: LegId, sdp: Option<Vec<u8>>) {
        let Some(branch) = self.branch_at(leg, BranchStep::Acknowledging) else { return };
        let Some(key) = branch.unacknowledged.take() else { return };
        self.acknowledge_branch(turn, leg, key, sdp.as_deref());
        if let Some(leg) = self.leg_mut(leg) {
            leg.local_sdp = sdp;
        }
        self.connect(turn, leg);
        self.save(turn);
    }
}
