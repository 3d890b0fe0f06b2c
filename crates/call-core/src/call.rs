//! A call: a B2BUA with a caller's leg and one branch at a time. This file holds what a call is; each file beneath
//! holds one thing that it does.
//!
//! The order of a call: authenticated by `switch`, [`begin`] routes it, [`script`] carries out its actions, [`dial`]
//! finds the callee, [`branch`] invites a contact and hands its progress on, [`accept`] takes its 200 to the caller,
//! [`modify`] exchanges re-INVITEs, [`within`] serves what else comes inside the dialogs, [`end`] ends it.

mod accept;
mod begin;
mod branch;
mod dial;
mod end;
mod media;
mod messages;
mod modify;
pub(crate) mod record;
mod script;
mod within;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sip_core::{ClientKey, Instant, Message, ServerKey, StatusCode};
use voip_contract::config::UserDocument;
use voip_contract::{CallId, Generation, LegId, NodeName};

use crate::cause::Cause;
use crate::state::{Binding, Call, Leg, MediaPlace};
use crate::store::StoreRequest;
use crate::timers::TimerKey;
use crate::turn::{Checkpoint, Session, StoreWaiter, Turn};

pub(crate) use begin::begin;
pub(crate) use end::Ending;

/// The caller's leg.
pub(crate) const CALLER: LegId = LegId(0);

/// A call and what only its owner's memory holds of it.
pub(crate) struct ActiveCall {
    /// What the store holds.
    pub(crate) value: Call,
    caller: Caller,
    stage: Stage,
    /// The one offer/answer exchange inside the confirmed dialogs: a lock over both legs.
    modify: Option<modify::Modify>,
    /// INFO requests on their way to the other leg.
    passing: Vec<within::Passing>,
    /// The best of what the callees said so far.
    failure: Option<Failure>,
    /// Users whose call count this call is in.
    occupied: Vec<String>,
    /// A media-node that refused the call: another one is tried, once.
    refused_by: Option<NodeName>,
    next_leg: u32,
}

/// What only memory holds of the caller's leg.
struct Caller {
    /// The INVITE with its transaction, while it has no final response.
    invite: Option<(ServerKey, Message)>,
    shown: messages::Shown,
    /// The transaction of a 2xx that is not acknowledged.
    unacknowledged: Option<ServerKey>,
    /// The 200 that answers the call, while it is being written.
    answer: Option<Message>,
    /// The last provisional response that was relayed, and the timer that repeats it.
    progress: Option<(Message, TimerKey)>,
    /// Runs while the INVITE has no final response, when its Expires says how long it holds.
    expiry: Option<TimerKey>,
    user: Arc<UserDocument>,
}

/// What a call is at.
enum Stage {
    /// Between two actions.
    Routing,
    /// The store looks the callee up.
    Locating(Dial),
    /// A branch is invited.
    Dialing(Box<Branch>),
    /// media-node makes our own answer, or the store writes it.
    Answering,
    /// A prompt is played.
    Prompting,
    /// The caller hears itself.
    Echoing,
    /// Caller and that leg hear each other.
    Connected(LegId),
    /// Over, but for the statistics of its media; `closed`: these too.
    Ended { closed: bool },
}

/// A `dial` action that runs.
struct Dial {
    callee: Arc<UserDocument>,
    /// When the ringing ends, whoever rings.
    until: Instant,
    /// Contacts that were not tried.
    candidates: VecDeque<Binding>,
}

/// One contact that is tried.
struct Branch {
    dial: Dial,
    leg: LegId,
    binding: Binding,
    generation: Generation,
    step: BranchStep,
    /// The INVITE was sent without a body: the callee offers, the caller answers in its ACK.
    late: bool,
    invite: Option<(ClientKey, Message)>,
    ring: Option<TimerKey>,
    /// A 2xx that waits for its ACK, because the ACK is to carry the caller's answer.
    unacknowledged: Option<ClientKey>,
    /// An answer that came early.
    early_answer: Option<Bytes>,
}

/// What a branch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BranchStep {
    /// media-node makes the offer.
    Offering,
    /// The store writes the call.
    Saving,
    /// The callee rings.
    Inviting,
    /// media-node takes the answer.
    Answering,
    /// The store writes the answered call.
    Accepting,
    /// The caller has the callee's offer, and acknowledges with an answer.
    Unacknowledged,
    /// media-node takes the caller's answer.
    Acknowledging,
}

/// How a branch failed, or the call would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    status: StatusCode,
    cause: Cause,
    /// The callee said so.
    by_callee: bool,
}

impl Failure {
    fn ours(status: StatusCode, cause: Cause) -> Self {
        Self { status, cause, by_callee: false }
    }

    /// The better of two to tell the caller (RFC 3261 section 16.7 step 6): 6xx, then the lowest class; within 4xx
    /// what a person decided counts more than that somebody was not there.
    fn rank(self) -> (u16, bool) {
        let class = match self.status.code() / 100 {
            6 => 0,
            class => class,
        };
        (class, matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE))
    }
}

impl ActiveCall {
    pub(crate) fn id(&self) -> CallId {
        self.value.id
    }

    /// Whether it has not ended.
    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    /// Where its media is.
    pub(crate) fn media_place(&self) -> Option<&MediaPlace> {
        self.value.media.as_ref()
    }

    fn is_answered(&self) -> bool {
        self.value.record.answered_at_ms.is_some()
    }

    fn leg(&self, id: LegId) -> Option<&Leg> {
        self.value.legs.iter().find(|leg| leg.id == id)
    }

    fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.value.legs.iter_mut().find(|leg| leg.id == id)
    }

    /// The leg that `leg` talks with; none while media-node is the other side.
    fn other_leg(&self, leg: LegId) -> Option<LegId> {
        match self.stage {
            Stage::Connected(peer) => Some(if leg == CALLER { peer } else { CALLER }),
            _ => None,
        }
    }

    fn next_generation(&mut self) -> Generation {
        self.value.generation = Generation(self.value.generation.0.saturating_add(1));
        self.value.generation
    }

    fn session(&self) -> Option<Session> {
        let place = self.value.media.as_ref()?;
        Some(Session {
            call: self.value.id,
            epoch: self.value.epoch,
            node: place.node.clone(),
            record: self.value.record.clone(),
        })
    }

    /// Writes the call, and goes on at `checkpoint` once it is written.
    fn save_then(&self, turn: &mut Turn, checkpoint: Checkpoint) {
        turn.store(
            StoreWaiter::Saved(self.id(), checkpoint),
            StoreRequest::PutCall(Box::new(self.value.clone())),
        );
    }

    /// Writes the call; it goes on meanwhile.
    fn save(&self, turn: &mut Turn) {
        turn.store(StoreWaiter::Nobody, StoreRequest::PutCall(Box::new(self.value.clone())));
    }

    /// The call is written, or the store does not answer: calls go on without it.
    pub(crate) fn saved(&mut self, turn: &mut Turn, checkpoint: Checkpoint) {
        match checkpoint {
            Checkpoint::Invite(leg) => self.invite_branch(turn, leg),
            Checkpoint::Accept(leg) => self.pass_answer_on(turn, leg),
            Checkpoint::Local => self.answer_caller(turn),
            Checkpoint::Modify(generation) => self.pass_modify_on(turn, generation),
        }
    }
}
