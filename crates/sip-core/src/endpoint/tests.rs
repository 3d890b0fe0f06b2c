//! The rules of the transaction layer, one at a time, on one endpoint and by hand.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::event::ServerKey;
use crate::flow::Transport;
use crate::status::StatusCode;
use crate::time::WallTime;

struct Bench {
    endpoint: Endpoint,
    at: Duration,
}

fn flow(transport: Transport) -> Flow {
    Flow { listener: ListenerId(0), transport, remote: (Ipv4Addr::LOCALHOST, 5062).into(), connection: 0 }
}

const UDP: Transport = Transport::Udp;

impl Bench {
    fn new() -> Self {
        Self::limited(Limits::default())
    }

    fn limited(limits: Limits) -> Self {
        let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
        let sent_by = vec![SentBy { listener: ListenerId(0), host, port: 5060 }];
        let user_agent = String::new();
        let config = EndpointConfig { incarnation: 0xfeed, seed: [3; 32], sent_by, user_agent, limits };
        Self { endpoint: Endpoint::new(config), at: Duration::ZERO }
    }

    fn now(&self) -> Now {
        Now { instant: Instant::from_start(self.at), wall: WallTime(0) }
    }

    fn wait(&mut self, millis: u64) {
        self.at += Duration::from_millis(millis);
    }

    fn receive(&mut self, message: &str) -> (Vec<Message>, Vec<SipEvent>) {
        self.receive_on(flow(UDP), message)
    }

    fn receive_on(&mut self, flow: Flow, message: &str) -> (Vec<Message>, Vec<SipEvent>) {
        self.endpoint.receive(self.now(), flow, message.replace('\n', "\r\n"));
        self.drain()
    }

    fn command(&mut self, command: SipCommand) -> (Vec<Message>, Vec<SipEvent>) {
        self.endpoint.command(self.now(), command);
        self.drain()
    }

    fn drain(&mut self) -> (Vec<Message>, Vec<SipEvent>) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.endpoint.poll(self.now()) {
            match output {
                SipOutput::Transmit { bytes, .. } => sent.push(Message::parse(bytes).unwrap()),
                SipOutput::Event(event) => events.push(event),
            }
        }
        (sent, events)
    }

    /// Answers the request of this event.
    fn answer(&mut self, event: &SipEvent, status: StatusCode) -> Vec<Message> {
        let SipEvent::Request { key, message, .. } = event else { panic!("{event:?}") };
        let response = Message::response_to(message, status).build();
        self.command(SipCommand::Respond { key: *key, message: response }).0
    }
}

fn request(method: &str, branch: &str, to_tag: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:bob@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch={branch}\n\
         From: <sip:a@b>;tag=f\nTo: <sip:bob@b>{to_tag}\nCall-ID: c\nCSeq: 1 {method}\nMax-Forwards: 70\n\n"
    )
}

fn statuses(sent: &[Message]) -> Vec<u16> {
    sent.iter().filter_map(|message| message.status().map(StatusCode::code)).collect()
}

#[test]
fn a_request_is_reported_once_and_answered_from_memory() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("OPTIONS", "z9hG4bK1", ""));
    assert!(bench.receive(&request("OPTIONS", "z9hG4bK1", "")).1.is_empty());
    let first = bench.answer(&events[0], StatusCode::OK);
    let (again, events) = bench.receive(&request("OPTIONS", "z9hG4bK1", ""));
    assert!(events.is_empty());
    assert_eq!(first, again);
    assert!(first[0].to_tag().is_some(), "the endpoint adds a tag");
    bench.wait(32_000);
    bench.drain();
    assert_eq!(bench.endpoint.counters().server_transactions, 0);
}

#[test]
fn an_invite_gets_100_after_200_ms_unless_something_was_sent() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
    bench.wait(199);
    assert!(bench.drain().0.is_empty());
    bench.wait(1);
    assert_eq!(statuses(&bench.drain().0), [100]);
    assert_eq!(statuses(&bench.answer(&events[0], StatusCode::RINGING)), [180]);
    assert_eq!(statuses(&bench.receive(&request("INVITE", "z9hG4bK1", "")).0), [180]);
}

#[test]
fn a_2xx_is_repeated_until_its_ack_even_on_streams() {
    for transport in [UDP, Transport::Tcp] {
        let mut bench = Bench::new();
        let (_, events) = bench.receive_on(flow(transport), &request("INVITE", "z9hG4bK1", ""));
        let ok = bench.answer(&events[0], StatusCode::OK);
        let tag = ok[0].to_tag().unwrap().to_owned();
        let mut repeated = 0;
        for _ in 0..100 {
            bench.wait(100);
            repeated += bench.drain().0.len();
        }
        assert_eq!(repeated, 4, "at 0.5, 1.5, 3.5 and 7.5 s");
        let (_, events) = bench.receive(&request("ACK", "z9hG4bKother", &tag));
        assert!(matches!(events[..], [SipEvent::Acked { .. }]));
        assert!(bench.receive(&request("ACK", "z9hG4bKother", &tag)).1.is_empty(), "once");
        bench.wait(22_000);
        assert!(bench.drain().0.is_empty());
        assert_eq!(bench.endpoint.counters().server_transactions, 0);
    }
}

#[test]
fn without_an_ack_the_user_is_told() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
    bench.answer(&events[0], StatusCode::OK);
    bench.wait(32_000);
    assert!(matches!(bench.drain().1[..], [SipEvent::AckMissing { .. }]));
}

#[test]
fn a_failure_is_repeated_until_its_ack_on_datagrams_only() {
    for (transport, expected) in [(UDP, 3), (Transport::Tls, 0)] {
        let mut bench = Bench::new();
        let (_, events) = bench.receive_on(flow(transport), &request("INVITE", "z9hG4bK1", ""));
        bench.answer(&events[0], StatusCode::BUSY_HERE);
        let mut repeated = 0;
        for _ in 0..40 {
            bench.wait(100);
            repeated += bench.drain().0.len();
        }
        assert_eq!(repeated, expected);
        let (sent, events) = bench.receive(&request("ACK", "z9hG4bK1", "x"));
        assert!(sent.is_empty() && events.is_empty(), "no concern of the user's");
        bench.wait(5_000);
        assert!(bench.drain().0.is_empty());
        assert_eq!(bench.endpoint.counters().server_transactions, 0);
    }
}

#[test]
fn a_cancel_is_answered_and_reported_once() {
    let mut bench = Bench::new();
    let (_, invite) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
    let ringing = bench.answer(&invite[0], StatusCode::RINGING);
    let (sent, events) = bench.receive(&request("CANCEL", "z9hG4bK1", ""));
    assert_eq!(statuses(&sent), [200]);
    assert_eq!(sent[0].to_tag(), ringing[0].to_tag(), "section 9.2: the same tag");
    assert!(matches!(events[..], [SipEvent::Cancelled { .. }]));
    let (sent, events) = bench.receive(&request("CANCEL", "z9hG4bK1", ""));
    assert_eq!((statuses(&sent), events.len()), (vec![200], 0));
    assert_eq!(statuses(&bench.answer(&invite[0], StatusCode::REQUEST_TERMINATED)), [487]);
    assert_eq!(statuses(&bench.receive(&request("CANCEL", "z9hG4bKunknown", "")).0), [481]);
}

#[test]
fn a_cancel_after_the_answer_has_no_effect() {
    let mut bench = Bench::new();
    let (_, invite) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
    bench.answer(&invite[0], StatusCode::OK);
    let (sent, events) = bench.receive(&request("CANCEL", "z9hG4bK1", ""));
    assert_eq!((statuses(&sent), events.len()), (vec![200], 0));
}

#[test]
fn the_same_request_on_another_way_is_merged() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", "z9hG4bK1", ""));
    let (sent, events) = bench.receive(&request("INVITE", "z9hG4bK2", ""));
    assert_eq!((statuses(&sent), events.len()), (vec![482], 0));
    assert_eq!(bench.receive(&request("INVITE", "z9hG4bK3", "tag")).1.len(), 1, "in a dialog it is no merge");
}

#[test]
fn branches_without_the_cookie_are_matched_as_rfc_2543_did() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("INVITE", "1", ""));
    assert!(bench.receive(&request("INVITE", "1", "")).1.is_empty());
    bench.answer(&events[0], StatusCode::BUSY_HERE);
    bench.receive(&request("ACK", "1", "x"));
    bench.wait(5_000);
    bench.drain();
    assert_eq!(bench.endpoint.counters().server_transactions, 0);
    let other_call = request("INVITE", "1", "").replace("Call-ID: c", "Call-ID: d");
    assert_eq!(bench.receive(&other_call).1.len(), 1);
}

#[test]
fn a_full_table_sheds_and_says_when_to_come_again() {
    let mut bench = Bench::limited(Limits { server_transactions: 1, client_transactions: 0 });
    let (_, kept) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
    for number in 0..100 {
        let shed = request("INVITE", &format!("z9hG4bKx{number}"), "").replace("Call-ID: c", "Call-ID: d");
        let (sent, events) = bench.receive(&shed);
        assert_eq!((statuses(&sent), events.len()), (vec![503], 0));
        assert!(sent[0].header(Header::RetryAfter).is_some());
    }
    let counters = bench.endpoint.counters();
    assert_eq!((counters.shed, counters.server_transactions), (100, 1));
    assert_eq!(
        statuses(&bench.receive(&request("CANCEL", "z9hG4bK1", "")).0),
        [200],
        "the kept one still works"
    );
    assert_eq!(statuses(&bench.answer(&kept[0], StatusCode::REQUEST_TERMINATED)), [487]);
    let message = Message::request(Method::Options, &"sip:a@b").build();
    let (_, events) = bench.command(SipCommand::Request { key: ClientKey(1), flow: flow(UDP), message });
    assert!(matches!(events[..], [SipEvent::Failed { key: ClientKey(1) }]));
    assert_eq!(bench.endpoint.counters().refused, 1);
}

#[test]
fn what_is_malformed_is_counted_and_answered_if_possible() {
    let mut bench = Bench::new();
    let cases = [
        (request("INVITE", "z9hG4bK1", "").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), vec![400]),
        (request("INVITE", "z9hG4bK1", "").replace("\n\n", "\nContent-Length: 10\n\n"), vec![400]),
        (request("INVITE", "z9hG4bK1", "").replace("SIP/2.0\n", "SIP/7.0\n"), vec![505]),
        (request("ACK", "z9hG4bK1", "").replace("CSeq: 1 ACK", "CSeq: 1 BYE"), vec![]),
        (request("INVITE", "z9hG4bK1", "").replace("Via: SIP", "Via: SAP"), vec![]),
        (request("INVITE", "z9hG4bK1", "").replace("Call-ID: c\n", ""), vec![400]),
        ("SIP/2.0 200 OK\nContent-Length: 7\n\n".to_owned(), vec![]),
        ("noise".to_owned(), vec![]),
    ];
    let count = cases.len();
    for (message, expected) in cases {
        let (sent, events) = bench.receive(&message);
        assert_eq!((statuses(&sent), events.len()), (expected, 0), "{message}");
    }
    assert_eq!(bench.endpoint.counters().malformed, count as u64);
    bench.receive("\n\n");
    assert_eq!(bench.endpoint.counters().keep_alives, 1);
}

#[test]
fn responses_go_where_the_request_came_from() {
    // Via of the request, where its response goes, Via in the response.
    let cases = [
        (
            "10.0.0.1:5060;rport;branch=z9hG4bKa",
            "192.0.2.1:4000",
            "10.0.0.1:5060;rport=4000;branch=z9hG4bKa;received=192.0.2.1",
        ),
        // Section 18.2.2: no rport, and the address is true.
        ("192.0.2.1:5070;branch=z9hG4bKb", "192.0.2.1:5070", "192.0.2.1:5070;branch=z9hG4bKb"),
        // Behind a NAT.
        ("10.0.0.1;branch=z9hG4bKc", "192.0.2.1:4000", "10.0.0.1;branch=z9hG4bKc;received=192.0.2.1"),
    ];
    for (via, expected, noted) in cases {
        let mut bench = Bench::new();
        let message = request("OPTIONS", "z", "").replace("127.0.0.1:5062;branch=z", via);
        let from = Flow { remote: "192.0.2.1:4000".parse().unwrap(), ..flow(UDP) };
        let (_, events) = bench.receive_on(from, &message);
        let SipEvent::Request { key, flow, message } = &events[0] else { panic!("{events:?}") };
        assert_eq!(*flow, from);
        let message = Message::response_to(message, StatusCode::OK).build();
        assert_eq!(message.text(Header::Via).unwrap(), format!("SIP/2.0/UDP {noted}"));
        bench.endpoint.command(bench.now(), SipCommand::Respond { key: *key, message });
        let Some(SipOutput::Transmit { flow, .. }) = bench.endpoint.poll(bench.now()) else {
            panic!("no answer")
        };
        assert_eq!(flow.remote.to_string(), expected);
    }
}

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

#[test]
fn no_408_is_sent_to_anything_but_invite() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("OPTIONS", "z9hG4bK1", ""));
    assert!(bench.answer(&events[0], StatusCode::REQUEST_TIMEOUT).is_empty());
    assert_eq!(bench.endpoint.counters().server_transactions, 0);
}
