//! What sip-node asks of a media-node.

use std::net::IpAddr;

use voip_contract::media::{LegSpec, MediaOperation, MediaRequest, ToMediaNode};
use voip_contract::{Epoch, Generation, Incarnation, LegId};

use super::{FromWire, Malformed, ToWire, call_bytes, call_id, record, required, sdp};
use crate::generated::media as pb;

impl ToWire for ToMediaNode {
    type Wire = pb::ToMediaNode;

    fn to_wire(self) -> pb::ToMediaNode {
        use pb::to_media_node::Message;
        let message = match self {
            Self::Welcome { incarnation } => Message::Welcome(pb::Welcome { incarnation: incarnation.0 }),
            Self::Claim { sessions } => {
                Message::Claim(pb::Claim { sessions: sessions.into_iter().map(call_bytes).collect() })
            }
            Self::Request(request) => Message::Request(request.to_wire()),
        };
        pb::ToMediaNode { message: Some(message) }
    }
}

impl FromWire for ToMediaNode {
    type Wire = pb::ToMediaNode;

    fn from_wire(wire: pb::ToMediaNode) -> Result<Self, Malformed> {
        use pb::to_media_node::Message;
        Ok(match wire.message.ok_or(Malformed("message"))? {
            Message::Welcome(welcome) => Self::Welcome { incarnation: Incarnation(welcome.incarnation) },
            Message::Claim(claim) => {
                let sessions = claim.sessions.iter().map(|s| call_id(s)).collect::<Result<_, _>>()?;
                Self::Claim { sessions }
            }
            Message::Request(request) => Self::Request(FromWire::from_wire(request)?),
        })
    }
}

impl ToWire for MediaRequest {
    type Wire = pb::MediaRequest;

    fn to_wire(self) -> pb::MediaRequest {
        pb::MediaRequest {
            ticket: self.ticket,
            session: call_bytes(self.session),
            epoch: self.epoch.0,
            generation: self.generation.0,
            operation: Some(self.operation.to_wire()),
            record: self.record,
        }
    }
}

impl FromWire for MediaRequest {
    type Wire = pb::MediaRequest;

    fn from_wire(wire: pb::MediaRequest) -> Result<Self, Malformed> {
        Ok(Self {
            ticket: wire.ticket,
            session: call_id(&wire.session)?,
            epoch: Epoch(wire.epoch),
            generation: Generation(wire.generation),
            operation: required(wire.operation, "operation")?,
            record: wire.record.map(record).transpose()?,
        })
    }
}

impl ToWire for MediaOperation {
    type Wire = pb::media_request::Operation;

    fn to_wire(self) -> pb::media_request::Operation {
        use pb::media_request::Operation;
        match self {
            Self::Offer { from, to, sdp } => {
                Operation::Offer(pb::Offer { from: Some(from.to_wire()), to: Some(to.to_wire()), sdp })
            }
            Self::Answer { from, to, sdp, provisional } => Operation::Answer(pb::Answer {
                from: Some(from.to_wire()),
                to: Some(to.to_wire()),
                sdp,
                provisional,
            }),
            Self::Rollback => Operation::Rollback(pb::Empty {}),
            Self::AnswerLocally { leg, sdp } => {
                Operation::AnswerLocally(pb::AnswerLocally { leg: Some(leg.to_wire()), sdp })
            }
            Self::Play { leg, prompt, repeat } => Operation::Play(pb::Play { leg: leg.0, prompt, repeat }),
            Self::Echo { leg } => Operation::Echo(pb::Echo { leg: leg.0 }),
            Self::Drop { leg } => Operation::Drop(pb::Drop { leg: leg.0 }),
            Self::Release => Operation::Release(pb::Empty {}),
        }
    }
}

impl FromWire for MediaOperation {
    type Wire = pb::media_request::Operation;

    fn from_wire(wire: pb::media_request::Operation) -> Result<Self, Malformed> {
        use pb::media_request::Operation;
        Ok(match wire {
            Operation::Offer(offer) => Self::Offer {
                from: required(offer.from, "offer.from")?,
                to: required(offer.to, "offer.to")?,
                sdp: sdp(offer.sdp)?,
            },
            Operation::Answer(answer) => Self::Answer {
                from: required(answer.from, "answer.from")?,
                to: required(answer.to, "answer.to")?,
                sdp: sdp(answer.sdp)?,
                provisional: answer.provisional,
            },
            Operation::Rollback(_) => Self::Rollback,
            Operation::AnswerLocally(local) => {
                Self::AnswerLocally { leg: required(local.leg, "answer_locally.leg")?, sdp: sdp(local.sdp)? }
            }
            Operation::Play(play) if play.prompt.len() > 255 => return Err(Malformed("play.prompt")),
            Operation::Play(play) => {
                Self::Play { leg: LegId(play.leg), prompt: play.prompt, repeat: play.repeat }
            }
            Operation::Echo(echo) => Self::Echo { leg: LegId(echo.leg) },
            Operation::Drop(drop) => Self::Drop { leg: LegId(drop.leg) },
            Operation::Release(_) => Self::Release,
        })
    }
}

impl ToWire for LegSpec {
    type Wire = pb::LegSpec;

    fn to_wire(self) -> pb::LegSpec {
        let source = match self.source {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        pb::LegSpec { leg: self.leg.0, source }
    }
}

impl FromWire for LegSpec {
    type Wire = pb::LegSpec;

    fn from_wire(wire: pb::LegSpec) -> Result<Self, Malformed> {
        let v4 = <[u8; 4]>::try_from(wire.source.as_slice()).map(IpAddr::from);
        let v6 = <[u8; 16]>::try_from(wire.source.as_slice()).map(IpAddr::from);
        Ok(Self { leg: LegId(wire.leg), source: v4.or(v6).map_err(|_| Malformed("leg.source"))? })
    }
}
