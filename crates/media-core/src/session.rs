//! The control state of one call's media: requests in, replies and effects out.
//!
//! It must not know sockets, threads or files. Whoever runs the effects owns those. A request that is refused
//! changes nothing but the epoch.

use std::collections::BTreeSet;

use thiserror::Error;
use voip_contract::media::{
    MediaOperation, MediaOutcome, MediaRefusal, MediaRequest, MediaSnapshot, RefusalReason,
};
use voip_contract::{CallId, Epoch, LegId};

use crate::port_pool::PortPair;
use state::{Sound, State};

mod effect;
mod exchange;
mod journal;
mod sound;
mod state;
#[cfg(test)]
mod tests;
mod wiring;

pub use effect::{Addresses, Effect, Ports, Resources};
pub use state::MAX_LEGS;

/// The version of the snapshots that this release writes and reads.
pub const SNAPSHOT_VERSION: u32 = 1;

/// A snapshot from which no session can be rebuilt.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// It is empty: the session had ended.
    #[error("the snapshot is empty: its session has ended")]
    Ended,
    /// It is no snapshot.
    #[error("reading the snapshot of a session: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another version than [`SNAPSHOT_VERSION`].
    #[error("the snapshot has version {0}, expected {SNAPSHOT_VERSION}")]
    Version(u32),
}

/// The media of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    state: State,
}

impl Session {
    /// A session without legs. An [`MediaOperation::Offer`] or [`MediaOperation::AnswerLocally`] makes them.
    pub fn new(session: CallId, epoch: Epoch) -> Self {
        Self { state: State::new(session, epoch) }
    }

    /// True for the operations that make a session that is not there yet.
    pub fn begins_with(operation: &MediaOperation) -> bool {
        matches!(operation, MediaOperation::Offer { .. } | MediaOperation::AnswerLocally { .. })
    }

    /// Serves a request. `effects` gets what the relay is to do; nothing when the request is refused or repeated.
    ///
    /// The statistics of the reply are left empty: they belong to the relay, which adds those of each leg that
    /// [`Effect::CloseLeg`] names.
    pub fn handle(
        &mut self,
        request: &MediaRequest,
        resources: &mut Resources<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        if request.epoch < self.state.epoch {
            let detail = format!("epoch {} has spoken, this is {}", self.state.epoch.0, request.epoch.0);
            return Err(MediaRefusal { reason: RefusalReason::StaleEpoch, detail });
        }
        self.state.epoch = request.epoch;
        if let Some(outcome) = self.state.journal.find(request) {
            return Ok(MediaOutcome { snapshot: self.snapshot(), ..outcome });
        }
        let mut next = self.state.clone();
        let mut renewed = BTreeSet::new();
        match next.apply(request, resources, &mut renewed) {
            Ok(outcome) => {
                wiring::difference(&self.state, &next, &renewed, effects);
                self.state = next;
                self.state.journal.add(request, &outcome);
                Ok(MediaOutcome { snapshot: self.snapshot(), ..outcome })
            }
            Err(refusal) => {
                next.ports_beyond(&self.state).for_each(|pair| resources.ports.give_back(pair));
                Err(refusal)
            }
        }
    }

    /// The relay has played prompt `play` to its end: what its leg hears otherwise is routed again. False when the leg
    /// hears something else by now; nobody needs to be told then.
    pub fn play_finished(&mut self, leg: LegId, play: u32, effects: &mut Vec<Effect>) -> bool {
        let before = self.state.clone();
        match self.state.legs.get_mut(&leg) {
            Some(leg) if matches!(&leg.sound, Sound::Prompt(prompt) if prompt.play == play) => {
                leg.sound = Sound::Peer;
                wiring::difference(&before, &self.state, &BTreeSet::new(), effects);
                // The relay has stopped by itself.
                effects.retain(|effect| !matches!(effect, Effect::StopPlay { .. }));
                true
            }
            _ => false,
        }
    }

    /// From this any media-node rebuilds the session; empty once it has ended.
    pub fn snapshot(&self) -> MediaSnapshot {
        if self.state.ended {
            return MediaSnapshot::default();
        }
        // Maps have numbers as keys and bytes are written as text: nothing in it fails to serialise.
        MediaSnapshot(serde_json::to_vec(&self.state).unwrap_or_default())
    }

    /// The session that wrote `snapshot`, with the same ports.
    pub fn restore(snapshot: &MediaSnapshot) -> Result<Self, SnapshotError> {
        #[derive(serde::Deserialize)]
        struct Head {
            version: u32,
        }
        if snapshot.0.is_empty() {
            return Err(SnapshotError::Ended);
        }
        let head: Head = serde_json::from_slice(&snapshot.0)?;
        if head.version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(head.version));
        }
        Ok(Self { state: serde_json::from_slice(&snapshot.0)? })
    }

    /// What a relay that knows nothing of this session must do to carry it.
    pub fn resume(&self, effects: &mut Vec<Effect>) {
        let nothing = State::new(self.state.session, self.state.epoch);
        wiring::difference(&nothing, &self.state, &BTreeSet::new(), effects);
    }

    /// The call.
    pub fn id(&self) -> CallId {
        self.state.session
    }

    /// The highest epoch that has spoken.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch
    }

    /// Released: it takes nothing more.
    pub fn has_ended(&self) -> bool {
        self.state.ended
    }

    /// Its legs and their ports.
    pub fn legs(&self) -> impl Iterator<Item = (LegId, PortPair)> + '_ {
        self.state.legs.iter().map(|(id, leg)| (*id, leg.pair))
    }
}

impl State {
    fn apply(
        &mut self,
        request: &MediaRequest,
        resources: &mut Resources<'_>,
        renewed: &mut BTreeSet<LegId>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        if self.ended && request.operation != MediaOperation::Release {
            return Err(refusal(RefusalReason::Unknown, "the session has ended"));
        }
        match &request.operation {
            MediaOperation::Offer { from, to, sdp } => {
                self.offer(request.generation, from, to, sdp, resources)
            }
            MediaOperation::Answer { from, to, sdp, provisional } => {
                renewed.extend([from.leg, to.leg]);
                self.answer(request.generation, from, to, sdp, *provisional)
            }
            MediaOperation::Rollback => {
                self.roll_back(request.generation);
                Ok(MediaOutcome::default())
            }
            MediaOperation::AnswerLocally { leg, sdp } => {
                renewed.insert(leg.leg);
                self.answer_locally(request.generation, leg, sdp, resources)
            }
            MediaOperation::Play { leg, prompt, repeat } => {
                self.play(*leg, prompt, *repeat, request.ticket, resources)
            }
            MediaOperation::Echo { leg } => self.echo(*leg),
            MediaOperation::Drop { leg } => {
                self.drop_leg(*leg);
                Ok(MediaOutcome::default())
            }
            MediaOperation::Release => {
                *self = Self { ended: true, ..Self::new(self.session, self.epoch) };
                Ok(MediaOutcome::default())
            }
        }
    }
}

fn refusal(reason: RefusalReason, detail: impl Into<String>) -> MediaRefusal {
    MediaRefusal { reason, detail: detail.into() }
}
