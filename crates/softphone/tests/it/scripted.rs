//! A phone against a server that does what no honest one does, or does it at the worst moment.

use std::net::{SocketAddr, UdpSocket};

use sip_core::{Header, Message, MessageBuilder, Method, StatusCode};
use softphone::{Call, CallOptions, CallState, EndedBy, Phone, PhoneConfig, PhoneError, Secret};

use crate::pair::{LONG, config};

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

/// A server without any logic of its own.
struct Server {
    socket: UdpSocket,
}

/// A request and whence it came.
struct Asked {
    message: Message,
    from: SocketAddr,
}

impl Server {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self { socket }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn phone(&self) -> Phone {
        let secret = Secret::Password("secret".into());
        Phone::start(PhoneConfig { secret, ..config("1001", self.address()) }).unwrap()
    }

    fn receive(&self) -> (Message, SocketAddr) {
        let mut buffer = vec![0; 65_535];
        let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
        (Message::parse(buffer[..length].to_vec()).unwrap(), from)
    }

    /// The next request of this method; others are passed over.
    fn next(&self, method: &Method) -> Asked {
        loop {
            let (message, from) = self.receive();
            if message.is_request() && message.method() == *method {
                return Asked { message, from };
            }
        }
    }

    /// The next final response to a request of ours.
    fn next_final(&self) -> Message {
        loop {
            let (message, _) = self.receive();
            if message.status().is_some_and(StatusCode::is_final) {
                return message;
            }
        }
    }

    fn send(&self, to: SocketAddr, message: &Message) {
        self.socket.send_to(message.bytes(), to).unwrap();
    }

    fn reply(&self, asked: &Asked, status: u16, change: impl FnOnce(MessageBuilder) -> MessageBuilder) {
        let builder = Message::response_to(&asked.message, StatusCode::new(status).unwrap());
        self.send(asked.from, &change(builder).build());
    }

    /// 200 with SDP from the branch `tag`.
    fn answer(&self, asked: &Asked, tag: &str) {
        let contact = format!("<sip:far@{}>", self.address());
        self.reply(asked, 200, |b| {
            b.to_tag(tag).header(Header::Contact, contact).body("application/sdp", SDP)
        });
    }

    /// An answered call, its INVITE, and the ACK.
    fn answered(&self, phone: &Phone) -> (Call, Asked, Asked) {
        let call = phone.call("1002", CallOptions::default()).unwrap();
        let invite = self.next(&Method::Invite);
        self.answer(&invite, "a");
        let ack = self.next(&Method::Ack);
        call.wait_answered(LONG).unwrap();
        (call, invite, ack)
    }

    /// A request within the call that `ack` belongs to.
    fn within(&self, ack: &Asked, method: &Method, cseq: u32) -> MessageBuilder {
        let (from, to) = (ack.message.to().unwrap(), ack.message.from().unwrap());
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bK{method}{cseq}", self.address());
        Message::request(method.clone(), &format_args!("sip:1001@{}", ack.from))
            .header(Header::Via, via)
            .header(Header::MaxForwards, 70)
            .header(Header::From, from)
            .header(Header::To, to)
            .header(Header::CallId, ack.message.call_id())
            .header(Header::CSeq, format_args!("{cseq} {method}"))
            .header(Header::Contact, format_args!("<sip:far@{}>", self.address()))
    }
}

#[test]
fn a_second_answer_of_a_forked_call_is_acknowledged_and_ended() {
    let server = Server::new();
    let phone = server.phone();
    let (call, invite, ack) = server.answered(&phone);
    assert_eq!(ack.message.to_tag(), Some("a"));
    server.answer(&invite, "b");
    let ack = server.next(&Method::Ack);
    assert_eq!(ack.message.to_tag(), Some("b"));
    let bye = server.next(&Method::Bye);
    assert_eq!(bye.message.to_tag(), Some("b"));
    server.reply(&bye, 200, |b| b);
    assert_eq!(call.state(), CallState::Answered);
    // The first answer again: its ACK was lost.
    server.answer(&invite, "a");
    assert_eq!(server.next(&Method::Ack).message.to_tag(), Some("a"));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let server = Server::new();
    let phone = server.phone();
    let call = phone.call("1002", CallOptions::default()).unwrap();
    let invite = server.next(&Method::Invite);
    server.reply(&invite, 180, |b| b.to_tag("a"));
    call.wait_ringing(LONG).unwrap();
    call.cancel().unwrap();
    let cancel = server.next(&Method::Cancel);
    server.reply(&cancel, 200, |b| b);
    server.answer(&invite, "a");
    server.next(&Method::Ack);
    let bye = server.next(&Method::Bye);
    server.reply(&bye, 200, |b| b);
    let ended = call.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.status, ended.bye_status), (EndedBy::Local, None, Some(200)));
    assert!(call.wait_answered(LONG).is_err());
}

#[test]
fn requests_within_a_call_follow_contact_and_record_route() {
    let (server, proxy) = (Server::new(), Server::new());
    let phone = server.phone();
    let call = phone.call("1002", CallOptions::default()).unwrap();
    let invite = server.next(&Method::Invite);
    let route = format!("<sip:{};lr>", proxy.address());
    server.reply(&invite, 200, |b| {
        let b =
            b.to_tag("a").header(Header::RecordRoute, &route).header(Header::Contact, "<sip:far@192.0.2.1>");
        b.body("application/sdp", SDP)
    });
    let ack = proxy.next(&Method::Ack);
    assert_eq!(ack.message.request_uri_text(), Some("sip:far@192.0.2.1"));
    assert_eq!(ack.message.text(Header::Route).unwrap(), route);
    call.hangup().unwrap();
    let bye = proxy.next(&Method::Bye);
    proxy.reply(&bye, 200, |b| b);
    assert_eq!(call.wait_ended(LONG).unwrap().bye_status, Some(200));
}

#[test]
fn a_challenged_bye_is_sent_again_with_a_higher_number() {
    let server = Server::new();
    let phone = server.phone();
    let (call, _, _) = server.answered(&phone);
    call.hangup().unwrap();
    let bye = server.next(&Method::Bye);
    let challenge = "Digest realm=\"phones.test\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
    server.reply(&bye, 407, |b| b.header(Header::ProxyAuthenticate, challenge));
    let again = server.next(&Method::Bye);
    assert_eq!(again.message.cseq().unwrap().number, bye.message.cseq().unwrap().number + 1);
    assert!(again.message.header(Header::ProxyAuthorization).is_some());
    server.reply(&again, 200, |b| b);
    assert_eq!(call.wait_ended(LONG).unwrap().bye_status, Some(200));
}

#[test]
fn a_nonce_may_be_stale_once_and_not_for_ever() {
    let server = Server::new();
    let phone = server.phone();
    let challenge = |nonce: u32, stale: bool| {
        format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", stale={stale}")
    };
    for (nonces, good) in [(2, true), (9, false)] {
        let result = std::thread::scope(|scope| {
            let registering = scope.spawn(|| phone.register(LONG));
            // Known credentials are tried first from the second round on.
            for nonce in 0..nonces {
                let register = server.next(&Method::Register);
                server.reply(&register, 401, |b| {
                    b.to_tag("r").header(Header::WwwAuthenticate, challenge(nonce, nonce > 0))
                });
                if registering.is_finished() || (!good && nonce == 2) {
                    break;
                }
            }
            if good {
                let register = server.next(&Method::Register);
                let credentials = register.message.text(Header::Authorization).unwrap();
                assert!(credentials.contains("nonce=\"1\""), "{credentials}");
                server.reply(&register, 200, |b| b.to_tag("r").header(Header::Expires, 3600));
            }
            registering.join().unwrap()
        });
        if good {
            assert_eq!(result.unwrap().as_secs(), 3600);
        } else {
            assert!(matches!(result, Err(PhoneError::WrongCredentials { status: 401, .. })), "{result:?}");
        }
    }
    phone.vanish();
}

#[test]
fn requests_of_the_far_side_are_answered_in_order_and_its_reason_is_told() {
    let server = Server::new();
    let phone = server.phone();
    let (call, _, ack) = server.answered(&phone);
    let ask = |method: Method, cseq, change: &dyn Fn(MessageBuilder) -> MessageBuilder| {
        server.send(ack.from, &change(server.within(&ack, &method, cseq)).build());
        server.next_final().status().map(u16::from)
    };
    assert_eq!(ask(Method::Options, 10, &|b| b), Some(200));
    assert_eq!(ask(Method::Options, 9, &|b| b), Some(500), "the number went back");
    assert_eq!(ask(Method::Info, 11, &|b| b), Some(405));
    assert_eq!(ask(Method::Invite, 12, &|b| b.body("text/plain", "hello")), Some(415));
    assert_eq!(ask(Method::Invite, 13, &|b| b.body("application/sdp", "v=nonsense")), Some(488));
    assert_eq!(call.state(), CallState::Answered);
    let reason = "Q.850;cause=41;text=\"media lost\"";
    assert_eq!(ask(Method::Bye, 14, &|b| b.header(Header::Reason, reason)), Some(200));
    let ended = call.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.reason.as_deref()), (EndedBy::Remote, Some(reason)));
    assert_eq!(ask(Method::Bye, 15, &|b| b), Some(481), "the call is over");
}

#[test]
fn an_answer_without_audio_that_we_can_play_ends_the_call() {
    let server = Server::new();
    let phone = server.phone();
    let call = phone.call("1002", CallOptions::default()).unwrap();
    let invite = server.next(&Method::Invite);
    server.reply(&invite, 200, |b| {
        b.to_tag("a").header(Header::Contact, format!("<sip:far@{}>", server.address()))
    });
    server.next(&Method::Ack);
    let bye = server.next(&Method::Bye);
    server.reply(&bye, 200, |b| b);
    let ended = call.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.phrase.as_str()), (EndedBy::Failure, "SDP: the far side sent no answer"));
}
