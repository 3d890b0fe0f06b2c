//! What the relay must do to get from one state to another.

use std::collections::BTreeSet;

use voip_contract::LegId;

use super::effect::Effect;
use super::state::{Leg, Prompt, Sound, State};
use crate::latch::LatchPolicy;
use crate::offer_answer::receives;
use crate::sdp::Codec;

#[derive(PartialEq, Eq, Clone, Copy)]
enum Forward {
    Back,
    To(LegId),
}

/// Ends first, then what begins; `renewed` legs are told their remote even when it is as before.
pub(super) fn difference(old: &State, new: &State, renewed: &BTreeSet<LegId>, out: &mut Vec<Effect>) {
    stop(old, new, out);
    for (id, leg) in old.legs.iter().filter(|(id, leg)| !lives_on(leg, new.legs.get(id))) {
        out.push(Effect::CloseLeg { leg: *id, rtp_port: leg.pair.rtp() });
    }
    for (id, leg) in &new.legs {
        let known = old.legs.get(id).filter(|known| lives_on(known, Some(leg)));
        if known.is_none() {
            let (rtp_port, rtcp_port) = (leg.pair.rtp(), leg.pair.rtcp());
            out.push(Effect::OpenLeg { leg: *id, rtp_port, rtcp_port, address: leg.address });
        }
        let remote = set_remote(*id, leg);
        if renewed.contains(id) || known.and_then(|known| set_remote(*id, known)) != remote {
            out.extend(remote);
        }
    }
    start(old, new, out);
}

fn lives_on(leg: &Leg, other: Option<&Leg>) -> bool {
    other.is_some_and(|other| other.pair == leg.pair)
}

/// The leg of the same name in `state`, when it is the same leg.
fn same<'a>(id: LegId, leg: &Leg, state: &'a State) -> Option<&'a Leg> {
    state.legs.get(&id).filter(|other| other.pair == leg.pair)
}

fn stop(old: &State, new: &State, out: &mut Vec<Effect>) {
    for (id, leg) in &old.legs {
        let Some(now) = same(*id, leg, new) else { continue };
        if prompt(leg).is_some() && prompt(now).is_none() {
            out.push(Effect::StopPlay { leg: *id });
        }
        if forward(*id, old).is_some() && forward(*id, new).is_none() {
            out.push(Effect::Unroute { from: *id });
        }
    }
}

fn start(old: &State, new: &State, out: &mut Vec<Effect>) {
    for (id, leg) in &new.legs {
        let known = same(*id, leg, old);
        let was = known.and_then(|_| forward(*id, old));
        match forward(*id, new).filter(|now| Some(*now) != was || is_reopened(*now, old, new)) {
            Some(Forward::To(to)) => out.push(Effect::Route { from: *id, to }),
            Some(Forward::Back) => out.push(Effect::Echo { leg: *id }),
            None => {}
        }
        if let Some(prompt) = prompt(leg).filter(|now| known.and_then(prompt) != Some(now)) {
            out.push(Effect::Play {
                leg: *id,
                play: prompt.play,
                prompt: prompt.name.clone(),
                law: prompt.law,
                payload_type: prompt.payload_type,
                repeat: prompt.repeat,
            });
        }
    }
}

/// A route to a leg that was closed and opened again in one step is a new route.
fn is_reopened(forward: Forward, old: &State, new: &State) -> bool {
    match forward {
        Forward::To(to) => new.legs.get(&to).is_some_and(|leg| same(to, leg, old).is_none()),
        Forward::Back => false,
    }
}

fn prompt(leg: &Leg) -> Option<&Prompt> {
    match &leg.sound {
        Sound::Prompt(prompt) => Some(prompt),
        Sound::Peer | Sound::Echo => None,
    }
}

/// Where what comes from `from` goes.
fn forward(from: LegId, state: &State) -> Option<Forward> {
    let leg = state.legs.get(&from)?;
    if leg.sound == Sound::Echo {
        return Some(Forward::Back);
    }
    let hears_it = |to: &LegId| state.legs.get(to).is_some_and(|to| to.sound == Sound::Peer);
    leg.talk.peer.filter(hears_it).map(Forward::To)
}

fn set_remote(id: LegId, leg: &Leg) -> Option<Effect> {
    let remote = leg.talk.remote.as_ref()?;
    Some(Effect::SetRemote {
        leg: id,
        rtp: remote.rtp,
        rtcp: remote.rtcp,
        latch: LatchPolicy { signalled: remote.rtp, source: leg.talk.source },
        receives: receives(remote.direction),
        clock_rate: leg.agreed(Codec::is_speech).map_or(crate::g711::CLOCK_RATE, |codec| codec.clock_rate),
    })
}
