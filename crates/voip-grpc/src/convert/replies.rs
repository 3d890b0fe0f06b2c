//! What a media-node says: announcements, replies, notices.

use voip_contract::media::{
    Announcement, Direction, FromMediaNode, LegStatistics, MediaNotice, MediaOutcome, MediaRefusal,
    MediaReply, MediaSnapshot, RefusalReason, SdpFacts,
};
use voip_contract::{Incarnation, LegId, NodeName};

use super::{FromWire, Malformed, ToWire, call_bytes, call_id, port, record, sdp};
use crate::generated::media as pb;

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
            Self::SessionLost { session, detail, drained } => {
                Notice::SessionLost(pb::SessionLost { session: call_bytes(session), detail, drained })
            }
            Self::Orphaned { session, record, lost_at_ms } => {
                Notice::Orphaned(pb::Orphaned { session: call_bytes(session), record, lost_at_ms })
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
            Notice::SessionLost(lost) => Self::SessionLost {
                session: call_id(&lost.session)?,
                detail: lost.detail,
                drained: lost.drained,
            },
            Notice::Orphaned(orphaned) => Self::Orphaned {
                session: call_id(&orphaned.session)?,
                record: record(orphaned.record)?,
                lost_at_ms: orphaned.lost_at_ms,
            },
        })
    }
}
