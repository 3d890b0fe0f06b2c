//! A phone: the transaction layer of `sip-core`, one line, and buttons that a test presses. What it does by itself is
//! said in `phone_reactions`.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;
use media_core::g711::Law;
use media_core::ua::AudioEnd;
use sip_core::endpoint::{Endpoint, EndpointConfig, SentBy};
use sip_core::message::MessageBuilder;
use sip_core::{
    ClientKey, Dialog, Flow, Header, ListenerId, Message, Method, Now, ServerKey, SipCommand, SipOutput,
    StatusCode, TokenSource, Transport, Uri,
};
use voip_contract::media::Direction;

pub(crate) const DOMAIN: &str = "sip.example.com";

/// What a phone does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// 180, and waits for [`Phone::answer`] and its like.
    Ring,
    /// 183 with an answer, and waits.
    Early,
    /// 180, then 200.
    Answer,
    /// Refuses.
    Reject(u16),
    /// Nothing, but for the 100 of its transaction layer.
    Ignore,
}

/// A call of the phone.
pub(crate) struct Line {
    pub(crate) dialog: Option<Dialog>,
    pub(super) invite: Message,
    pub(super) server: Option<ServerKey>,
    pub(crate) client: Option<ClientKey>,
    pub(crate) audio: AudioEnd,
    pub(crate) confirmed: bool,
    pub(super) tag: String,
    /// Our last body was an offer.
    pub(super) offered: bool,
    pub(super) withdrawn: bool,
}

pub(crate) struct Phone {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) address: SocketAddr,
    pub(crate) contact: String,
    pub(super) server: SocketAddr,
    pub(super) endpoint: Endpoint,
    pub(super) tokens: TokenSource,
    next: u64,
    pub(crate) reaction: Reaction,
    /// Status for re-INVITEs.
    pub(crate) on_reinvite: u16,
    /// Whether 2xx are acknowledged.
    pub(crate) acknowledges: bool,
    /// Whether the INVITE goes out without a body.
    pub(crate) late_offer: bool,
    /// Expires of the INVITE.
    pub(crate) expires: Option<u32>,
    pub(crate) line: Option<Line>,
    /// Everything that came, in order.
    pub(crate) got: Vec<Message>,
    pub(super) sent: HashMap<ClientKey, Message>,
    /// Outcomes of INVITEs: 408 for one that timed out.
    pub(crate) invites: HashMap<ClientKey, Vec<u16>>,
    pub(super) register_cseq: u32,
    /// Gone: neither sends nor receives.
    pub(crate) dead: bool,
}

impl Phone {
    pub(crate) fn new(user: &str, address: SocketAddr, server: SocketAddr, seed: u8) -> Self {
        let config = EndpointConfig {
            incarnation: u64::from(seed),
            seed: [seed; 32],
            sent_by: vec![SentBy {
                listener: ListenerId(0),
                host: address.ip().into(),
                port: address.port(),
            }],
            user_agent: "phone".to_owned(),
            limits: sip_core::endpoint::Limits::default(),
        };
        Self {
            user: user.to_owned(),
            password: format!("secret-{user}"),
            contact: format!("sip:{user}@{address}"),
            address,
            server,
            endpoint: Endpoint::new(config),
            tokens: TokenSource::new([seed ^ 0xff; 32], u64::from(seed)),
            next: 0,
            reaction: Reaction::Ring,
            on_reinvite: 200,
            acknowledges: true,
            late_offer: false,
            expires: None,
            line: None,
            got: Vec::new(),
            sent: HashMap::new(),
            invites: HashMap::new(),
            register_cseq: 0,
            dead: false,
        }
    }

    pub(crate) fn receive(&mut self, now: Now, bytes: Bytes) {
        if !self.dead {
            self.endpoint.receive(now, self.flow(), bytes);
        }
    }

    pub(crate) fn deadline(&self) -> Option<sip_core::Instant> {
        self.endpoint.deadline()
    }

    pub(crate) fn transactions(&self) -> usize {
        let counters = self.endpoint.counters();
        counters.server_transactions + counters.client_transactions
    }

    /// Datagrams to send, after everything that is due was done.
    pub(crate) fn poll(&mut self, now: Now) -> Vec<Bytes> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.endpoint.poll(now) {
            match output {
                SipOutput::Transmit { bytes, .. } if self.dead => drop(bytes),
                SipOutput::Transmit { bytes, .. } => datagrams.push(bytes),
                SipOutput::Event(event) => self.on(now, event),
            }
        }
        datagrams
    }

    /// Statuses of the responses to that method, provisional ones too.
    pub(crate) fn statuses(&self, method: &Method) -> Vec<u16> {
        let of_method = |m: &&Message| m.is_response() && m.method() == *method;
        self.got.iter().filter(of_method).filter_map(Message::status).map(StatusCode::code).collect()
    }

    /// The last final status of an INVITE.
    pub(crate) fn outcome(&self) -> Option<u16> {
        self.statuses(&Method::Invite).into_iter().rev().find(|status| *status >= 200)
    }

    /// Requests of that method that came.
    pub(crate) fn requests(&self, method: &Method) -> Vec<&Message> {
        self.got.iter().filter(|m| m.is_request() && m.method() == *method).collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.line.is_none()
    }

    pub(crate) fn is_talking(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.confirmed)
    }

    pub(crate) fn register(&mut self, now: Now, contact: &str, extra: &[(Header, &str)]) {
        let (user, call_id) = (self.user.clone(), format!("register-{}", self.address));
        self.register_cseq += 1;
        let mut builder = Message::request(Method::Register, &format!("sip:{DOMAIN}"))
            .header(Header::From, format!("<sip:{user}@{DOMAIN}>;tag={}", self.tokens.token()))
            .header(Header::To, format!("<sip:{user}@{DOMAIN}>"))
            .header(Header::CallId, call_id)
            .header(Header::CSeq, format!("{} REGISTER", self.register_cseq));
        if !contact.is_empty() {
            builder = builder.header(Header::Contact, contact);
        }
        for (name, value) in extra {
            builder = builder.header(*name, value);
        }
        self.send(now, builder.build());
    }

    pub(crate) fn invite(&mut self, now: Now, number: &str) {
        let tag = self.tokens.token();
        let mut audio = AudioEnd::new(7, self.address.ip(), 40_000, &[Law::Ulaw, Law::Alaw]);
        let mut builder = Message::request(Method::Invite, &format!("sip:{number}@{DOMAIN}"))
            .header(Header::From, format!("\"Phone\" <sip:{}@{DOMAIN}>;tag={tag}", self.user))
            .header(Header::To, format!("<sip:{number}@{DOMAIN}>"))
            .header(Header::CallId, self.tokens.token())
            .header(Header::CSeq, "1 INVITE")
            .header(Header::Contact, format!("<{}>", self.contact));
        if let Some(seconds) = self.expires {
            builder = builder.header(Header::Expires, seconds);
        }
        if !self.late_offer {
            builder = builder.body("application/sdp", audio.offer(Direction::SendRecv));
        }
        let invite = builder.build();
        let key = self.send(now, invite.clone());
        self.line = Some(Line {
            dialog: None,
            invite,
            server: None,
            client: Some(key),
            audio,
            confirmed: false,
            tag,
            offered: !self.late_offer,
            withdrawn: false,
        });
    }

    pub(crate) fn cancel(&mut self, now: Now) {
        let Some(line) = &mut self.line else { return };
        line.withdrawn = true;
        if let Some(key) = line.client {
            self.endpoint.command(now, SipCommand::Cancel { key, reason: None });
        }
    }

    /// Answers the call that rings.
    pub(crate) fn answer(&mut self, now: Now) {
        let Some(line) = &mut self.line else { return };
        let Some(key) = line.server.take() else { return };
        let body = line.describe(&line.invite.clone());
        let ok = self.response(StatusCode::OK).body("application/sdp", body).build();
        self.respond(now, key, ok);
    }

    pub(crate) fn reject(&mut self, now: Now, status: u16) {
        let Some(key) = self.line.as_mut().and_then(|line| line.server.take()) else { return };
        let failure = self.response(StatusCode::new(status).unwrap()).build();
        self.respond(now, key, failure);
        self.line = None;
    }

    pub(crate) fn early_media(&mut self, now: Now) {
        let Some(line) = &mut self.line else { return };
        let Some(key) = line.server else { return };
        let body = line.describe(&line.invite.clone());
        let progress = self.response(StatusCode::SESSION_PROGRESS).body("application/sdp", body).build();
        self.respond(now, key, progress);
    }

    pub(crate) fn hang_up(&mut self, now: Now, reason: Option<&str>) {
        let Some(mut line) = self.line.take() else { return };
        let Some(dialog) = &mut line.dialog else { return };
        let mut bye = dialog.request(Method::Bye);
        if let Some(reason) = reason {
            bye = bye.header(Header::Reason, reason);
        }
        let bye = bye.build();
        self.send(now, bye);
    }

    pub(crate) fn reinvite(&mut self, now: Now, direction: Option<Direction>) {
        let contact = self.contact.clone();
        let Some(line) = &mut self.line else { return };
        let Some(dialog) = &mut line.dialog else { return };
        let mut builder = dialog.request(Method::Invite).header(Header::Contact, format!("<{contact}>"));
        line.offered = direction.is_some();
        if let Some(direction) = direction {
            builder = builder.body("application/sdp", line.audio.offer(direction));
        }
        let key = self.send(now, builder.build());
        if let Some(line) = &mut self.line {
            line.client = Some(key);
        }
    }

    pub(crate) fn info(&mut self, now: Now, body: &str) {
        let Some(dialog) = self.line.as_mut().and_then(|line| line.dialog.as_mut()) else { return };
        let info = dialog.request(Method::Info).body("application/dtmf-relay", body.to_owned()).build();
        self.send(now, info);
    }

    /// A request of the dialog that the phone has no button for.
    pub(crate) fn within(&mut self, now: Now, method: Method) {
        let Some(dialog) = self.line.as_mut().and_then(|line| line.dialog.as_mut()) else { return };
        let request = dialog.request(method).build();
        self.send(now, request);
    }

    /// Sends a request outside any dialog as it is, but for what every request needs.
    pub(crate) fn outside(&mut self, now: Now, method: Method, uri: &str, extra: &[(Header, &str)]) {
        let cseq = format!("1 {method}");
        let mut builder = Message::request(method, &uri)
            .header(Header::From, format!("<sip:{}@{DOMAIN}>;tag={}", self.user, self.tokens.token()))
            .header(Header::To, format!("<{uri}>"))
            .header(Header::CallId, self.tokens.token())
            .header(Header::CSeq, cseq);
        for (name, value) in extra {
            builder = builder.replace(*name, value);
        }
        self.send(now, builder.build());
    }

    pub(super) fn flow(&self) -> Flow {
        Flow { listener: ListenerId(0), transport: Transport::Udp, remote: self.server, connection: 0 }
    }

    pub(crate) fn send(&mut self, now: Now, message: Message) -> ClientKey {
        self.next += 1;
        let key = ClientKey(self.next);
        self.sent.insert(key, message.clone());
        if message.method() == Method::Invite {
            self.invites.insert(key, Vec::new());
        }
        self.endpoint.command(now, SipCommand::Request { key, flow: self.flow(), message });
        key
    }

    pub(super) fn respond(&mut self, now: Now, key: ServerKey, message: Message) {
        self.endpoint.command(now, SipCommand::Respond { key, message });
    }

    pub(super) fn response(&self, status: StatusCode) -> MessageBuilder {
        let line = self.line.as_ref().unwrap();
        Message::response_to(&line.invite, status)
            .to_tag(&line.tag)
            .header(Header::Contact, format!("<{}>", self.contact))
    }
}

impl Line {
    /// Our body in reply to a request: an answer, or an offer when it had none.
    pub(super) fn describe(&mut self, request: &Message) -> Vec<u8> {
        let source = Uri::parse(request.request_uri_text().unwrap()).unwrap().host.ip();
        let source = source.unwrap_or(std::net::Ipv4Addr::LOCALHOST.into());
        self.offered = request.body().is_empty();
        if self.offered {
            return self.audio.offer(Direction::SendRecv);
        }
        self.audio
            .answer(request.body(), source, Direction::SendRecv)
            .expect("an offer that can be answered")
            .0
    }
}
