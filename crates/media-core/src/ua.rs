//! Offers and answers of a plain user agent with G.711: what a softphone says for itself.

use std::net::{IpAddr, SocketAddr};

use crate::g711::Law;
use crate::offer_answer::{
    Body, BodyError, Layout, LocalOrigin, Place, answer_locally, answered, local_offer, receives, sends,
};
use crate::sdp::{Codec, Direction};

/// The audio end of one dialog.
#[derive(Debug, Clone)]
pub struct AudioEnd {
    place: Place,
    laws: Vec<Law>,
    origin: LocalOrigin,
    layout: Layout,
    /// What the open or last offer of ours said.
    offered: Option<(Vec<Codec>, Direction)>,
}

/// What an exchange settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// How to encode and decode.
    pub law: Law,
    /// Payload type to send with.
    pub payload_type: u8,
    /// Payload type for telephone events to send with, when the peer takes them.
    pub telephone_event: Option<u8>,
    /// Where to send RTP.
    pub rtp: SocketAddr,
    /// Where to send RTCP.
    pub rtcp: SocketAddr,
    /// We may send: neither side is on hold.
    pub sends: bool,
    /// The peer may send.
    pub receives: bool,
}

impl AudioEnd {
    /// An end that receives RTP at `address` and `port` and RTCP one port above. `session_id` is random; `laws` are in
    /// preference order.
    pub fn new(session_id: u64, address: IpAddr, port: u16, laws: &[Law]) -> Self {
        Self {
            place: Place { address, port },
            laws: laws.to_vec(),
            origin: LocalOrigin::new(session_id),
            layout: Layout::default(),
            offered: None,
        }
    }

    /// An offer; `SendOnly` and `Inactive` put the peer on hold.
    pub fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let (mut description, codecs) = local_offer(&self.layout, self.place, &self.laws, direction);
        self.offered = Some((codecs, direction));
        self.origin.stamp(&mut description, self.place.address);
        description.to_bytes()
    }

    /// Reads the answer to the last offer. `source` is the host that the answer came from.
    pub fn accept_answer(&mut self, answer: &[u8], source: IpAddr) -> Result<Agreed, BodyError> {
        let (offered, direction) = self.offered.as_ref().ok_or(BodyError::Misfit("there was no offer"))?;
        let body = Body::answer(answer, &self.layout, offered)?;
        agreed(&body, source, &self.laws, answered(body.direction(), *direction))
    }

    /// Answers an offer; `wants` is cut to what it allows. `source` is the host that the offer came from.
    pub fn answer(
        &mut self,
        offer: &[u8],
        source: IpAddr,
        wants: Direction,
    ) -> Result<(Vec<u8>, Agreed), BodyError> {
        let known = (self.origin.version() > 0).then_some(&self.layout);
        let body = Body::offer(offer, known)?;
        let mut answer = answer_locally(&body, self.place, &self.laws, wants)?;
        let agreed = agreed(&body, source, &[answer.law], answer.direction)?;
        self.layout = body.layout().clone();
        self.origin.stamp(&mut answer.description, self.place.address);
        Ok((answer.description.to_bytes(), agreed))
    }
}

/// `ours` is our direction after the exchange.
fn agreed(body: &Body, source: IpAddr, laws: &[Law], ours: Direction) -> Result<Agreed, BodyError> {
    let remote = body.remote(source).ok_or(BodyError::NotAcceptable("there is no audio"))?;
    let speech = remote.codecs.iter().find_map(|c| Some((c.law().filter(|law| laws.contains(law))?, c)));
    let (law, speech) = speech.ok_or(BodyError::Misfit("it names neither PCMU nor PCMA"))?;
    let events = remote.codecs.iter().find(|c| c.is_telephone_event() && c.clock_rate == speech.clock_rate);
    Ok(Agreed {
        law,
        payload_type: speech.payload_type,
        telephone_event: events.map(|c| c.payload_type),
        rtp: remote.rtp,
        rtcp: remote.rtcp,
        sends: sends(ours),
        receives: receives(ours),
    })
}

#[cfg(test)]
mod tests;
