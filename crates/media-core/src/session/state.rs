//! The plain values of a session. Everything here is in its snapshot.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use voip_contract::media::{LegSpec, MediaRefusal, RefusalReason};
use voip_contract::{CallId, Epoch, Generation, LegId};

use super::journal::Journal;
use super::{Resources, SNAPSHOT_VERSION, refusal};
use crate::g711::Law;
use crate::offer_answer::{Layout, LocalOrigin, Place, Remote, fingerprint_of};
use crate::port_pool::PortPair;
use crate::sdp::Codec;

/// Legs that a session holds at a time.
pub const MAX_LEGS: usize = 16;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) version: u32,
    pub(super) session: CallId,
    pub(super) epoch: Epoch,
    /// The exchange that was completed last, with the epoch of its owner. What follows is higher.
    pub(super) settled: Option<(Epoch, Generation)>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) exchange: Option<Exchange>,
    pub(super) journal: Journal,
    pub(super) plays: u32,
    pub(super) ended: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Leg {
    pub(super) pair: PortPair,
    pub(super) address: IpAddr,
    pub(super) origin: LocalOrigin,
    pub(super) talk: Talk,
    pub(super) given: Option<Given>,
    pub(super) sound: Sound,
    /// Epoch and ticket of the last `Play` served.
    pub(super) last_play: Option<(Epoch, u64)>,
}

/// What was agreed with a leg: this is what a rollback restores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Talk {
    /// Where its signaling comes from.
    pub(super) source: IpAddr,
    pub(super) layout: Layout,
    /// Fingerprint of the last body that came from it.
    pub(super) heard: Option<u64>,
    /// Codecs in the last body that it was sent.
    pub(super) told: Vec<Codec>,
    pub(super) remote: Option<Remote>,
    pub(super) peer: Option<LegId>,
}

/// The answer that a leg's offer got. It binds whoever is joined to that leg without a new offer from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Given {
    /// Fingerprint of the offer.
    pub(super) offer: u64,
    pub(super) codecs: Vec<Codec>,
}

/// What a leg hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Sound {
    /// Its peer, if it has one.
    Peer,
    /// Itself.
    Echo,
    /// A prompt.
    Prompt(Prompt),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Prompt {
    pub(super) play: u32,
    pub(super) name: String,
    pub(super) repeat: u32,
    pub(super) law: Law,
    pub(super) payload_type: u8,
}

/// An offer without its final answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) generation: Generation,
    pub(super) epoch: Epoch,
    pub(super) from: LegId,
    /// What the offer will have agreed with `from` once it is answered.
    pub(super) pending: Talk,
    /// Whom it was passed on to, with the codecs passed on.
    pub(super) branches: BTreeMap<LegId, Vec<Codec>>,
    /// All legs as they were. One that is missing was made by this exchange.
    pub(super) before: BTreeMap<LegId, Talk>,
}

impl State {
    pub(super) fn new(session: CallId, epoch: Epoch) -> Self {
        Self {
            version: SNAPSHOT_VERSION,
            session,
            epoch,
            settled: None,
            legs: BTreeMap::new(),
            exchange: None,
            journal: Journal::default(),
            plays: 0,
            ended: false,
        }
    }

    /// Makes the leg when it is not there.
    pub(super) fn ensure_leg(
        &mut self,
        spec: &LegSpec,
        resources: &mut Resources<'_>,
    ) -> Result<(), MediaRefusal> {
        if self.legs.contains_key(&spec.leg) {
            return Ok(());
        }
        if self.legs.len() >= MAX_LEGS {
            return Err(refusal(RefusalReason::Unavailable, format!("the session has {MAX_LEGS} legs")));
        }
        let address = resources.addresses.for_peer(spec.source);
        let address =
            address.ok_or_else(|| refusal(RefusalReason::Unavailable, "no address to tell a peer"))?;
        let pair = resources.ports.take(address);
        let pair = pair.ok_or_else(|| refusal(RefusalReason::NoPorts, "no RTP port is free"))?;
        let id = fingerprint_of(&[&self.session.0.to_be_bytes(), &spec.leg.0.to_be_bytes()]);
        let leg = Leg {
            pair,
            address,
            origin: LocalOrigin::new(id),
            talk: Talk::new(spec.source),
            given: None,
            sound: Sound::Peer,
            last_play: None,
        };
        self.legs.insert(spec.leg, leg);
        Ok(())
    }

    /// A leg that there must be.
    pub(super) fn leg_mut(&mut self, leg: LegId) -> Result<&mut Leg, MediaRefusal> {
        let unknown = || refusal(RefusalReason::Unknown, format!("there is no leg {}", leg.0));
        self.legs.get_mut(&leg).ok_or_else(unknown)
    }

    /// Removes a leg; the others remain as they are, without it.
    pub(super) fn drop_leg(&mut self, leg: LegId) {
        self.legs.remove(&leg);
        self.journal.forget_leg(leg);
        self.part(leg, None);
        let Some(exchange) = &mut self.exchange else { return };
        exchange.branches.remove(&leg);
        exchange.before.remove(&leg);
        exchange.before.values_mut().filter(|talk| talk.peer == Some(leg)).for_each(|talk| talk.peer = None);
        if exchange.from == leg {
            let generation = exchange.generation;
            self.roll_back(generation);
        }
    }

    /// Nobody but `with` has `leg` as its peer any more.
    pub(super) fn part(&mut self, leg: LegId, with: Option<LegId>) {
        let others = self.legs.iter_mut().filter(|(id, _)| Some(**id) != with);
        others
            .filter(|(_, other)| other.talk.peer == Some(leg))
            .for_each(|(_, other)| other.talk.peer = None);
    }

    /// The ports of legs that `other` does not have.
    pub(super) fn ports_beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PortPair> + 'a {
        let is_new = |id: &LegId, leg: &Leg| other.legs.get(id).is_none_or(|known| known.pair != leg.pair);
        self.legs.iter().filter(move |(id, leg)| is_new(id, leg)).map(|(_, leg)| leg.pair)
    }
}

impl Leg {
    pub(super) fn place(&self) -> Place {
        Place { address: self.address, port: self.pair.rtp() }
    }

    /// The first codec that it takes and was told of, by preference of its own, that `fits`.
    pub(super) fn agreed(&self, fits: impl Fn(&Codec) -> bool) -> Option<&Codec> {
        let told = &self.talk.told;
        let codecs = self.talk.remote.iter().flat_map(|remote| &remote.codecs);
        codecs.filter(|codec| told.iter().any(|t| t.is_same_coding(codec))).find(|codec| fits(codec))
    }
}

impl Leg {
    /// The law and payload type in which a prompt reaches the leg.
    pub(super) fn prompt_codec(&self) -> Option<(Law, u8)> {
        let codec = self.agreed(|codec| codec.law().is_some())?;
        Some((codec.law()?, codec.payload_type))
    }

    /// A new exchange may have changed the codec under a prompt that plays.
    pub(super) fn refit_prompt(&mut self) {
        let codec = self.prompt_codec();
        if let (Sound::Prompt(prompt), Some((law, payload_type))) = (&mut self.sound, codec) {
            prompt.law = law;
            prompt.payload_type = payload_type;
        }
    }
}

impl Talk {
    pub(super) fn new(source: IpAddr) -> Self {
        Self { source, layout: Layout::default(), heard: None, told: Vec::new(), remote: None, peer: None }
    }

    /// An exchange of some kind has named its media sections.
    pub(super) fn known_layout(&self) -> Option<&Layout> {
        (self.heard.is_some() || !self.told.is_empty()).then_some(&self.layout)
    }
}
