//! Protobuf to contract and back. Everything that comes in is checked: lengths, names, known values.

use std::net::IpAddr;

use voip_contract::media::{
    Announcement, Direction, FromMediaNode, LegSpec, LegStatistics, MAX_SDP_BYTES, MediaNotice,
    MediaOperation, MediaOutcome, MediaRefusal, MediaReply, MediaRequest, MediaSnapshot, RefusalReason,
    SdpFacts, ToMediaNode,
};
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};

use crate::generated as pb;

/// A message that is not of the contract; names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {0} is missing, too long or of an unknown value")]
pub struct Malformed(pub &'static str);

/// Turns a contract value into its protobuf form; always possible.
pub(crate) trait ToWire {
    type Wire;
    fn to_wire(self) -> Self::Wire;
}

/// Turns protobuf into a contract value, or names the field that is wrong.
pub(crate) trait FromWire: Sized {
    type Wire;
    fn from_wire(wire: Self::Wire) -> Result<Self, Malformed>;
}

fn required<W, T: FromWire<Wire = W>>(wire: Option<W>, field: &'static str) -> Result<T, Malformed> {
    T::from_wire(wire.ok_or(Malformed(field))?)
}

fn call_id(bytes: &[u8]) -> Result<CallId, Malformed> {
    bytes.try_into().map(|b| CallId(u128::from_be_bytes(b))).map_err(|_| Malformed("session"))
}

fn call_bytes(id: CallId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn sdp(bytes: Vec<u8>) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > MAX_SDP_BYTES { Err(Malformed("sdp")) } else { Ok(bytes) }
}

fn port(value: u32) -> Result<u16, Malformed> {
    u16::try_from(value).map_err(|_| Malformed("port"))
}

impl ToWire for FromMediaNode {
    type Wire = pb::FromMediaNode;

    fn to_wire(self) -> pb::FromMediaNode {
        use pb::from_media_node::Message;
        let message = match self {
            Self::Announce(announcement) => Message::Announce(announcement.to_wire()),
            Self::Reply(reply) => Message::Reply(reply.to_wire()),
            Self::Notice(notice) => Message::Notice(notice.to_wire()),
        };
        pb::FromMediaNode { message: Some(message) }
    }
}

impl FromWire for FromMediaNode {
    type Wire = pb::FromMediaNode;

    fn from_wire(wire: pb::FromMediaNode) -> Result<Self, Malformed> {
        use pb::from_media_node::Message;
        Ok(match wire.message.ok_or(Malformed("message"))? {
            Message::Announce(announcement) => Self::Announce(FromWire::from_wire(announcement)?),
            Message::Reply(reply) => Self::Reply(FromWire::from_wire(reply)?),
            Message::Notice(notice) => Self::Notice(FromWire::from_wire(notice)?),
        })
    }
}

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

impl ToWire for Announcement {
    type Wire = pb::Announcement;

    fn to_wire(self) -> pb::Announcement {
        pb::Announcement {
            node: self.node.to_string(),
            incarnation: self.incarnation.0,
            pool: self.pool,
            first_port: self.ports.0.into(),
            last_port: self.ports.1.into(),
            capacity: self.capacity,
            sessions: self.sessions,
            ports_in_use: self.ports_in_use,
            draining: self.draining,
        }
    }
}

impl FromWire for Announcement {
    type Wire = pb::Announcement;

    fn from_wire(wire: pb::Announcement) -> Result<Self, Malformed> {
        if wire.pool.len() > 63 {
            return Err(Malformed("pool"));
        }
        Ok(Self {
            node: NodeName::new(wire.node).map_err(|_| Malformed("node"))?,
            incarnation: Incarnation(wire.incarnation),
            pool: wire.pool,
            ports: (port(wire.first_port)?, port(wire.last_port)?),
            capacity: wire.capacity,
            sessions: wire.sessions,
            ports_in_use: wire.ports_in_use,
            draining: wire.draining,
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

impl ToWire for MediaReply {
    type Wire = pb::MediaReply;

    fn to_wire(self) -> pb::MediaReply {
        use pb::media_reply::Result as Wire;
        let result = match self.result {
            Ok(outcome) => Wire::Outcome(outcome.to_wire()),
            Err(refusal) => Wire::Refusal(refusal.to_wire()),
        };
        pb::MediaReply { ticket: self.ticket, session: call_bytes(self.session), result: Some(result) }
    }
}

impl FromWire for MediaReply {
    type Wire = pb::MediaReply;

    fn from_wire(wire: pb::MediaReply) -> Result<Self, Malformed> {
        use pb::media_reply::Result as Wire;
        let result = match wire.result.ok_or(Malformed("reply.result"))? {
            Wire::Outcome(outcome) => Ok(FromWire::from_wire(outcome)?),
            Wire::Refusal(refusal) => Err(FromWire::from_wire(refusal)?),
        };
        Ok(Self { ticket: wire.ticket, session: call_id(&wire.session)?, result })
    }
}

impl ToWire for MediaOutcome {
    type Wire = pb::MediaOutcome;

    fn to_wire(self) -> pb::MediaOutcome {
        pb::MediaOutcome {
            sdp: self.sdp,
            facts: self.facts.map(ToWire::to_wire),
            statistics: self.statistics.into_iter().map(ToWire::to_wire).collect(),
            snapshot: self.snapshot.0,
        }
    }
}

impl FromWire for MediaOutcome {
    type Wire = pb::MediaOutcome;

    fn from_wire(wire: pb::MediaOutcome) -> Result<Self, Malformed> {
        Ok(Self {
            sdp: wire.sdp.map(sdp).transpose()?,
            facts: wire.facts.map(FromWire::from_wire).transpose()?,
            statistics: wire.statistics.into_iter().map(FromWire::from_wire).collect::<Result<_, _>>()?,
            snapshot: MediaSnapshot(wire.snapshot),
        })
    }
}

impl ToWire for SdpFacts {
    type Wire = pb::SdpFacts;

    fn to_wire(self) -> pb::SdpFacts {
        let direction = match self.direction {
            Direction::SendRecv => pb::Direction::Sendrecv,
            Direction::SendOnly => pb::Direction::Sendonly,
            Direction::RecvOnly => pb::Direction::Recvonly,
            Direction::Inactive => pb::Direction::Inactive,
        };
        pb::SdpFacts { direction: direction.into(), codecs: self.codecs, changed: self.changed }
    }
}

impl FromWire for SdpFacts {
    type Wire = pb::SdpFacts;

    fn from_wire(wire: pb::SdpFacts) -> Result<Self, Malformed> {
        let direction = match wire.direction() {
            pb::Direction::Unspecified => return Err(Malformed("facts.direction")),
            pb::Direction::Sendrecv => Direction::SendRecv,
            pb::Direction::Sendonly => Direction::SendOnly,
            pb::Direction::Recvonly => Direction::RecvOnly,
            pb::Direction::Inactive => Direction::Inactive,
        };
        Ok(Self { direction, codecs: wire.codecs, changed: wire.changed })
    }
}

impl ToWire for MediaRefusal {
    type Wire = pb::MediaRefusal;

    fn to_wire(self) -> pb::MediaRefusal {
        let reason = match self.reason {
            RefusalReason::BadSdp => pb::RefusalReason::BadSdp,
            RefusalReason::NotAcceptable => pb::RefusalReason::NotAcceptable,
            RefusalReason::NoPorts => pb::RefusalReason::NoPorts,
            RefusalReason::Unavailable => pb::RefusalReason::Unavailable,
            RefusalReason::Unknown => pb::RefusalReason::Unknown,
            RefusalReason::Glare => pb::RefusalReason::Glare,
            RefusalReason::StaleEpoch => pb::RefusalReason::StaleEpoch,
            RefusalReason::NoPrompt => pb::RefusalReason::NoPrompt,
        };
        pb::MediaRefusal { reason: reason.into(), detail: self.detail }
    }
}

impl FromWire for MediaRefusal {
    type Wire = pb::MediaRefusal;

    fn from_wire(wire: pb::MediaRefusal) -> Result<Self, Malformed> {
        let reason = match wire.reason() {
            pb::RefusalReason::Unspecified => return Err(Malformed("refusal.reason")),
            pb::RefusalReason::BadSdp => RefusalReason::BadSdp,
            pb::RefusalReason::NotAcceptable => RefusalReason::NotAcceptable,
            pb::RefusalReason::NoPorts => RefusalReason::NoPorts,
            pb::RefusalReason::Unavailable => RefusalReason::Unavailable,
            pb::RefusalReason::Unknown => RefusalReason::Unknown,
            pb::RefusalReason::Glare => RefusalReason::Glare,
            pb::RefusalReason::StaleEpoch => RefusalReason::StaleEpoch,
            pb::RefusalReason::NoPrompt => RefusalReason::NoPrompt,
        };
        Ok(Self { reason, detail: wire.detail })
    }
}

impl ToWire for LegStatistics {
    type Wire = pb::LegStatistics;

    fn to_wire(self) -> pb::LegStatistics {
        pb::LegStatistics {
            leg: self.leg,
            packets_received: self.packets_received,
            bytes_received: self.bytes_received,
            packets_sent: self.packets_sent,
            packets_lost: self.packets_lost,
            jitter_us: self.jitter_us,
            packets_refused: self.packets_refused,
        }
    }
}

impl FromWire for LegStatistics {
    type Wire = pb::LegStatistics;

    fn from_wire(wire: pb::LegStatistics) -> Result<Self, Malformed> {
        Ok(Self {
            leg: wire.leg,
            packets_received: wire.packets_received,
            bytes_received: wire.bytes_received,
            packets_sent: wire.packets_sent,
            packets_lost: wire.packets_lost,
            jitter_us: wire.jitter_us,
            packets_refused: wire.packets_refused,
        })
    }
}

impl ToWire for MediaNotice {
    type Wire = pb::MediaNotice;

    fn to_wire(self) -> pb::MediaNotice {
        use pb::media_notice::Notice;
        let notice = match self {
            Self::PlayFinished { session, leg } => {
                Notice::PlayFinished(pb::PlayFinished { session: call_bytes(session), leg: leg.0 })
            }
            Self::SessionLost { session, detail } => {
                Notice::SessionLost(pb::SessionLost { session: call_bytes(session), detail })
            }
        };
        pb::MediaNotice { notice: Some(notice) }
    }
}

impl FromWire for MediaNotice {
    type Wire = pb::MediaNotice;

    fn from_wire(wire: pb::MediaNotice) -> Result<Self, Malformed> {
        use pb::media_notice::Notice;
        Ok(match wire.notice.ok_or(Malformed("notice"))? {
            Notice::PlayFinished(played) => {
                Self::PlayFinished { session: call_id(&played.session)?, leg: LegId(played.leg) }
            }
            Notice::SessionLost(lost) => {
                Self::SessionLost { session: call_id(&lost.session)?, detail: lost.detail }
            }
        })
    }
}

#[cfg(test)]
mod tests;
