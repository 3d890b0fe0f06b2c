use std::net::IpAddr;

use voip_contract::media::{
    Announcement, Direction, FromMediaNode, LegSpec, LegStatistics, MAX_SDP_BYTES, MediaNotice,
    MediaOperation, MediaOutcome, MediaRefusal, MediaReply, MediaRequest, MediaSnapshot, RefusalReason,
    SdpFacts, ToMediaNode,
};
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};

use super::{FromWire, ToWire};
use crate::generated as pb;

fn round_trip<T: ToWire + FromWire<Wire = <T as ToWire>::Wire> + Clone + PartialEq + std::fmt::Debug>(
    value: &T,
) {
    assert_eq!(T::from_wire(value.clone().to_wire()).as_ref(), Ok(value));
}

fn leg(number: u32) -> LegSpec {
    LegSpec { leg: LegId(number), source: IpAddr::from([192, 0, 2, 7]) }
}

fn request(operation: MediaOperation) -> ToMediaNode {
    ToMediaNode::Request(MediaRequest {
        ticket: 7,
        session: CallId(1 << 127),
        epoch: Epoch(3),
        generation: Generation(2),
        operation,
    })
}

#[test]
fn every_request_survives_the_wire() {
    let v6 = LegSpec { leg: LegId(1), source: "2001:db8::1".parse().unwrap() };
    let sdp = b"v=0\r\n\xff".to_vec();
    for operation in [
        MediaOperation::Offer { from: leg(0), to: v6.clone(), sdp: sdp.clone() },
        MediaOperation::Answer { from: v6, to: leg(0), sdp: sdp.clone(), provisional: true },
        MediaOperation::Rollback,
        MediaOperation::AnswerLocally { leg: leg(0), sdp },
        MediaOperation::Play { leg: LegId(0), prompt: "welcome".into(), repeat: 2 },
        MediaOperation::Echo { leg: LegId(0) },
        MediaOperation::Drop { leg: LegId(4) },
        MediaOperation::Release,
    ] {
        round_trip(&request(operation));
    }
    round_trip(&ToMediaNode::Welcome { incarnation: Incarnation(u64::MAX) });
    round_trip(&ToMediaNode::Claim { sessions: vec![CallId(0), CallId(u128::MAX)] });
}

#[test]
fn every_reply_survives_the_wire() {
    use RefusalReason::{BadSdp, Glare, NoPorts, NoPrompt, NotAcceptable, StaleEpoch, Unavailable, Unknown};
    let reply = |result| FromMediaNode::Reply(MediaReply { ticket: 1, session: CallId(9), result });
    for direction in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
        round_trip(&reply(Ok(MediaOutcome {
            sdp: Some(b"v=0\r\n".to_vec()),
            facts: Some(SdpFacts { direction, codecs: vec!["PCMU/8000".into()], changed: true }),
            statistics: vec![LegStatistics {
                leg: 1,
                jitter_us: 12,
                packets_lost: 3,
                ..LegStatistics::default()
            }],
            snapshot: MediaSnapshot(vec![1, 2]),
        })));
    }
    round_trip(&reply(Ok(MediaOutcome::default())));
    for reason in [BadSdp, Glare, NoPorts, NoPrompt, NotAcceptable, StaleEpoch, Unavailable, Unknown] {
        round_trip(&reply(Err(MediaRefusal { reason, detail: "why".into() })));
    }
}

#[test]
fn announcements_and_notices_survive_the_wire() {
    round_trip(&FromMediaNode::Announce(Announcement {
        node: NodeName::new("default-0").unwrap(),
        incarnation: Incarnation(5),
        pool: "default".into(),
        ports: (16384, 65535),
        capacity: 50,
        sessions: 2,
        ports_in_use: 8,
        draining: true,
    }));
    round_trip(&FromMediaNode::Notice(MediaNotice::PlayFinished { session: CallId(1), leg: LegId(0) }));
    round_trip(&FromMediaNode::Notice(MediaNotice::SessionLost {
        session: CallId(1),
        detail: "gone".into(),
    }));
}

#[test]
fn what_is_not_of_the_contract_is_named() {
    let ToMediaNode::Request(valid) = request(MediaOperation::AnswerLocally { leg: leg(0), sdp: vec![] })
    else {
        unreachable!("built as a request");
    };
    let wire = valid.to_wire();
    let refused = |change: fn(&mut pb::MediaRequest)| {
        let mut wire = wire.clone();
        change(&mut wire);
        MediaRequest::from_wire(wire).unwrap_err().0
    };
    assert_eq!(refused(|w| w.session.truncate(15)), "session");
    assert_eq!(refused(|w| w.operation = None), "operation");
    assert_eq!(
        refused(|w| {
            w.operation = Some(pb::media_request::Operation::AnswerLocally(pb::AnswerLocally {
                leg: Some(pb::LegSpec { leg: 0, source: vec![1] }),
                sdp: vec![],
            }));
        }),
        "leg.source"
    );
    assert_eq!(
        refused(|w| {
            w.operation = Some(pb::media_request::Operation::AnswerLocally(pb::AnswerLocally {
                leg: Some(pb::LegSpec { leg: 0, source: vec![1, 2, 3, 4] }),
                sdp: vec![0; MAX_SDP_BYTES + 1],
            }));
        }),
        "sdp"
    );
    assert_eq!(FromMediaNode::from_wire(pb::FromMediaNode::default()).unwrap_err().0, "message");
}
