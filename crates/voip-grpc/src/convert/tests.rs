use std::net::IpAddr;

use voip_contract::admin::{MediaNodeStatus, NodeState};
use voip_contract::media::{
    Announcement, Direction, FromMediaNode, LegSpec, LegStatistics, MAX_RECORD_BYTES, MAX_SDP_BYTES,
    MediaNotice, MediaOperation, MediaOutcome, MediaRefusal, MediaReply, MediaRequest, MediaSnapshot,
    RefusalReason, SdpFacts, ToMediaNode,
};
use voip_contract::node_admin::{MAX_FOREIGN_PORTS, NodeOrder, NodeReport, Role, Service};
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId, NodeName};

use super::{FromWire, ToWire};
use crate::generated::{admin, media as pb};

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
        record: Some(br#"{"id":1}"#.to_vec()),
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
        drained: true,
    }));
    round_trip(&FromMediaNode::Notice(MediaNotice::Orphaned {
        session: CallId(1),
        record: vec![b'{'; MAX_RECORD_BYTES],
        lost_at_ms: 1_790_000_000_000,
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
    assert_eq!(refused(|w| w.record = Some(vec![0; MAX_RECORD_BYTES + 1])), "record");
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

#[test]
fn orders_and_reports_survive_the_wire() {
    round_trip(&NodeOrder::Drain { epoch: Epoch(u64::MAX), seconds: 20 });
    round_trip(&NodeOrder::Return { epoch: Epoch(0) });
    for role in [Role::Operator, Role::SipNode, Role::MediaNode] {
        for service in [Service::Serving, Service::Draining, Service::Drained] {
            round_trip(&report(role, service));
        }
    }
}

fn report(role: Role, service: Service) -> NodeReport {
    let node = |state| MediaNodeStatus {
        name: "default-0".into(),
        state,
        ports: "16384-17535".into(),
        ports_in_use: 4,
        sessions: 1,
        capacity: 250,
    };
    NodeReport {
        role,
        name: "office-sip-0".into(),
        incarnation: Incarnation(7),
        version: "0.1.0".into(),
        service,
        calls: 3,
        registrations: 2,
        documents: [("sip.json".into(), "00ff".into())].into(),
        rejected: vec!["users-00.json: line 1".into()],
        foreign_ports: vec![16_384, 65_535],
        ephemeral_ports: Some((32_768, 60_999)),
        media_nodes: [NodeState::Ready, NodeState::Draining, NodeState::Lost].map(node).to_vec(),
    }
}

#[test]
fn reports_that_are_not_of_the_contract_are_named() {
    let wire = report(Role::MediaNode, Service::Serving).to_wire();
    let refused = |change: fn(&mut admin::NodeReport)| {
        let mut wire = wire.clone();
        change(&mut wire);
        NodeReport::from_wire(wire).unwrap_err().0
    };
    assert_eq!(refused(|w| w.role = 9), "role");
    assert_eq!(refused(|w| w.service = 0), "service");
    assert_eq!(refused(|w| w.name = "a".repeat(254)), "name");
    assert_eq!(refused(|w| w.foreign_ports = vec![70_000]), "port");
    assert_eq!(refused(|w| w.foreign_ports = vec![1; MAX_FOREIGN_PORTS + 1]), "foreign_ports");
    assert_eq!(refused(|w| w.media_nodes[0].state = 0), "media_nodes.state");
    assert_eq!(NodeOrder::from_wire(admin::NodeOrder::default()).unwrap_err().0, "order");
}
