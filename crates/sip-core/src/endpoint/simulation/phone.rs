//! A user of an endpoint that calls, answers and keeps a record of what it was told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use super::Action;
use crate::endpoint::{Endpoint, EndpointConfig, Limits, SentBy};
use crate::event::{ClientKey, ServerKey, SipCommand, SipEvent};
use crate::flow::{Flow, ListenerId, Transport};
use crate::message::Message;
use crate::time::Now;
use crate::{Dialog, Header, Host, Method, StatusCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Answered,
    Busy,
    Cancelled,
    Register,
}

/// A request of ours and what became of it.
struct Sent {
    request: Message,
    finals: Vec<Option<StatusCode>>,
}

/// A request of the other's and what became of it.
struct Served {
    request: Message,
    answer: Option<StatusCode>,
    cancelled: u32,
    acked: u32,
    ack_missing: u32,
}

pub(super) struct Phone {
    pub(super) endpoint: Endpoint,
    number: usize,
    made: u64,
    sent: BTreeMap<ClientKey, Sent>,
    served: BTreeMap<ServerKey, Served>,
}

fn address(number: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 5060 + u16::try_from(number).unwrap()).into()
}

/// The way to phone `number`.
pub(super) fn flow_to(number: usize) -> Flow {
    Flow { listener: ListenerId(0), transport: Transport::Udp, remote: address(number), connection: 0 }
}

impl Phone {
    pub(super) fn new(number: usize) -> Self {
        let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
        let sent_by = vec![SentBy { listener: ListenerId(0), host, port: address(number).port() }];
        let seed = [u8::try_from(number).unwrap(); 32];
        let user_agent = "phone".to_owned();
        let config = EndpointConfig { incarnation: 1, seed, sent_by, user_agent, limits: Limits::default() };
        let (sent, served) = (BTreeMap::new(), BTreeMap::new());
        Self { endpoint: Endpoint::new(config), number, made: 0, sent, served }
    }

    fn other(&self) -> Flow {
        flow_to(1 - self.number)
    }

    pub(super) fn start(&mut self, now: Now, scenario: Scenario, call_id: &str) -> ClientKey {
        let user = match scenario {
            Scenario::Answered => "answers",
            Scenario::Busy => "busy",
            Scenario::Cancelled => "rings",
            Scenario::Register => "registers",
        };
        let method = if scenario == Scenario::Register { Method::Register } else { Method::Invite };
        let uri = format!("sip:{user}@127.0.0.1:{}", self.other().remote.port());
        let message = Message::request(method.clone(), &uri)
            .header(Header::From, format!("<sip:{}@phones.example>;tag=f{call_id}", self.number))
            .header(Header::To, format!("<{uri}>"))
            .header(Header::CallId, call_id)
            .header(Header::CSeq, format!("1 {method}"))
            .header(Header::Contact, format!("<sip:{}>", address(self.number)))
            .build();
        self.send(now, message)
    }

    fn send(&mut self, now: Now, message: Message) -> ClientKey {
        self.made += 1;
        let key = ClientKey(self.made);
        self.sent.insert(key, Sent { request: message.clone(), finals: Vec::new() });
        self.endpoint.command(now, SipCommand::Request { key, flow: self.other(), message });
        key
    }

    pub(super) fn act(&mut self, now: Now, action: Action) {
        match action {
            Action::Respond(key, status) => self.respond(now, key, status),
            Action::Cancel(key) => {
                self.endpoint.command(now, SipCommand::Cancel { key, reason: Some("SIP;cause=487".into()) });
            }
            Action::Bye(mut dialog) => {
                let bye = dialog.request(Method::Bye).build();
                self.send(now, bye);
            }
        }
    }

    fn respond(&mut self, now: Now, key: ServerKey, status: StatusCode) {
        let served = self.served.get_mut(&key).unwrap();
        if served.answer.is_some() {
            return;
        }
        if status.is_final() {
            served.answer = Some(status);
        }
        let tag = format!("t{}-{}", self.number, key.0);
        let message = Message::response_to(&served.request, status)
            .to_tag(&tag)
            .header(Header::Contact, format!("<sip:{}>", address(self.number)))
            .build();
        self.endpoint.command(now, SipCommand::Respond { key, message });
    }

    /// What the phone does later because of `event`, and in how many milliseconds.
    pub(super) fn on(&mut self, now: Now, event: SipEvent) -> Vec<(Range<u64>, Action)> {
        match event {
            SipEvent::Request { key, message, .. } => return self.on_request(key, message),
            SipEvent::Acked { key, .. } => self.served.get_mut(&key).unwrap().acked += 1,
            SipEvent::AckMissing { key } => self.served.get_mut(&key).unwrap().ack_missing += 1,
            SipEvent::Cancelled { key, message } => {
                assert_eq!(message.text(Header::Reason).as_deref(), Some("SIP;cause=487"));
                self.served.get_mut(&key).unwrap().cancelled += 1;
                return vec![(0..500, Action::Respond(key, StatusCode::REQUEST_TERMINATED))];
            }
            SipEvent::Response { key, message, .. } => return self.on_response(now, key, &message),
            SipEvent::TimedOut { key } | SipEvent::Failed { key } => {
                self.sent.get_mut(&key).unwrap().finals.push(None);
            }
        }
        Vec::new()
    }

    fn on_request(&mut self, key: ServerKey, request: Message) -> Vec<(Range<u64>, Action)> {
        let uri = request.request_uri().unwrap();
        let plan = match (request.method(), uri.user.as_deref()) {
            (Method::Invite, Some("answers")) => {
                vec![
                    (0..1_000, Action::Respond(key, StatusCode::RINGING)),
                    (0..4_000, Action::Respond(key, StatusCode::OK)),
                ]
            }
            (Method::Invite, Some("busy")) => vec![(0..1_000, Action::Respond(key, StatusCode::BUSY_HERE))],
            // It rings, and is answered at about the time at which the caller gives up.
            (Method::Invite, _) => vec![
                (0..1_000, Action::Respond(key, StatusCode::RINGING)),
                (1_000..6_000, Action::Respond(key, StatusCode::OK)),
            ],
            _ => vec![(0..100, Action::Respond(key, StatusCode::OK))],
        };
        let served = Served { request, answer: None, cancelled: 0, acked: 0, ack_missing: 0 };
        self.served.insert(key, served);
        plan
    }

    fn on_response(&mut self, now: Now, key: ClientKey, response: &Message) -> Vec<(Range<u64>, Action)> {
        let sent = self.sent.get_mut(&key).unwrap();
        let status = response.status().unwrap();
        assert_ne!(status, StatusCode::TRYING, "100 is not reported");
        if status.is_provisional() {
            assert!(sent.finals.is_empty(), "nothing provisional after the end");
            return Vec::new();
        }
        sent.finals.push(Some(status));
        if !status.is_success() || sent.request.method() != Method::Invite {
            return Vec::new();
        }
        let dialog = Dialog::from_response(&sent.request, response).unwrap();
        let ack = dialog.ack(1).build();
        self.endpoint.command(now, SipCommand::Ack { key, flow: self.other(), message: ack });
        vec![(0..5_000, Action::Bye(Box::new(dialog)))]
    }

    /// Requests of ours that got no 2xx.
    pub(super) fn failures(&self) -> usize {
        self.sent
            .values()
            .filter(|sent| !sent.finals.iter().flatten().any(|status| status.is_success()))
            .count()
    }

    pub(super) fn check(&self) {
        for sent in self.sent.values() {
            assert_eq!(sent.finals.len(), 1, "one end for {:?}: {:?}", sent.request, sent.finals);
        }
        let mut seen = std::collections::BTreeSet::new();
        for served in self.served.values() {
            let cseq = served.request.cseq().unwrap();
            assert!(seen.insert((served.request.call_id(), cseq.number)), "{:?} came twice", served.request);
            let success = served.answer.is_some_and(StatusCode::is_success) && cseq.method == Method::Invite;
            assert_eq!(served.acked + served.ack_missing, u32::from(success), "{:?}", served.request);
            assert!(served.cancelled <= 1);
        }
        assert!(self.endpoint.servers.is_empty() && self.endpoint.clients.is_empty());
        assert_eq!(self.endpoint.timers.len(), 0);
        assert_eq!(self.endpoint.counters().malformed, 0);
    }
}
