//! Bytes that no phone sends: answered or dropped and counted, and nothing dies.

use std::net::UdpSocket;
use std::time::Duration;

use e2e::{Cluster, Up};
use sip_core::digest::{Login, Secret, respond};
use sip_core::{Message, Method};
use softphone::{AnswerPolicy, CallOptions, Phone};

const SOON: Duration = Duration::from_secs(10);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a socket takes a time-out");
    socket
}

fn answer(socket: &UdpSocket) -> Option<String> {
    let mut buffer = [0; 8192];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// An INVITE of 1001 that lacks only its credentials.
fn invite(up: &Up, socket: &UdpSocket, branch: &str, content_length: &str, body: &str) -> String {
    let (local, server) = (socket.local_addr().expect("a bound socket has an address"), up.cluster.server());
    format!(
        "INVITE sip:1002@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@{server}>;tag=x\r\nTo: <sip:1002@{server}>\r\nCall-ID: {branch}@x\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:1001@{local}>\r\nContent-Type: application/sdp\r\nContent-Length: {content_length}\r\n\r\n{body}"
    )
}

fn call_works(up: &Up) {
    let phone = |user: &str| {
        let mut config = up.phone_config(user);
        config.answer = AnswerPolicy::AnswerAfter { ringing: None };
        let phone = Phone::start(config).expect("a phone starts");
        phone.register(Duration::from_mins(1)).expect("the phone registers");
        phone
    };
    let (caller, callee) = (phone("1001"), phone("1002"));
    let call = caller.call("1002", CallOptions::default()).expect("the INVITE goes out");
    call.wait_answered(SOON).expect("calls still work");
    callee
        .incoming(SOON)
        .expect("the callee is called")
        .wait_media(SOON, |r| r.received > 0)
        .expect("audio flows");
    call.hangup().expect("it is answered");
    call.wait_ended(SOON).expect("BYE is answered");
}

#[test]
fn noise_and_lies_are_dropped_or_answered_and_counted() {
    let up = Cluster::new().up();
    let before = up.sip_node();
    let server = up.cluster.server();
    let socket = socket();

    // 4 KB of noise, from a generator of the test's own so that every run sends the same.
    let mut state = 0x9e37_79b9_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    })
    .take(4096)
    .collect();
    socket.send_to(&noise, server).unwrap();
    let whole = invite(&up, &socket, "cut", "0", "");
    socket.send_to(&whole.as_bytes()[..whole.len() / 2], server).unwrap();
    socket.send_to(&vec![b'A'; 65_507], server).unwrap();
    up.await_metric("voip_sip_malformed_total", |malformed| malformed >= 3.0);

    socket.send_to(invite(&up, &socket, "lie", "9999", "v=0\r\n").as_bytes(), server).unwrap();
    let lie = answer(&socket).expect("a Content-Length beyond the datagram is answered");
    assert!(lie.starts_with("SIP/2.0 400 "), "{lie}");

    assert_eq!(up.sip_node(), before, "sip-node did not die");
    call_works(&up);
    up.closed_cdrs(1);
    up.stop();
}

#[test]
fn an_offer_without_audio_is_refused() {
    let up = Cluster::new().up();
    let callee = up.phone("1002");
    callee.register(Duration::from_mins(1)).unwrap();
    for (name, body) in [
        (
            "video",
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\n",
        ),
        ("text", "this is no session description\r\n"),
    ] {
        let status = authenticated_invite(&up, name, body);
        assert!([400, 488].contains(&status), "{name}: {status}");
    }
    let records = up.closed_cdrs(2);
    assert!(records.iter().all(|record| record["durationMs"] == 0), "{records:?}");
    up.await_idle();
    call_works(&up);
    up.stop();
}

/// Sends an INVITE of 1001 with this body, answers the challenge, and returns the final status.
fn authenticated_invite(up: &Up, branch: &str, body: &str) -> u16 {
    let socket = socket();
    let server = up.cluster.server();
    let length = body.len().to_string();
    let plain = invite(up, &socket, branch, &length, body);
    socket.send_to(plain.as_bytes(), server).unwrap();
    let challenge = answer_with(&socket, 401);
    let challenge = Message::parse(challenge.into_bytes()).expect("sip-node sends SIP");
    let login = Login { user: "1001", secret: Secret::Password("secret-1001") };
    let uri = format!("sip:1002@{server}");
    let (name, value) =
        respond(&challenge, &Method::Invite, &uri, &login, "cnonce", 1).expect("a known algorithm");
    let header = format!("{}: {value}", name.as_str());
    let retry = plain
        .replace("CSeq: 1 INVITE", &format!("CSeq: 2 INVITE\r\n{header}"))
        .replace(&format!("z9hG4bK{branch}"), &format!("z9hG4bK{branch}-2"));
    socket.send_to(retry.as_bytes(), server).unwrap();
    loop {
        let text = answer(&socket).expect("a final answer");
        let status: u16 =
            text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        // Retransmissions of the challenge may still be under way: nobody acknowledged it.
        if status >= 200 && status != 401 {
            return status;
        }
    }
}

fn answer_with(socket: &UdpSocket, status: u16) -> String {
    loop {
        let text = answer(socket).unwrap_or_else(|| panic!("no {status} came"));
        if text.starts_with(&format!("SIP/2.0 {status} ")) {
            return text;
        }
    }
}

#[test]
fn noise_on_a_media_port_is_not_heard() {
    let up = Cluster::new().up();
    let mut config = up.phone_config("1001");
    config.capture = 0;
    let caller = Phone::start(config).unwrap();
    let options = CallOptions { expect: softphone::Expect::Own, ..CallOptions::default() };
    let call = caller.call("*43", options).unwrap();
    call.wait_answered(SOON).unwrap();
    let heard = call.wait_media(SOON, |report| report.received >= 25).unwrap();
    let relay = heard.remote.unwrap();
    let stranger = socket();
    for length in [0, 1, 11, 12, 1500] {
        for first in [0x00, 0x80, 0xbf, 0xff] {
            stranger.send_to(&vec![first; length], relay).unwrap();
        }
    }
    let after = call.wait_media(SOON, |report| report.received >= heard.received + 50).unwrap();
    assert_eq!((after.matches, after.mismatched), (Some(true), 0), "{after:?}");
    call.hangup().unwrap();
    call.wait_ended(SOON).unwrap();
    up.stop();
}
