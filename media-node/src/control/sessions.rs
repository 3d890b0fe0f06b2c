//! Requests on sessions: decided by `media-core`, applied by a relay thread, answered when applied.

use std::time::Duration;

use media_core::latch::LatchPolicy;
use media_core::port_pool::PortPair;
use media_core::prompt::OutgoingStream;
use media_core::session::{Effect, Resources, Session};
use voip_contract::media::{
    FromMediaNode, LegStatistics, MediaNotice, MediaOperation, MediaOutcome, MediaRefusal, MediaReply,
    MediaRequest, RefusalReason,
};
use voip_contract::{CallId, Incarnation, LegId};
use voip_telemetry::metrics::Label;

use super::Control;
use super::link::LinkId;
use crate::engine::{Batch, Command, ThreadIndex, Work};

/// A session and where it lives.
pub(super) struct Entry {
    session: Session,
    thread: ThreadIndex,
    pub(super) owner: Incarnation,
    /// Its owner is gone.
    pub(super) orphaned: Option<Orphaned>,
    /// The newest that an owner has left for whoever must write it.
    pub(super) record: Option<Vec<u8>>,
    /// Legs whose prompts ended while nobody was there to be told; at most one entry per leg.
    pub(super) finished: Vec<LegId>,
}

/// When an owner was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orphaned {
    /// On the engine's clock.
    pub(super) since: Duration,
    /// Unix time.
    pub(super) at_ms: u64,
}

impl Entry {
    /// `owner` has spoken for it.
    pub(super) fn owned_by(&mut self, owner: Incarnation) {
        self.owner = owner;
        self.orphaned = None;
    }
}

/// What is to be done once a relay thread has applied a batch.
pub(super) struct Pending {
    /// Their sockets are closed then.
    closed: Vec<PortPair>,
    /// Who waits for the answer.
    reply: Option<(LinkId, MediaReply)>,
}

impl Control {
    pub(super) fn request(&mut self, link: LinkId, mut request: MediaRequest) {
        let Some(owner) = self.peers.owner(link) else {
            return tracing::warn!("a sip-node asks before it has said who it is");
        };
        let mut effects = Vec::new();
        let record = request.record.take();
        let result = self.decide(owner, &request, &mut effects);
        if let (Ok(_), Some(_), Some(entry)) = (&result, &record, self.sessions.get_mut(&request.session)) {
            entry.record = record;
        }
        self.figures.requests.increment(&[Label::Word(outcome_word(&result))]);
        if let Err(MediaRefusal { reason, detail }) = &result {
            tracing::debug!(session = %request.session, ?reason, detail, "request refused");
        }
        let reply = MediaReply { ticket: request.ticket, session: request.session, result };
        if effects.is_empty() {
            self.send(link, FromMediaNode::Reply(reply));
        } else {
            self.carry_out(request.session, effects, Some((link, reply)));
        }
        self.forget_ended(request.session);
    }

    fn decide(
        &mut self,
        owner: Incarnation,
        request: &MediaRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        if !self.sessions.contains_key(&request.session) {
            match request.operation {
                MediaOperation::Release => return Ok(MediaOutcome::default()),
                ref operation if Session::begins_with(operation) => self.begin(owner, request)?,
                _ => return Err(refusal(RefusalReason::Unknown, "there is no such session")),
            }
        }
        let Self { sessions, ports, addresses, prompts, .. } = self;
        let entry = sessions
            .get_mut(&request.session)
            .ok_or_else(|| refusal(RefusalReason::Unknown, "there is no such session"))?;
        let has_prompt = |name: &str| prompts.get(name).is_some();
        let mut resources = Resources { ports, addresses, has_prompt: &has_prompt };
        let result = entry.session.handle(request, &mut resources, effects);
        // A refused owner has no say, whatever else is refused was asked by who may ask.
        if !matches!(&result, Err(MediaRefusal { reason: RefusalReason::StaleEpoch, .. })) {
            entry.owned_by(owner);
        }
        result
    }

    fn begin(&mut self, owner: Incarnation, request: &MediaRequest) -> Result<(), MediaRefusal> {
        if self.drain.is_on() {
            return Err(refusal(RefusalReason::Unavailable, "the node is draining"));
        }
        // A session has a leg at least, so that ports bound the table.
        if self.sessions.len() >= self.ports.capacity() {
            return Err(refusal(RefusalReason::Unavailable, "the table of sessions is full"));
        }
        let session = Session::new(request.session, request.epoch);
        let thread = self.engine.place();
        let entry = Entry { session, thread, owner, orphaned: None, record: None, finished: Vec::new() };
        self.sessions.insert(request.session, entry);
        Ok(())
    }

    /// A session that was released, or whose first request was refused, is no longer held.
    fn forget_ended(&mut self, id: CallId) {
        let ended = |entry: &Entry| entry.session.has_ended() || entry.session.legs().next().is_none();
        if self.sessions.get(&id).is_some_and(ended)
            && let Some(entry) = self.sessions.remove(&id)
        {
            self.engine.displace(entry.thread);
        }
    }

    /// Ends a session that nobody wants, without an answer to anybody.
    pub(super) fn free(&mut self, id: CallId) {
        let Some(entry) = self.sessions.get(&id) else { return };
        let effects: Vec<_> =
            entry.session.legs().map(|(leg, pair)| Effect::CloseLeg { leg, rtp_port: pair.rtp() }).collect();
        self.carry_out(id, effects, None);
        if let Some(entry) = self.sessions.remove(&id) {
            self.engine.displace(entry.thread);
        }
    }

    fn carry_out(&mut self, id: CallId, effects: Vec<Effect>, reply: Option<(LinkId, MediaReply)>) {
        let Some(thread) = self.sessions.get(&id).map(|entry| entry.thread) else { return };
        let closes = |effect: &Effect| match effect {
            Effect::CloseLeg { rtp_port, .. } => PortPair::new(*rtp_port),
            _ => None,
        };
        let closed = effects.iter().filter_map(closes).collect();
        let commands = effects.into_iter().filter_map(|effect| self.command(effect)).collect();
        self.next_token += 1;
        self.pending.insert(self.next_token, Pending { closed, reply });
        self.engine
            .submit(thread, Batch { token: self.next_token, session: id, work: Work::Commands(commands) });
    }

    fn command(&mut self, effect: Effect) -> Option<Command> {
        Some(match effect {
            Effect::OpenLeg { leg, rtp_port, .. } => {
                let (rtp, rtcp) = self.ports.sockets(PortPair::new(rtp_port)?)?;
                Command::Open { leg, rtp, rtcp, stream: random_stream() }
            }
            Effect::SetRemote { leg, rtcp, latch, receives, clock_rate, .. } => {
                let rtcp = LatchPolicy { signalled: rtcp, source: latch.source };
                Command::SetRemote { leg, rtp: latch, rtcp, receives, clock_rate }
            }
            Effect::Route { from, to } => Command::Route { from, to },
            Effect::Unroute { from } => Command::Unroute { from },
            Effect::Echo { leg } => Command::Echo { leg },
            Effect::Play { leg, play, prompt, law, payload_type, repeat } => {
                let prompt = self.prompts.get(&prompt)?.clone();
                Command::Play { leg, play, prompt, law, payload_type, repeat }
            }
            Effect::StopPlay { leg } => Command::StopPlay { leg },
            Effect::CloseLeg { leg, .. } => Command::Close { leg },
        })
    }

    /// A relay thread has done it: its sockets are closed, its statistics final.
    pub(super) fn applied(&mut self, token: u64, statistics: Vec<LegStatistics>) {
        let Some(Pending { closed, reply }) = self.pending.remove(&token) else { return };
        for pair in closed {
            self.ports.release(pair);
        }
        let Some((link, mut reply)) = reply else { return };
        if let Ok(outcome) = &mut reply.result {
            outcome.statistics = statistics;
        }
        self.send(link, FromMediaNode::Reply(reply));
    }

    /// The notice comes after the relay was told what the leg hears next.
    pub(super) fn play_finished(&mut self, id: CallId, leg: LegId, play: u32) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        let mut effects = Vec::new();
        if !entry.session.play_finished(leg, play, &mut effects) {
            return;
        }
        let owner = entry.owner;
        if !effects.is_empty() {
            self.carry_out(id, effects, None);
        }
        match self.peers.link_to(owner) {
            Some(link) => {
                self.send(link, FromMediaNode::Notice(MediaNotice::PlayFinished { session: id, leg }));
            }
            None => self.remember_finished(id, leg),
        }
    }

    /// Whoever claims the session is told, or its caller would wait for ever.
    fn remember_finished(&mut self, id: CallId, leg: LegId) {
        if let Some(entry) = self.sessions.get_mut(&id)
            && !entry.finished.contains(&leg)
        {
            entry.finished.push(leg);
        }
    }
}

fn refusal(reason: RefusalReason, detail: &str) -> MediaRefusal {
    MediaRefusal { reason, detail: detail.to_owned() }
}

/// Random as RFC 3550 asks (sections 5.1 and 8). Without a random source the numbers are poor, the call is not.
fn random_stream() -> OutgoingStream {
    let random = || getrandom::u32().unwrap_or(0x5eed);
    let [sequence_high, sequence_low, ..] = random().to_ne_bytes();
    OutgoingStream {
        ssrc: random(),
        sequence: u16::from_be_bytes([sequence_high, sequence_low]),
        timestamp: random(),
    }
}

fn outcome_word(result: &Result<MediaOutcome, MediaRefusal>) -> &'static str {
    let Err(refusal) = result else { return "ok" };
    match refusal.reason {
        RefusalReason::BadSdp => "bad_sdp",
        RefusalReason::NotAcceptable => "not_acceptable",
        RefusalReason::NoPorts => "no_ports",
        RefusalReason::Unavailable => "unavailable",
        RefusalReason::Unknown => "unknown",
        RefusalReason::Glare => "glare",
        RefusalReason::StaleEpoch => "stale_epoch",
        RefusalReason::NoPrompt => "no_prompt",
    }
}
