//! The media-node of a call: which one, and what its replies lead to.

use sip_core::StatusCode;
use voip_contract::media::{MediaNotice, MediaOperation, MediaOutcome, MediaRefusal, RefusalReason};
use voip_contract::{Generation, NodeName};

use super::{ActiveCall, Dial, Ending, Failure, Stage};
use crate::cause::Cause;
use crate::fact::Fact;
use crate::turn::{MediaAsked, Session, Turn};

impl ActiveCall {
    /// The session of this call, on a node chosen now if it has none yet. None: no node takes it.
    pub(super) fn place_media(&mut self, turn: &mut Turn) -> Option<Session> {
        if self.value.media.is_none() {
            let place = turn.core.nodes.place(self.refused_by.as_ref())?;
            turn.core.nodes.placed(&place.node);
            self.value.media = Some(place);
        }
        self.session()
    }

    /// No media-node: the whole call fails, with Retry-After.
    pub(super) fn no_media(&mut self, turn: &mut Turn) {
        self.end(turn, &Ending::failed(StatusCode::SERVICE_UNAVAILABLE, Cause::TEMPORARY_FAILURE, false));
    }

    pub(super) fn no_media_for(&mut self, turn: &mut Turn, dial: &Dial) {
        self.finish_dial(
            turn,
            dial,
            Failure::ours(StatusCode::SERVICE_UNAVAILABLE, Cause::TEMPORARY_FAILURE),
        );
    }

    /// A media-node has done what it was asked.
    pub(crate) fn media_done(&mut self, turn: &mut Turn, asked: MediaAsked, outcome: MediaOutcome) {
        if !outcome.snapshot.0.is_empty() {
            self.value.snapshot = outcome.snapshot;
        }
        match asked {
            MediaAsked::Offer(leg) => self.branch_offered(turn, leg, outcome.sdp),
            MediaAsked::Progress(leg, status) => {
                self.early_answered(turn, leg, status, outcome.sdp.as_deref());
            }
            MediaAsked::Answer(leg) => self.answer_taken(turn, leg, outcome.sdp),
            MediaAsked::LateOffer(leg) => self.late_offered(turn, leg, outcome.sdp),
            MediaAsked::LateAnswer(leg) => self.late_answered(turn, leg, outcome.sdp),
            MediaAsked::Local => self.answered_locally(turn, outcome.sdp),
            MediaAsked::Modify(generation) => self.modify_done(turn, generation, outcome.sdp),
            MediaAsked::Release => self.released(turn, outcome.statistics),
            MediaAsked::Play | MediaAsked::Echo | MediaAsked::Undo => {}
        }
    }

    /// A media-node has refused, or has not replied in time.
    pub(crate) fn media_refused(&mut self, turn: &mut Turn, asked: MediaAsked, refusal: &MediaRefusal) {
        if matches!(asked, MediaAsked::Undo | MediaAsked::Release) {
            if asked == MediaAsked::Release {
                self.released(turn, Vec::new());
            }
            return;
        }
        if !self.is_active() {
            return;
        }
        let detail = refusal.detail.clone();
        turn.emit(Fact::MediaRefused { call: self.id(), reason: word(refusal.reason), detail });
        if refusal.reason == RefusalReason::StaleEpoch {
            return self.forget(turn);
        }
        let overloaded = matches!(refusal.reason, RefusalReason::NoPorts | RefusalReason::Unavailable);
        if overloaded && self.try_another_node(turn, asked) {
            return;
        }
        let failure = failure_of(refusal.reason, asked);
        match asked {
            MediaAsked::Offer(leg) if self.branch(leg).is_some() => self.branch_failed(turn, failure),
            MediaAsked::Answer(leg) | MediaAsked::LateOffer(leg) if self.branch(leg).is_some() => {
                self.answer_unusable(turn, leg, failure);
            }
            // The final answer may do better than the early one.
            MediaAsked::Progress(leg, status) => self.early_answered(turn, leg, status, None),
            MediaAsked::LateAnswer(_) => self.end(turn, &Ending::broken(failure.cause, "answer refused")),
            MediaAsked::Local if matches!(self.stage, Stage::Answering) => {
                self.end(turn, &Ending::failed(failure.status, failure.cause, false));
            }
            MediaAsked::Play | MediaAsked::Echo => self.media_command_refused(turn),
            MediaAsked::Modify(generation) => self.modify_refused(turn, generation, failure.status),
            _ => {}
        }
    }

    /// A new call that its node has no room for goes to another one, once. Nothing of it may be out yet.
    fn try_another_node(&mut self, turn: &mut Turn, asked: MediaAsked) -> bool {
        let first_contact = self.value.generation == Generation(1) && self.refused_by.is_none();
        if !first_contact || !matches!(asked, MediaAsked::Offer(_) | MediaAsked::Local) {
            return false;
        }
        let Some(node) = self.leave_node(turn) else { return false };
        self.refused_by = Some(node);
        match std::mem::replace(&mut self.stage, Stage::Routing) {
            Stage::Dialing(branch) => {
                turn.stop(branch.ring);
                self.drop_leg(turn, branch.leg);
                self.begin_branch(turn, branch.dial, branch.binding);
            }
            _ => self.next_action(turn),
        }
        true
    }

    /// Gives the place of the call's media up. Whatever the node may hold of it is released.
    fn leave_node(&mut self, turn: &mut Turn) -> Option<NodeName> {
        let session = self.session()?;
        turn.media(&session, Generation(0), MediaOperation::Release, MediaAsked::Undo);
        self.value.media = None;
        turn.core.nodes.left(&session.node);
        Some(session.node)
    }

    /// Something happened at the node that holds this call.
    pub(crate) fn media_noticed(&mut self, turn: &mut Turn, notice: &MediaNotice) {
        match notice {
            MediaNotice::PlayFinished { leg, .. } => self.play_finished(turn, *leg),
            MediaNotice::SessionLost { detail, drained, .. } => {
                let (reason, ending) = if *drained {
                    ("drained", Ending::media_drained())
                } else {
                    ("session-lost", Ending::media_lost())
                };
                turn.emit(Fact::MediaRefused { call: self.id(), reason, detail: detail.clone() });
                self.end(turn, &ending);
            }
            // Of calls that are nobody's.
            MediaNotice::Orphaned { .. } => {}
        }
    }
}

/// What the caller is told when media-node refuses.
fn failure_of(reason: RefusalReason, asked: MediaAsked) -> Failure {
    let from_callee = matches!(asked, MediaAsked::Answer(_) | MediaAsked::LateOffer(_));
    let (status, cause) = match reason {
        RefusalReason::BadSdp if from_callee => (StatusCode::BAD_GATEWAY, Cause::INCOMPATIBLE),
        RefusalReason::BadSdp => (StatusCode::BAD_REQUEST, Cause::INCOMPATIBLE),
        RefusalReason::NotAcceptable => (StatusCode::NOT_ACCEPTABLE_HERE, Cause::INCOMPATIBLE),
        RefusalReason::NoPorts | RefusalReason::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, Cause::TEMPORARY_FAILURE)
        }
        RefusalReason::Glare => (StatusCode::REQUEST_PENDING, Cause::TEMPORARY_FAILURE),
        RefusalReason::Unknown | RefusalReason::StaleEpoch | RefusalReason::NoPrompt => {
            (StatusCode::SERVER_INTERNAL_ERROR, Cause::TEMPORARY_FAILURE)
        }
    };
    Failure::ours(status, cause)
}

fn word(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::BadSdp => "bad-sdp",
        RefusalReason::NotAcceptable => "not-acceptable",
        RefusalReason::NoPorts => "no-ports",
        RefusalReason::Unavailable => "unavailable",
        RefusalReason::Unknown => "unknown",
        RefusalReason::Glare => "glare",
        RefusalReason::StaleEpoch => "stale-epoch",
        RefusalReason::NoPrompt => "no-prompt",
    }
}
