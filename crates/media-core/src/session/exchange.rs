//! Offers and answers: one exchange at a time, committed by its final answer or rolled back.

use std::collections::BTreeMap;

use voip_contract::media::{LegSpec, MediaOutcome, MediaRefusal, RefusalReason};
use voip_contract::{Generation, LegId};

use super::state::{Exchange, Given, Sound, State, Talk};
use super::{Resources, refusal};
use crate::g711::Law;
use crate::offer_answer::{self, Body, BodyError, answered};
use crate::sdp::{Codec, Direction};

impl From<BodyError> for MediaRefusal {
    fn from(error: BodyError) -> Self {
        refusal(error.reason(), error.to_string())
    }
}

impl State {
    pub(super) fn offer(
        &mut self,
        generation: Generation,
        from: &LegSpec,
        to: &LegSpec,
        sdp: &[u8],
        resources: &mut Resources<'_>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        if from.leg == to.leg {
            return Err(refusal(RefusalReason::Unknown, "an offer to the leg that makes it"));
        }
        let body = Body::offer(sdp, self.known_layout(from.leg))?;
        let begun = self.may_offer(generation, from.leg, to.leg, body.fingerprint())?;
        let before = self.legs.iter().map(|(id, leg)| (*id, leg.talk.clone())).collect();
        self.ensure_leg(from, resources)?;
        self.ensure_leg(to, resources)?;
        let bound = self.bound_codecs(from.leg, to.leg, body.fingerprint());
        let offered = passed_on(&body, bound.as_deref())?;
        let last = self.legs.get(&from.leg).and_then(|leg| leg.talk.heard);
        if !begun {
            self.begin(generation, from, &body, before);
        }
        let target = self.leg_mut(to.leg)?;
        target.talk.source = to.source;
        let (layout, place) = (&target.talk.layout, target.place());
        let mut passed = offer_answer::relay(&body, layout, place, body.direction(), Some(&offered));
        target.origin.stamp(&mut passed, place.address);
        if let Some(exchange) = &mut self.exchange {
            exchange.branches.insert(to.leg, offered);
        }
        let sdp = Some(passed.to_bytes());
        Ok(MediaOutcome { sdp, facts: Some(body.facts(last)), ..MediaOutcome::default() })
    }

    /// Whether the offer adds a branch to the open exchange (true) or begins one (false).
    fn may_offer(
        &mut self,
        generation: Generation,
        from: LegId,
        to: LegId,
        fingerprint: u64,
    ) -> Result<bool, MediaRefusal> {
        if let Some(open) = &mut self.exchange {
            let same =
                open.generation == generation && open.from == from && open.pending.heard == Some(fingerprint);
            if same && !open.branches.contains_key(&to) {
                open.epoch = self.epoch;
                return Ok(true);
            }
            // An owner that took over need not know what its predecessor had open; all branches gone is an end too.
            let forsaken = self.epoch > open.epoch || (open.from == from && open.branches.is_empty());
            let (open, kept) = (open.generation, open.from);
            if !forsaken {
                return Err(refusal(RefusalReason::Glare, format!("exchange {} is open", open.0)));
            }
            self.abandon(open, Some(kept).filter(|kept| *kept == from));
        }
        self.is_new(generation).map(|()| false)
    }

    fn begin(&mut self, generation: Generation, from: &LegSpec, body: &Body, before: BTreeMap<LegId, Talk>) {
        let Some(leg) = self.legs.get(&from.leg) else { return };
        let pending = Talk {
            source: from.source,
            layout: body.layout().clone(),
            heard: Some(body.fingerprint()),
            remote: body.remote(from.source),
            ..leg.talk.clone()
        };
        let epoch = self.epoch;
        self.exchange =
            Some(Exchange { generation, epoch, from: from.leg, pending, branches: BTreeMap::new(), before });
    }

    pub(super) fn answer(
        &mut self,
        generation: Generation,
        from: &LegSpec,
        to: &LegSpec,
        sdp: &[u8],
        provisional: bool,
    ) -> Result<MediaOutcome, MediaRefusal> {
        let none = || {
            refusal(
                RefusalReason::Unknown,
                format!("no offer {} to leg {} is open", generation.0, from.leg.0),
            )
        };
        let open = self.exchange.as_ref().filter(|open| open.generation == generation && open.from == to.leg);
        let open = open.ok_or_else(none)?;
        let offered = open.branches.get(&from.leg).ok_or_else(none)?.clone();
        let mut asked = open.pending.clone();
        asked.source = to.source;
        let leg = self.legs.get(&from.leg).ok_or_else(none)?;
        let body = Body::answer(sdp, &leg.talk.layout, &offered)?;
        let facts = body.facts(leg.talk.heard);

        let wanted = asked.remote.as_ref().map_or(Direction::SendRecv, |remote| remote.direction);
        let direction = answered(wanted, body.direction());
        let asker = self.leg_mut(to.leg)?;
        let place = asker.place();
        let mut passed = offer_answer::relay(&body, &asked.layout, place, direction, Some(&offered));
        asker.origin.stamp(&mut passed, place.address);
        let told = common(body.codecs(), &offered);
        asker.given = asked.heard.map(|offer| Given { offer, codecs: told.clone() });
        asker.talk = Talk { told, peer: Some(from.leg), ..asked };
        asker.sound = Sound::Peer;

        let answerer = self.leg_mut(from.leg)?;
        answerer.talk = Talk {
            source: from.source,
            layout: body.layout().clone(),
            heard: Some(body.fingerprint()),
            told: offered,
            remote: body.remote(from.source),
            peer: Some(to.leg),
        };
        answerer.sound = Sound::Peer;
        self.part(from.leg, Some(to.leg));
        self.part(to.leg, Some(from.leg));
        if !provisional {
            self.settle(generation);
        }
        Ok(MediaOutcome { sdp: Some(passed.to_bytes()), facts: Some(facts), ..MediaOutcome::default() })
    }

    pub(super) fn answer_locally(
        &mut self,
        generation: Generation,
        spec: &LegSpec,
        sdp: &[u8],
        resources: &mut Resources<'_>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        let body = Body::offer(sdp, self.known_layout(spec.leg))?;
        if let Some(open) = &self.exchange {
            let forsaken = self.epoch > open.epoch || (open.from == spec.leg && open.branches.is_empty());
            let open = open.generation;
            if !forsaken {
                return Err(refusal(RefusalReason::Glare, format!("exchange {} is open", open.0)));
            }
            self.abandon(open, Some(spec.leg));
        }
        self.is_new(generation)?;
        self.ensure_leg(spec, resources)?;
        self.part(spec.leg, None);
        let leg = self.leg_mut(spec.leg)?;
        let given = leg.given.as_ref().filter(|given| given.offer == body.fingerprint());
        let allowed =
            |law: &Law| given.is_none_or(|given| given.codecs.iter().any(|c| c.law() == Some(*law)));
        let laws: Vec<Law> = [Law::Ulaw, Law::Alaw].into_iter().filter(allowed).collect();
        let place = leg.place();
        let mut answer = offer_answer::answer_locally(&body, place, &laws, Direction::SendRecv)?;
        leg.origin.stamp(&mut answer.description, place.address);
        let facts = body.facts(leg.talk.heard);
        leg.given = Some(Given { offer: body.fingerprint(), codecs: answer.codecs.clone() });
        leg.talk = Talk {
            source: spec.source,
            layout: body.layout().clone(),
            heard: Some(body.fingerprint()),
            told: answer.codecs,
            remote: body.remote(spec.source),
            peer: None,
        };
        leg.refit_prompt();
        self.settle(generation);
        let sdp = Some(answer.description.to_bytes());
        Ok(MediaOutcome { sdp, facts: Some(facts), ..MediaOutcome::default() })
    }

    /// As if the offer had not been made; nothing when no exchange of this number is open.
    pub(super) fn roll_back(&mut self, generation: Generation) {
        self.abandon(generation, None);
    }

    /// Rolls back, but keeps the leg `kept` even when the exchange made it.
    fn abandon(&mut self, generation: Generation, kept: Option<LegId>) {
        let Some(exchange) = self.exchange.take_if(|open| open.generation == generation) else { return };
        self.journal.forget(generation);
        self.legs.retain(|id, leg| {
            let before = exchange.before.get(id);
            if let Some(talk) = before.filter(|talk| talk.remote.is_some() || leg.talk.remote.is_none()) {
                leg.talk = talk.clone();
                return true;
            }
            // A peer that was given its first answer goes on sending to the port named there.
            leg.talk.peer = None;
            before.is_some() || leg.given.is_some() || kept == Some(*id)
        });
    }

    fn settle(&mut self, generation: Generation) {
        self.settled = Some((self.epoch, generation));
        self.exchange = None;
    }

    fn is_new(&self, generation: Generation) -> Result<(), MediaRefusal> {
        if self.settled.is_none_or(|settled| (self.epoch, generation) > settled) {
            return Ok(());
        }
        Err(refusal(RefusalReason::Unknown, format!("exchange {} is over", generation.0)))
    }

    fn known_layout(&self, leg: LegId) -> Option<&offer_answer::Layout> {
        self.legs.get(&leg).and_then(|leg| leg.talk.known_layout())
    }

    /// Codecs to which `from` was bound when this very offer of it was answered before; they bind a leg that joins now,
    /// for `from` will not be asked again.
    fn bound_codecs(&self, from: LegId, to: LegId, offer: u64) -> Option<Vec<Codec>> {
        let given = self.legs.get(&from)?.given.as_ref().filter(|given| given.offer == offer)?;
        let joins = self.legs.get(&to)?.talk.remote.is_none();
        joins.then(|| given.codecs.clone())
    }
}

/// The codecs of an offer that are passed on.
fn passed_on(body: &Body, bound: Option<&[Codec]>) -> Result<Vec<Codec>, MediaRefusal> {
    let codecs = bound.map_or_else(|| body.codecs().to_vec(), |bound| common(body.codecs(), bound));
    if codecs.iter().any(Codec::is_speech) {
        return Ok(codecs);
    }
    Err(refusal(RefusalReason::NotAcceptable, "no codec of the offer is one that its sender was bound to"))
}

/// Those of `codecs` that are among `others`; what is no speech stays.
fn common(codecs: &[Codec], others: &[Codec]) -> Vec<Codec> {
    codecs.iter().filter(|c| !c.is_speech() || others.iter().any(|o| o.is_same_coding(c))).cloned().collect()
}
