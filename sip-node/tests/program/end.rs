//! How it ends, and what is left after it.

use std::time::{Duration, Instant};

use sip_core::{Header, Method, StatusCode};
use voip_contract::CallId;
use voip_contract::admin::{CallRecord, EndedBy};
use voip_contract::media::MediaNotice;

use crate::calls::{closed_record, talk};
use crate::media_node::MediaNode;
use crate::node::Place;
use crate::phone::Phone;

#[test]
fn sigterm_ends_calls_by_bye_and_records_them() {
    let place = Place::new();
    let mut node = place.start();
    let call = talk(&place, &node);
    node.signal("TERM");
    for phone in [&call.caller, &call.callee] {
        let bye = phone.request(&Method::Bye);
        assert!(bye.text(Header::Reason).is_some());
        phone.answer(&bye, StatusCode::OK, false);
    }
    assert_eq!(node.wait().code(), Some(0));
    assert_eq!(closed_record(&place).ended_by, Some(EndedBy::System));
    let log = node.stderr();
    assert_eq!(log.matches("call ended").count(), 1, "{log}");
    assert!(!log.contains("1001") && !log.contains("1002"), "{log}");
}

#[test]
fn a_drain_refuses_new_calls_answers_registrations_and_ends_with_the_last_call() {
    let place = Place::new();
    let mut node = place.start_with(&["--drain", "60"]);
    let call = talk(&place, &node);
    node.signal("TERM");
    node.wait_for("the drain", |status| !status.ready);
    let (refused, _) = Phone::new(&place, "1001").invite("1002");
    assert_eq!(refused.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(refused.text(Header::RetryAfter).is_some());
    assert_eq!(Phone::new(&place, "1001").register().status(), Some(StatusCode::OK));
    assert_eq!(node.status().active_calls, 1);
    assert!(node.get("/readyz").unwrap().starts_with("HTTP/1.1 200"), "its calls are to reach it");

    call.callee.hang_up_on(&call.invite);
    let bye = call.caller.request(&Method::Bye);
    call.caller.answer(&bye, StatusCode::OK, false);
    assert_eq!(node.wait().code(), Some(0));
    let record = closed_record(&place);
    assert_eq!((record.ended_by, record.q850), (Some(EndedBy::Callee), 16));
}

#[test]
fn a_drain_waits_for_the_record_of_its_last_call() {
    let place = Place::new();
    let mut node = place.start_with(&["--drain", "60"]);
    let _media = MediaNode::releasing_after(place.peers(), "default-0", Duration::from_millis(300));
    node.wait_for("a media-node", |status| status.ready);
    let caller = Phone::new(&place, "1001");
    let (answer, _) = caller.invite("*43");
    assert_eq!(answer.status(), Some(StatusCode::OK));
    caller.in_dialog("ACK", &answer, 2);
    node.signal("TERM");
    node.wait_for("the drain", |status| !status.ready);
    caller.in_dialog("BYE", &answer, 3);
    assert_eq!(caller.final_response(&Method::Bye).status(), Some(StatusCode::OK));
    assert_eq!(node.wait().code(), Some(0));
    let records = place.cdrs();
    assert_eq!(records.iter().map(|record| record.ended_by).collect::<Vec<_>>(), [Some(EndedBy::Caller)]);
}

#[test]
fn calls_that_outlast_a_drain_end_by_bye_with_a_reason() {
    let place = Place::new();
    let mut node = place.start_with(&["--drain", "1"]);
    let call = talk(&place, &node);
    let start = Instant::now();
    node.signal("TERM");
    for phone in [&call.caller, &call.callee] {
        let bye = phone.request(&Method::Bye);
        assert!(bye.text(Header::Reason).unwrap().starts_with("SIP;cause=503;text="));
        phone.answer(&bye, StatusCode::OK, false);
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(node.wait().code(), Some(0));
    assert_eq!(closed_record(&place).ended_by, Some(EndedBy::System));
}

#[test]
fn a_registered_phone_is_asked_on_its_way_and_holds_no_drain_when_it_is_silent() {
    let place = Place::new();
    let mut node = place.start_with(&["--drain", "60"]);
    let phone = Phone::new(&place, "1001");
    phone.hear_only_the_server();
    phone.be_patient(Duration::from_secs(30));
    assert_eq!(phone.register().status(), Some(StatusCode::OK));
    let options = phone.request(&Method::Options);
    assert_eq!(format!("<{}>", options.request_uri_text().unwrap()), phone.contact());
    assert!(options.via().unwrap().has_rport());
    node.wait_for_metric("voip_sip_probes_total", 1);
    let start = Instant::now();
    node.signal("TERM");
    assert_eq!(node.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_ends_a_drain() {
    let place = Place::new();
    let mut node = place.start_with(&["--drain", "600"]);
    let _call = talk(&place, &node);
    node.signal("TERM");
    node.wait_for("the drain", |status| !status.ready);
    let start = Instant::now();
    node.signal("INT");
    assert!(node.wait().code().is_some());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn an_idle_one_ends_at_once_on_sigint_and_on_the_end_of_its_input() {
    for by_signal in [true, false] {
        let place = Place::new();
        let mut node = place.start_with(&["--exit-with-stdin"]);
        let start = Instant::now();
        if by_signal {
            node.signal("INT");
        } else {
            drop(node.child.stdin.take());
        }
        assert_eq!(node.wait().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[test]
fn a_call_whose_owner_was_killed_is_lost_at_the_next_start() {
    let place = Place::new();
    let mut node = place.start();
    let call = talk(&place, &node);
    let start = Instant::now();
    while place.cdrs().first().is_none_or(|record| record.answered_at_ms.is_none()) {
        assert!(start.elapsed() < crate::node::LONG);
        std::thread::sleep(Duration::from_millis(10));
    }
    node.signal("KILL");
    node.wait();
    assert_eq!(place.cdrs()[0].ended_at_ms, None);
    drop(call);
    let _again = place.start();
    let record = closed_record(&place);
    assert_eq!((record.ended_by, record.q850, record.sip_status), (Some(EndedBy::Lost), 41, 200));
}

#[test]
fn each_call_is_printed_once_also_over_a_restart() {
    let place = Place::new();
    let mut printed = String::new();
    let mut node = place.start_with(&["--cdr-log"]);
    let call = talk(&place, &node);
    call.caller.in_dialog("BYE", &call.answer, 3);
    let bye = call.callee.request(&Method::Bye);
    call.callee.answer(&bye, StatusCode::OK, false);
    closed_record(&place);
    drop(call);
    node.wait_for("the media-node's end", |status| !status.ready);
    let call = talk(&place, &node);
    node.wait_for("the second call", |status| status.active_calls == 1);
    let start = Instant::now();
    while place.cdrs().len() < 2 {
        assert!(start.elapsed() < crate::node::LONG);
        std::thread::sleep(Duration::from_millis(10));
    }
    node.signal("KILL");
    node.wait();
    printed += &node.stdout();
    drop(call);
    for _ in 0..2 {
        let mut node = place.start_with(&["--cdr-log"]);
        node.signal("TERM");
        assert_eq!(node.wait().code(), Some(0));
        printed += &node.stdout();
    }
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended_by: Vec<_> = lines.iter().map(|line| line["cdr"]["endedBy"].as_str().unwrap()).collect();
    assert_eq!(ended_by, ["caller", "lost"], "{printed}");
    assert_ne!(lines[0]["cdr"]["id"], lines[1]["cdr"]["id"]);
}

#[test]
fn a_call_that_another_sip_node_lost_is_recorded_and_printed_once() {
    let place = Place::new();
    let record = CallRecord {
        id: CallId(7),
        from: "1001".to_owned(),
        to: "1002".to_owned(),
        started_at_ms: 1_000,
        answered_at_ms: Some(2_000),
        ended_at_ms: None,
        duration_ms: 0,
        sip_status: 0,
        q850: 0,
        ended_by: None,
    };
    let left = serde_json::to_vec(&record).unwrap();
    let orphaned = MediaNotice::Orphaned { session: record.id, record: left, lost_at_ms: 9_000 };
    let mut printed = String::new();
    for _ in 0..2 {
        let mut node = place.start_with(&["--cdr-log"]);
        let twice = vec![orphaned.clone(), orphaned.clone()];
        let _media = MediaNode::noticing(place.peers(), "default-0", 1, twice);
        node.wait_for_metric("voip_calls_total{outcome=\"answered\"}", 2);
        node.signal("TERM");
        assert_eq!(node.wait().code(), Some(0));
        printed += &node.stdout();
    }
    let closed = closed_record(&place);
    assert_eq!(
        (closed.ended_by, closed.ended_at_ms, closed.duration_ms),
        (Some(EndedBy::Lost), Some(9_000), 7_000)
    );
    assert_eq!(printed.lines().count(), 1, "{printed}");
}

#[test]
fn a_callee_that_does_not_answer_bye_does_not_hold_up_the_end() {
    let place = Place::new();
    let mut node = place.start();
    let call = talk(&place, &node);
    let start = Instant::now();
    node.signal("TERM");
    let bye = call.caller.request(&Method::Bye);
    call.caller.answer(&bye, StatusCode::OK, false);
    assert_eq!(node.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let place = Place::new();
    let mut node = place.start();
    let call = talk(&place, &node);
    let start = Instant::now();
    node.signal("TERM");
    call.caller.request(&Method::Bye);
    node.signal("TERM");
    assert!(node.wait().code().is_some());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
