//! Noise, strangers and requests for calls that are not there.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use softphone::{AnswerPolicy, CallState};

use crate::pair::{AT_ONCE, LONG, Pair, hear_each_other};

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// Sends a request and returns the status line of the first final response.
fn ask(to: SocketAddr, method: &str, extra: &str) -> String {
    let socket = socket();
    let here = socket.local_addr().unwrap();
    let request = format!(
        "{method} sip:1002@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@{here}>;tag=a\r\nTo: <sip:1002@{to}>{extra}\r\nCall-ID: {}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:x@{here}>\r\nContent-Length: 0\r\n\r\n",
        here.port(),
        here.port(),
    );
    socket.send_to(request.as_bytes(), to).unwrap();
    let mut buffer = [0; 4096];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let line = text.lines().next().unwrap().to_owned();
        if !line.starts_with("SIP/2.0 1") {
            return line;
        }
    }
}

#[test]
fn requests_for_what_is_not_there_are_answered_as_the_rfc_says() {
    let pair = Pair::new(AnswerPolicy::RingForever);
    let to = pair.callee.address();
    for (method, extra, expected) in [
        ("OPTIONS", "", "200 OK"),
        ("BYE", ";tag=unknown", "481 Call/Transaction Does Not Exist"),
        ("INVITE", ";tag=unknown", "481 Call/Transaction Does Not Exist"),
        ("BYE", "", "481 Call/Transaction Does Not Exist"),
        ("SUBSCRIBE", "", "405 Method Not Allowed"),
        ("OPTIONS", "\r\nRequire: 100rel", "420 Bad Extension"),
        ("INVITE", "\r\nRequire: nonsense", "420 Bad Extension"),
    ] {
        assert_eq!(ask(to, method, extra), format!("SIP/2.0 {expected}"), "{method} {extra}");
    }
    assert_eq!(pair.caller.options().unwrap(), 200);
}

#[test]
fn noise_on_the_sip_port_harms_nothing() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    let noise = socket();
    for address in [pair.caller.address(), pair.callee.address()] {
        for length in [0, 1, 4, 4096, 60_000] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from((n * 7919 + 13) % 251).unwrap()).collect();
            noise.send_to(&bytes, address).unwrap();
        }
        noise.send_to(b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP", address).unwrap();
        noise.send_to(b"SIP/2.0 200 OK\r\n\r\n", address).unwrap();
    }
    hear_each_other(&here, &there);
    assert_eq!(here.state(), CallState::Answered);
}

#[test]
fn an_invite_with_sdp_that_has_no_audio_is_488() {
    let pair = Pair::new(AT_ONCE);
    let to = pair.callee.address();
    let socket = socket();
    let here = socket.local_addr().unwrap();
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 31\r\n";
    let request = format!(
        "INVITE sip:1002@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKnoaudio\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{here}>;tag=a\r\nTo: <sip:1002@{to}>\r\nCall-ID: no-audio\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    socket.send_to(request.as_bytes(), to).unwrap();
    let mut buffer = [0; 4096];
    let text = loop {
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !text.starts_with("SIP/2.0 100") {
            break text;
        }
    };
    assert!(text.starts_with("SIP/2.0 488"), "{text}");
    assert!(pair.callee.incoming(Duration::from_millis(100)).is_err(), "it never became a call");
}
