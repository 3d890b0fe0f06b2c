//! The rules of the transaction layer, one at a time, on one endpoint and by hand.

mod client;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
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
fn a_challenged_request_comes_again_and_is_not_merged() {
    for challenge in [StatusCode::UNAUTHORIZED, StatusCode::PROXY_AUTHENTICATION_REQUIRED] {
        let mut bench = Bench::new();
        let (_, events) = bench.receive(&request("INVITE", "z9hG4bK1", ""));
        assert_eq!(statuses(&bench.answer(&events[0], challenge)), [challenge.code()]);
        bench.receive(&request("ACK", "z9hG4bK1", "x"));
        let (sent, events) = bench.receive(&request("INVITE", "z9hG4bK2", ""));
        assert_eq!((sent.len(), events.len()), (0, 1), "the same CSeq, with credentials");
        let (sent, _) = bench.receive(&request("INVITE", "z9hG4bK3", ""));
        assert_eq!(statuses(&sent), [482], "while that one is served");
    }
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

#[test]
fn no_408_is_sent_to_anything_but_invite() {
    let mut bench = Bench::new();
    let (_, events) = bench.receive(&request("OPTIONS", "z9hG4bK1", ""));
    assert!(bench.answer(&events[0], StatusCode::REQUEST_TIMEOUT).is_empty());
    assert_eq!(bench.endpoint.counters().server_transactions, 0);
}
