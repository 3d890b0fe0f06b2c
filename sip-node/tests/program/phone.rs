//! A phone that writes its own SIP, one message at a time, so that tests decide on every byte.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sip_core::digest::{Login, Secret, respond};
use sip_core::{Header, Message, Method, StatusCode};

use crate::node::{LONG, Place, password};

/// An offer or answer, as good as any: the media-node of these tests does not read it.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0\r\n";

pub(crate) struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    pub(crate) user: &'static str,
}

fn fresh() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Phone {
    pub(crate) fn new(place: &Place, user: &'static str) -> Self {
        let socket = UdpSocket::bind((place.host, 0)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self { socket, server: place.sip(), user }
    }

    /// The node has another port than usual, at the same address.
    pub(crate) fn call_port(&mut self, port: u16) {
        self.server.set_port(port);
    }

    /// As behind a forwarded port: what comes from elsewhere than we sent to is not for us.
    pub(crate) fn hear_only_the_server(&self) {
        self.socket.connect(self.server).unwrap();
    }

    /// What it waits for may take longer than usual.
    pub(crate) fn be_patient(&self, limit: Duration) {
        self.socket.set_read_timeout(Some(limit)).unwrap();
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).unwrap();
    }

    pub(crate) fn receive(&self) -> Message {
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).expect("an answer in time");
        buffer.truncate(length);
        Message::parse(Bytes::from(buffer)).unwrap()
    }

    /// The next final response of `method`; provisional ones and retransmissions of others are passed over.
    pub(crate) fn final_response(&self, method: &Method) -> Message {
        loop {
            let message = self.receive();
            if message.is_response() && message.method() == *method && message.status().unwrap().code() >= 200
            {
                return message;
            }
        }
    }

    /// The next request of `method`.
    pub(crate) fn request(&self, method: &Method) -> Message {
        loop {
            let message = self.receive();
            if message.is_request() && message.method() == *method {
                return message;
            }
        }
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.socket.local_addr().unwrap())
    }

    /// The lines that every request has. The branch is fresh.
    pub(crate) fn opening(&self, method: &str, to: &str, call_id: &str, cseq: u32) -> String {
        let (user, host) = (self.user, self.server.ip());
        let uri = if method == "REGISTER" { format!("sip:{host}") } else { format!("sip:{to}@{host}") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{host}>;tag=f{call_id}\r\nTo: <sip:{to}@{host}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: {}\r\n",
            self.socket.local_addr().unwrap(),
            fresh(),
            self.contact(),
        )
    }

    /// Sends a request, answers a challenge, and returns the final response with the Call-ID it was for.
    fn ask(&self, method: &Method, to: &str, rest: &str) -> (Message, String) {
        let call_id = format!("call-{}-{}", self.user, fresh());
        let mut extra = String::new();
        for cseq in 1..=2 {
            let opening = self.opening(&method.to_string(), to, &call_id, cseq);
            self.send(format!("{opening}{extra}{rest}").as_bytes());
            let response = self.final_response(method);
            if *method == Method::Invite && response.status().unwrap().code() >= 300 {
                self.acknowledge_failure(&opening, &response);
            }
            if response.status() != Some(StatusCode::UNAUTHORIZED) {
                return (response, call_id);
            }
            extra = self.credentials(method, to, &response);
        }
        panic!("challenged twice");
    }

    fn credentials(&self, method: &Method, to: &str, challenge: &Message) -> String {
        let host = self.server.ip();
        let uri =
            if *method == Method::Register { format!("sip:{host}") } else { format!("sip:{to}@{host}") };
        let password = password(self.user);
        let login = Login { user: self.user, secret: Secret::Password(&password) };
        let (_, value) = respond(challenge, method, &uri, &login, "0a4f113b", 1).unwrap();
        format!("Authorization: {value}\r\n")
    }

    /// ACK of a failure: same branch as the INVITE (RFC 3261 section 17.1.1.3).
    fn acknowledge_failure(&self, invite: &str, response: &Message) {
        let to = response.text(Header::To).unwrap().into_owned();
        let lines = invite.replacen("INVITE", "ACK", 1).replace(" INVITE\r\n", " ACK\r\n");
        let kept = lines.lines().filter(|line| !line.starts_with("To:") && !line.starts_with("Contact:"));
        let ack: String = kept.flat_map(|line| [line, "\r\n"]).collect();
        self.send(format!("{ack}To: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }

    pub(crate) fn register(&self) -> Message {
        self.ask(&Method::Register, self.user, "Expires: 60\r\nContent-Length: 0\r\n\r\n").0
    }

    /// The first final response to an INVITE that carries [`SDP`], and its Call-ID.
    pub(crate) fn invite(&self, to: &str) -> (Message, String) {
        let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
        self.ask(&Method::Invite, to, &body)
    }

    /// A request inside the dialog that `answer` made.
    pub(crate) fn in_dialog(&self, method: &str, answer: &Message, cseq: u32) {
        let target = answer.contacts().unwrap().first().unwrap().uri.to_string();
        let (from, to) = (answer.text(Header::From).unwrap(), answer.text(Header::To).unwrap());
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            self.socket.local_addr().unwrap(),
            fresh(),
            answer.call_id(),
        );
        self.send(text.as_bytes());
    }

    /// BYE in the dialog that our 200 to `invite` made.
    pub(crate) fn hang_up_on(&self, invite: &Message) {
        let target = invite.contacts().unwrap().first().unwrap().uri.to_string();
        let (from, to) = (invite.text(Header::From).unwrap(), invite.text(Header::To).unwrap());
        let text = format!(
            "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: {to};tag=callee\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            self.socket.local_addr().unwrap(),
            fresh(),
            invite.call_id(),
        );
        self.send(text.as_bytes());
    }

    /// Answers `request`; with [`SDP`] when `body`.
    pub(crate) fn answer(&self, request: &Message, status: StatusCode, body: bool) {
        let mut response =
            Message::response_to(request, status).to_tag("callee").header(Header::Contact, self.contact());
        if body {
            response = response.body("application/sdp", SDP);
        }
        self.send(response.build().bytes());
    }
}
