//! Carries out the actions of a route, one after the other.

use dialplan::Action;
use sip_core::StatusCode;
use voip_contract::media::{LegSpec, MediaOperation};
use voip_contract::{Generation, LegId};

use super::{ActiveCall, CALLER, Ending, Failure, Stage};
use crate::cause::Cause;
use crate::fact::Fact;
use crate::state::LegState;
use crate::turn::{Checkpoint, MediaAsked, Turn};

impl ActiveCall {
    /// Begins the next action; after the last one the call ends.
    pub(super) fn next_action(&mut self, turn: &mut Turn) {
        loop {
            self.stage = Stage::Routing;
            let at = usize::try_from(self.value.route.begun).unwrap_or(usize::MAX);
            let Some(action) = self.value.route.actions.get(at).cloned() else { return self.exhausted(turn) };
            if needs_answer(&action) && !self.is_answered() {
                // The action itself is begun once the call is answered.
                return self.answer_locally(turn);
            }
            self.value.route.begun = self.value.route.begun.saturating_add(1);
            match action {
                Action::Answer => {}
                Action::PlayAudio { prompt, repeat } => {
                    let play = MediaOperation::Play { leg: CALLER, prompt, repeat };
                    return self.command_media(turn, Stage::Prompting, play, MediaAsked::Play);
                }
                Action::Echo => {
                    let echo = MediaOperation::Echo { leg: CALLER };
                    return self.command_media(turn, Stage::Echoing, echo, MediaAsked::Echo);
                }
                Action::Dial { target, timeout_seconds } => return self.dial(turn, &target, timeout_seconds),
                Action::Hangup { status } => return self.hang_up(turn, status),
            }
        }
    }

    /// A prompt has been played to its end.
    pub(crate) fn play_finished(&mut self, turn: &mut Turn, leg: LegId) {
        if leg == CALLER && matches!(self.stage, Stage::Prompting) {
            self.next_action(turn);
        }
    }

    fn exhausted(&mut self, turn: &mut Turn) {
        let failure =
            self.failure.unwrap_or(Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::NORMAL));
        self.end(turn, &Ending::failed(failure.status, failure.cause, failure.by_callee));
    }

    fn hang_up(&mut self, turn: &mut Turn, status: u16) {
        let status = StatusCode::new(status).unwrap_or(StatusCode::DECLINE);
        let cause = if self.is_answered() { Cause::NORMAL } else { Cause::of_status(status.code()) };
        self.end(turn, &Ending::failed(status, cause, false));
    }

    fn command_media(&mut self, turn: &mut Turn, stage: Stage, operation: MediaOperation, asked: MediaAsked) {
        self.stage = stage;
        // What callees said before is answered by what the caller hears now.
        self.failure = None;
        if let Some(session) = self.session() {
            turn.media(&session, Generation(0), operation, asked);
        }
    }

    /// A prompt or the echo was refused: the call goes on with the next action.
    pub(super) fn media_command_refused(&mut self, turn: &mut Turn) {
        if matches!(self.stage, Stage::Prompting | Stage::Echoing) {
            self.next_action(turn);
        }
    }

    /// Has media-node answer the caller's offer. An INVITE without an offer is refused: nobody is there to offer.
    fn answer_locally(&mut self, turn: &mut Turn) {
        let Some(caller) = self.leg(CALLER) else { return };
        let (leg, offer) =
            (LegSpec { leg: CALLER, source: caller.flow.remote.ip() }, caller.remote_sdp.clone());
        let Some(sdp) = offer else {
            return self
                .end(turn, &Ending::failed(StatusCode::NOT_ACCEPTABLE_HERE, Cause::INCOMPATIBLE, false));
        };
        let Some(session) = self.place_media(turn) else { return self.no_media(turn) };
        self.stage = Stage::Answering;
        let generation = self.next_generation();
        turn.media(&session, generation, MediaOperation::AnswerLocally { leg, sdp }, MediaAsked::Local);
    }

    /// media-node has made our answer: written first, then sent.
    pub(super) fn answered_locally(&mut self, turn: &mut Turn, sdp: Option<Vec<u8>>) {
        if matches!(self.stage, Stage::Answering) {
            self.prepare_answer(turn, sdp.unwrap_or_default(), Checkpoint::Local);
        }
    }

    /// Our answer is written.
    pub(super) fn answer_caller(&mut self, turn: &mut Turn) {
        if matches!(self.stage, Stage::Answering) {
            self.send_answer(turn);
            self.next_action(turn);
        }
    }

    /// Makes the 200 that answers the call, and writes it with the call.
    pub(super) fn prepare_answer(&mut self, turn: &mut Turn, body: Vec<u8>, checkpoint: Checkpoint) {
        let Some((_, response)) = self.caller_response(turn, StatusCode::OK, Some(&body)) else { return };
        if let Some(leg) = self.leg_mut(CALLER) {
            leg.local_sdp = Some(body);
            leg.unacknowledged = Some(response.bytes().to_vec());
        }
        self.caller.answer = Some(response);
        self.save_then(turn, checkpoint);
    }

    /// Sends the 200 that was prepared.
    pub(super) fn send_answer(&mut self, turn: &mut Turn) {
        let (Some(response), Some((key, _))) = (self.caller.answer.take(), self.caller.invite.take()) else {
            return;
        };
        self.stop_progress(turn);
        turn.stop(self.caller.expiry.take());
        self.caller.unacknowledged = Some(key);
        if let Some(leg) = self.leg_mut(CALLER) {
            leg.state = LegState::Confirmed;
        }
        self.value.record.answered_at_ms = Some(turn.now.wall.0);
        self.value.record.sip_status = 200;
        turn.respond(key, response);
        turn.emit(Fact::CallAnswered(Box::new(self.value.record.clone())));
    }
}

fn needs_answer(action: &Action) -> bool {
    matches!(action, Action::Answer | Action::PlayAudio { .. } | Action::Echo)
}
