//! Registrations and calls.

use std::time::{Duration, Instant};

use sip_core::{Header, Message, Method, StatusCode};
use voip_contract::admin::{EndedBy, NodeState};
use voip_contract::media::{MediaOperation, ToMediaNode};

use crate::media_node::MediaNode;
use crate::node::{LONG, Node, Place};
use crate::phone::{Phone, SDP};

pub(crate) struct Talking {
    pub(crate) caller: Phone,
    pub(crate) callee: Phone,
    pub(crate) media: MediaNode,
    /// The INVITE that the callee got.
    pub(crate) invite: Message,
    /// The 200 that the caller got.
    pub(crate) answer: Message,
}

/// Registers both and brings a call up between them.
pub(crate) fn talk(place: &Place, node: &Node<'_>) -> Talking {
    talk_between(place, node, ["1001", "1002"].map(|user| Phone::new(place, user)))
}

pub(crate) fn talk_between(place: &Place, node: &Node<'_>, [caller, callee]: [Phone; 2]) -> Talking {
    let media = MediaNode::start(place.peers(), "default-0", 7);
    node.wait_for("a media-node", |status| status.ready);
    for phone in [&caller, &callee] {
        assert_eq!(phone.register().status(), Some(StatusCode::OK));
    }
    let (answer, invite) = std::thread::scope(|scope| {
        let ringing = scope.spawn(|| {
            let invite = callee.request(&Method::Invite);
            callee.answer(&invite, StatusCode::RINGING, false);
            callee.answer(&invite, StatusCode::OK, true);
            callee.request(&Method::Ack);
            invite
        });
        let (answer, _) = caller.invite("1002");
        assert_eq!(answer.status(), Some(StatusCode::OK));
        caller.in_dialog("ACK", &answer, 2);
        (answer, ringing.join().unwrap())
    });
    Talking { caller, callee, media, invite, answer }
}

#[test]
fn a_user_registers_and_is_counted() {
    let place = Place::new();
    let node = place.start();
    let phone = Phone::new(&place, "1001");
    let response = phone.register();
    assert_eq!(response.status(), Some(StatusCode::OK));
    assert!(response.text(Header::Contact).unwrap().contains("sip:1001@"));
    node.wait_for("the registration", |status| status.registrations == 1);
    assert_eq!(node.metric("voip_registrations"), 1);
    for (user, contacts) in [("1001", 1), ("1002", 0), ("nobody", 0)] {
        let body = node.get(&format!("/api/v1/registrations/{user}")).unwrap();
        assert!(body.contains(&format!("{{\"username\":\"{user}\",\"contacts\":{contacts}}}")), "{body}");
    }
}

#[test]
fn without_a_media_node_calls_are_refused_for_now_and_registration_works() {
    let place = Place::new();
    let node = place.start();
    let (caller, callee) = (Phone::new(&place, "1001"), Phone::new(&place, "1002"));
    assert_eq!(callee.register().status(), Some(StatusCode::OK));
    let (response, _) = caller.invite("1002");
    assert_eq!(response.status().unwrap().code(), 503);
    assert!(response.text(Header::RetryAfter).is_some());
    assert!(!node.status().ready);
}

#[test]
fn a_whole_call_is_relayed_counted_and_recorded_once() {
    let place = Place::new();
    let node = place.start();
    let call = talk(&place, &node);
    assert_eq!(call.answer.body(), SDP.as_bytes());
    let status = node.wait_for("the call", |status| status.active_calls == 1);
    assert_eq!(status.media_nodes[0].state, NodeState::Ready);
    assert_eq!(node.metric("voip_media_nodes{state=\"ready\"}"), 1);

    call.caller.in_dialog("BYE", &call.answer, 3);
    let bye = call.callee.request(&Method::Bye);
    call.callee.answer(&bye, StatusCode::OK, false);
    assert_eq!(call.caller.final_response(&Method::Bye).status(), Some(StatusCode::OK));
    node.wait_for("the end", |status| status.active_calls == 0);
    node.wait_for_metric("voip_calls_total{outcome=\"answered\"}", 1);

    let record = closed_record(&place);
    assert_eq!((record.from.as_str(), record.to.as_str()), ("1001", "1002"));
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 16, Some(EndedBy::Caller)));
    assert!(record.answered_at_ms.unwrap() >= record.started_at_ms);

    assert!(matches!(call.media.next(), ToMediaNode::Welcome { .. }));
    let released = std::iter::repeat_with(|| call.media.next()).take(20).any(
        |said| matches!(said, ToMediaNode::Request(request) if request.operation == MediaOperation::Release),
    );
    assert!(released);
}

/// The only record, once it is closed.
pub(crate) fn closed_record(place: &Place) -> voip_contract::admin::CallRecord {
    let start = Instant::now();
    loop {
        let records = place.cdrs();
        if let [record] = records.as_slice()
            && record.ended_at_ms.is_some()
        {
            return record.clone();
        }
        assert!(start.elapsed() < LONG, "{records:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_media_node_that_vanishes_ends_its_calls() {
    let place = Place::new();
    let node = place.start();
    let Talking { caller, callee, media, .. } = talk(&place, &node);
    drop(media);
    for phone in [caller, callee] {
        let bye = phone.request(&Method::Bye);
        assert!(bye.text(Header::Reason).is_some());
        phone.answer(&bye, StatusCode::OK, false);
    }
    let status = node.wait_for("the loss", |status| status.active_calls == 0);
    assert_eq!(status.media_nodes[0].state, NodeState::Lost);
    assert_eq!(closed_record(&place).ended_by, Some(EndedBy::System));
}

#[test]
fn a_newer_run_of_a_media_node_replaces_the_old() {
    let place = Place::new();
    let node = place.start();
    let old = MediaNode::start(place.peers(), "default-0", 1);
    node.wait_for("the first", |status| status.ready);
    let new = MediaNode::start(place.peers(), "default-0", 2);
    assert!(matches!(new.next(), ToMediaNode::Welcome { .. }));
    // The old stream is closed by sip-node: nothing more can be heard on it.
    let start = Instant::now();
    while old.heard.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    let status = node.wait_for("the second", |status| status.ready);
    assert_eq!(status.media_nodes.len(), 1);
}
