//! A session with a pool, told requests by signaling and watched by a relay.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use voip_contract::media::{LegSpec, MediaOutcome, MediaRefusal, MediaRequest, SdpFacts};
use voip_contract::{CallId, Epoch, Generation, LegId};

use super::*;
use crate::g711::Law;
use crate::port_pool::PortPool;
use crate::sdp::Direction;

mod calls;
mod properties;
mod refusals;

const CALLER: u32 = 0;
const CALLEE: u32 = 1;

fn spec(leg: u32) -> LegSpec {
    LegSpec { leg: LegId(leg), source: host(leg) }
}

/// Each leg's host has its number.
fn host(leg: u32) -> IpAddr {
    format!("192.0.2.{}", leg + 1).parse().unwrap()
}

/// A body of `leg` with these formats and this direction.
fn body(leg: u32, formats: &str, direction: &str) -> Vec<u8> {
    let (host, port) = (host(leg), 4000 + leg * 10);
    format!(
        "v=0\r\no=- {leg} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
    .into_bytes()
}

fn offer_op(from: u32, to: u32, sdp: Vec<u8>) -> MediaOperation {
    MediaOperation::Offer { from: spec(from), to: spec(to), sdp }
}

fn answer_op(from: u32, to: u32, sdp: Vec<u8>, provisional: bool) -> MediaOperation {
    MediaOperation::Answer { from: spec(from), to: spec(to), sdp, provisional }
}

/// What a relay knows of a leg from effects alone.
#[derive(Debug, Clone, PartialEq, Default)]
struct Known {
    port: u16,
    remote: Option<(SocketAddr, SocketAddr, bool)>,
    forward: Option<LegId>,
    prompt: Option<(String, Law, u8, u32)>,
}

/// A relay that does what effects say and insists that they make sense.
#[derive(Debug, Clone, PartialEq, Default)]
struct Relay(BTreeMap<LegId, Known>);

impl Relay {
    fn apply(&mut self, effect: &Effect) {
        match effect.clone() {
            Effect::OpenLeg { leg, rtp_port, rtcp_port, .. } => {
                assert_eq!(rtcp_port, rtp_port + 1);
                let known = Known { port: rtp_port, ..Known::default() };
                assert!(self.0.insert(leg, known).is_none(), "{leg:?} opened twice");
            }
            Effect::SetRemote { leg, rtp, rtcp, receives, latch, .. } => {
                assert_eq!(latch.signalled, rtp);
                self.leg(leg).remote = Some((rtp, rtcp, receives));
            }
            Effect::Route { from, to } => {
                assert!(from != to && self.0.contains_key(&to), "{effect:?}");
                self.leg(from).forward = Some(to);
            }
            Effect::Unroute { from } => assert!(self.leg(from).forward.take().is_some(), "{effect:?}"),
            Effect::Echo { leg } => self.leg(leg).forward = Some(leg),
            Effect::Play { leg, prompt, law, payload_type, play, .. } => {
                self.leg(leg).prompt = Some((prompt, law, payload_type, play));
            }
            Effect::StopPlay { leg } => assert!(self.leg(leg).prompt.take().is_some(), "{effect:?}"),
            Effect::CloseLeg { leg, rtp_port } => {
                assert_eq!(self.0.remove(&leg).unwrap().port, rtp_port);
            }
        }
    }

    fn leg(&mut self, leg: LegId) -> &mut Known {
        self.0.get_mut(&leg).unwrap_or_else(|| panic!("effect on {leg:?}, which is not open"))
    }

    /// Between effects anything goes; after them no leg hears two things or somebody who is gone.
    fn check(&self) {
        let mut heard = BTreeMap::new();
        for (from, known) in &self.0 {
            if let Some(to) = known.forward {
                assert!(self.0.contains_key(&to), "{from:?} is routed to {to:?}, which is gone");
                assert!(heard.insert(to, *from).is_none(), "{to:?} hears two legs");
                assert!(self.0[&to].prompt.is_none(), "{to:?} hears a prompt and a leg");
            }
        }
    }
}

struct Call {
    session: Session,
    pool: PortPool,
    relay: Relay,
    addresses: Addresses,
    epoch: Epoch,
    ticket: u64,
    effects: Vec<Effect>,
}

impl Call {
    fn new() -> Self {
        let addresses = Addresses { outside: vec!["198.51.100.1".parse().unwrap()], ..Addresses::default() };
        Self {
            session: Session::new(CallId(7), Epoch(1)),
            pool: PortPool::new(30_000, 30_099),
            relay: Relay::default(),
            addresses,
            epoch: Epoch(1),
            ticket: 0,
            effects: Vec::new(),
        }
    }

    fn ask(&mut self, generation: u32, operation: MediaOperation) -> Result<MediaOutcome, MediaRefusal> {
        self.ticket += 1;
        let request = MediaRequest {
            ticket: self.ticket,
            session: CallId(7),
            epoch: self.epoch,
            generation: Generation(generation),
            operation,
            record: None,
        };
        self.send(&request)
    }

    fn send(&mut self, request: &MediaRequest) -> Result<MediaOutcome, MediaRefusal> {
        self.effects.clear();
        let has_prompt = |name: &str| name.starts_with("known");
        let mut resources =
            Resources { ports: &mut self.pool, addresses: &self.addresses, has_prompt: &has_prompt };
        let result = self.session.handle(request, &mut resources, &mut self.effects);
        self.watch();
        result
    }

    /// Lets the relay do what was asked; a closed leg's port goes back to the pool.
    fn watch(&mut self) {
        for effect in &self.effects {
            self.relay.apply(effect);
            if let Effect::CloseLeg { rtp_port, .. } = effect {
                assert!(self.pool.release(PortPair::new(*rtp_port).unwrap()));
            }
        }
        self.relay.check();
    }

    fn finish_play(&mut self, leg: u32, play: u32) -> bool {
        self.effects.clear();
        let told = self.session.play_finished(LegId(leg), play, &mut self.effects);
        if told {
            self.relay.leg(LegId(leg)).prompt = None;
        }
        self.watch();
        told
    }

    fn offer(&mut self, generation: u32, from: u32, to: u32, sdp: Vec<u8>) -> String {
        text(&self.ask(generation, offer_op(from, to, sdp)).unwrap())
    }

    fn answer(&mut self, generation: u32, from: u32, to: u32, sdp: Vec<u8>) -> String {
        text(&self.ask(generation, answer_op(from, to, sdp, false)).unwrap())
    }

    fn early(&mut self, generation: u32, from: u32, to: u32, sdp: Vec<u8>) -> String {
        text(&self.ask(generation, answer_op(from, to, sdp, true)).unwrap())
    }

    fn done(&mut self, generation: u32, operation: MediaOperation) {
        self.ask(generation, operation).unwrap();
    }

    fn refused(&mut self, generation: u32, operation: MediaOperation) -> RefusalReason {
        let before = (self.session.clone(), self.pool.in_use());
        let reason = self.ask(generation, operation).unwrap_err().reason;
        assert!(self.effects.is_empty());
        assert_eq!((self.session.clone(), self.pool.in_use()), before, "a refusal changed something");
        reason
    }

    fn heard_by(&self, leg: u32) -> Option<u32> {
        self.relay.0.iter().find(|(_, known)| known.forward == Some(LegId(leg))).map(|(from, _)| from.0)
    }

    fn port(&self, leg: u32) -> u16 {
        self.relay.0[&LegId(leg)].port
    }
}

fn text(outcome: &MediaOutcome) -> String {
    String::from_utf8(outcome.sdp.clone().unwrap()).unwrap()
}

/// A call of leg 0 to leg 1 that was answered.
fn connected() -> Call {
    let mut call = Call::new();
    call.offer(1, CALLER, CALLEE, body(CALLER, "0 8 101", "sendrecv"));
    call.answer(1, CALLEE, CALLER, body(CALLEE, "0 101", "sendrecv"));
    call
}
