//! The rules for requests of ours.

use super::*;
use crate::event::ServerKey;

/// An INVITE of ours on the wire.
fn call(bench: &mut Bench, key: u64) -> Message {
    let message = Message::request(Method::Invite, &"sip:bob@b")
        .header(Header::From, "<sip:a@b>;tag=f")
        .header(Header::To, "<sip:bob@b>")
        .header(Header::CallId, format!("c{key}"))
        .header(Header::CSeq, "1 INVITE")
        .header(Header::Route, "<sip:p;lr>")
        .build();
    let (mut sent, events) =
        bench.command(SipCommand::Request { key: ClientKey(key), flow: flow(UDP), message });
    assert!(events.is_empty());
    sent.remove(0)
}

fn respond(
    bench: &mut Bench,
    request: &Message,
    status: StatusCode,
    tag: &str,
) -> (Vec<Message>, Vec<SipEvent>) {
    let response = Message::response_to(request, status).to_tag(tag).build();
    bench.endpoint.receive(bench.now(), flow(UDP), response.bytes().clone());
    bench.drain()
}

#[test]
fn our_requests_name_this_incarnation_and_have_what_they_need() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    let via = invite.via().unwrap();
    assert_eq!(crate::owner_of(via.branch().unwrap()), Some(0xfeed));
    assert_eq!((via.host.to_string(), via.port, via.has_rport()), ("127.0.0.1".into(), Some(5060), true));
    assert_eq!(invite.max_forwards(), Some(70));
}

#[test]
fn a_listener_that_is_renamed_still_hears_the_answers_to_what_it_sent_before() {
    let mut bench = Bench::new();
    let before = call(&mut bench, 1);
    let host = Host::Ip(Ipv4Addr::new(203, 0, 113, 5).into());
    bench.endpoint.name_listeners(vec![SentBy { listener: ListenerId(0), host, port: 31_060 }]);
    let after = call(&mut bench, 2);
    let via = after.via().unwrap();
    assert_eq!((via.host.to_string(), via.port), ("203.0.113.5".into(), Some(31_060)));
    let (sent, events) = respond(&mut bench, &before, StatusCode::BUSY_HERE, "t");
    assert_eq!((sent[0].via().unwrap(), events.len()), (before.via().unwrap(), 1), "ACK and event");
}

#[test]
fn a_cancel_waits_for_something_provisional() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    let cancel = SipCommand::Cancel { key: ClientKey(1), reason: Some("SIP;cause=200".into()) };
    assert!(bench.command(cancel.clone()).0.is_empty());
    let (sent, events) = respond(&mut bench, &invite, StatusCode::TRYING, "");
    assert!(events.is_empty(), "100 is not reported");
    let [cancelling] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(cancelling.method(), Method::Cancel);
    assert_eq!(cancelling.via().unwrap(), invite.via().unwrap());
    assert_eq!(cancelling.header(Header::Route), invite.header(Header::Route));
    assert_eq!(cancelling.text(Header::Reason).as_deref(), Some("SIP;cause=200"));
    assert!(bench.command(cancel).0.is_empty(), "one is enough");
    assert!(respond(&mut bench, cancelling, StatusCode::OK, "t").1.is_empty(), "and reports nothing");
    let (sent, events) = respond(&mut bench, &invite, StatusCode::REQUEST_TERMINATED, "t");
    assert_eq!(sent[0].method(), Method::Ack);
    assert!(
        matches!(&events[..], [SipEvent::Response { message, .. }] if message.status() == Some(StatusCode::REQUEST_TERMINATED))
    );
}

#[test]
fn an_invite_whose_cancel_has_no_effect_is_given_up() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    respond(&mut bench, &invite, StatusCode::RINGING, "t");
    bench.command(SipCommand::Cancel { key: ClientKey(1), reason: None });
    bench.wait(32_000);
    assert!(matches!(bench.drain().1[..], [SipEvent::TimedOut { .. }]));
    assert_eq!(bench.endpoint.counters().client_transactions, 0);
}

#[test]
fn each_branch_is_reported_and_acknowledged_for_itself() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    for tag in ["t1", "t2"] {
        let (_, events) = respond(&mut bench, &invite, StatusCode::OK, tag);
        assert!(matches!(events[..], [SipEvent::Response { .. }]));
        let ok = Message::response_to(&invite, StatusCode::OK).to_tag(tag).build();
        let ack = crate::Dialog::from_response(&invite, &ok).unwrap().ack(1).build();
        let (sent, _) = bench.command(SipCommand::Ack { key: ClientKey(1), flow: flow(UDP), message: ack });
        let (again, events) = respond(&mut bench, &invite, StatusCode::OK, tag);
        assert!(events.is_empty());
        assert_eq!(sent, again);
        assert_ne!(
            sent[0].via().unwrap(),
            invite.via().unwrap(),
            "an ACK of a 2xx is a transaction of its own"
        );
    }
}

#[test]
fn the_ack_of_a_failure_is_of_the_same_transaction_and_comes_again() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    let (sent, events) = respond(&mut bench, &invite, StatusCode::BUSY_HERE, "t");
    assert_eq!(events.len(), 1);
    assert_eq!(sent[0].via().unwrap(), invite.via().unwrap());
    assert_eq!((sent[0].to_tag(), sent[0].cseq().unwrap().to_string()), (Some("t"), "1 ACK".to_owned()));
    assert_eq!(sent[0].header(Header::Route), invite.header(Header::Route));
    let (again, events) = respond(&mut bench, &invite, StatusCode::BUSY_HERE, "t");
    assert_eq!((again, events.len()), (sent, 0));
}

#[test]
fn a_request_is_repeated_and_given_up_in_time() {
    let mut bench = Bench::new();
    call(&mut bench, 1);
    let mut at = Vec::new();
    for step in 1..=320_u32 {
        bench.wait(100);
        let (sent, events) = bench.drain();
        at.extend(sent.iter().map(|_| step * 100));
        assert_eq!(events.len(), usize::from(step == 320));
    }
    assert_eq!(at, [500, 1_500, 3_500, 7_500, 15_500, 31_500], "timer A");
}

#[test]
fn an_unreachable_peer_fails_what_is_unanswered() {
    let mut bench = Bench::new();
    call(&mut bench, 1);
    let answered = call(&mut bench, 2);
    respond(&mut bench, &answered, StatusCode::OK, "t");
    let elsewhere = Flow { remote: "127.0.0.9:5060".parse().unwrap(), ..flow(UDP) };
    bench.endpoint.transport_failed(bench.now(), elsewhere);
    assert!(bench.drain().1.is_empty());
    bench.endpoint.transport_failed(bench.now(), flow(UDP));
    assert!(matches!(bench.drain().1[..], [SipEvent::Failed { key: ClientKey(1) }]));
}

#[test]
fn responses_that_belong_to_nothing_are_strays() {
    let mut bench = Bench::new();
    let invite = call(&mut bench, 1);
    let foreign = invite.edit().replace(Header::Via, "SIP/2.0/UDP x;branch=z9hG4bKx").build();
    assert!(respond(&mut bench, &foreign, StatusCode::OK, "t").1.is_empty());
    let other_method = invite.edit().replace(Header::CSeq, "1 BYE").build();
    assert!(respond(&mut bench, &other_method, StatusCode::OK, "t").1.is_empty());
    assert_eq!(bench.endpoint.counters().strays, 2);
    let late = Message::response_to(&invite, StatusCode::OK).build();
    bench.command(SipCommand::Respond { key: ServerKey(99), message: late });
    assert_eq!(bench.endpoint.counters().late_responses, 1);
}

/// An OPTIONS of ours of which nobody wants to hear.
fn probe(bench: &mut Bench, key: u64) -> (Vec<Message>, Vec<SipEvent>) {
    let message = Message::request(Method::Options, &"sip:bob@b")
        .header(Header::From, "<sip:a@b>;tag=f")
        .header(Header::To, "<sip:bob@b>")
        .header(Header::CallId, format!("c{key}"))
        .header(Header::CSeq, "1 OPTIONS")
        .build();
    bench.command(SipCommand::Probe { key: ClientKey(key), flow: flow(UDP), message })
}

#[test]
fn a_probe_is_repeated_twice_and_reports_nothing() {
    let mut bench = Bench::new();
    probe(&mut bench, 1);
    let mut at = Vec::new();
    for step in 1..=400_u32 {
        bench.wait(100);
        let (sent, events) = bench.drain();
        assert!(events.is_empty(), "{events:?}");
        at.extend(sent.iter().map(|_| step * 100));
        assert_eq!(bench.endpoint.counters().client_transactions, usize::from(step < 30));
    }
    assert_eq!(at, [500, 1_500]);
    let counters = bench.endpoint.counters();
    assert_eq!((counters.probes, counters.probes_unanswered, counters.timed_out), (1, 1, 0));
}

#[test]
fn a_probe_that_is_answered_is_over_whatever_the_answer() {
    for status in [StatusCode::OK, StatusCode::CALL_DOES_NOT_EXIST, StatusCode::BUSY_HERE] {
        let mut bench = Bench::new();
        let (sent, _) = probe(&mut bench, 1);
        assert_eq!(crate::owner_of(sent[0].via().unwrap().branch().unwrap()), Some(0xfeed));
        let (_, events) = respond(&mut bench, &sent[0], status, "t");
        assert!(events.is_empty(), "{events:?}");
        let counters = bench.endpoint.counters();
        assert_eq!((counters.client_transactions, counters.probes_unanswered, counters.strays), (0, 0, 0));
        assert_eq!(bench.endpoint.deadline(), None);
    }
}

#[test]
fn a_probe_finds_no_room_or_no_way_without_a_word() {
    let mut bench = Bench::limited(Limits { client_transactions: 1, ..Limits::default() });
    probe(&mut bench, 1);
    let (sent, events) = probe(&mut bench, 2);
    assert!(sent.is_empty() && events.is_empty());
    bench.endpoint.transport_failed(bench.now(), flow(UDP));
    assert!(bench.drain().1.is_empty());
    let counters = bench.endpoint.counters();
    assert_eq!((counters.client_transactions, counters.probes_unanswered, counters.refused), (0, 1, 1));
}
