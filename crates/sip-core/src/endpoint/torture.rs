//! The torture messages of RFC 4475, written anew from what the RFC says of each, against a whole endpoint.
//!
//! What is left to the user of the endpoint (416, 420, 483, 401) is reported here.

use std::net::Ipv4Addr;

use super::*;
use crate::digest::{Authenticator, Verdict};
use crate::flow::Transport;

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Reported,
    Answered(u16),
    Dropped,
}

fn suffer(bytes: &[u8]) -> (Fate, Option<Message>) {
    let host = Host::Ip(Ipv4Addr::LOCALHOST.into());
    let sent_by = vec![SentBy { listener: ListenerId(0), host, port: 5060 }];
    let user_agent = String::new();
    let limits = Limits::default();
    let mut endpoint =
        Endpoint::new(EndpointConfig { incarnation: 1, seed: [0; 32], sent_by, user_agent, limits });
    let remote = (Ipv4Addr::LOCALHOST, 5070).into();
    let flow = Flow { listener: ListenerId(0), transport: Transport::Udp, remote, connection: 0 };
    endpoint.receive(Now::default(), flow, bytes.to_vec());
    let fate = match endpoint.poll(Now::default()) {
        Some(SipOutput::Event(SipEvent::Request { message, .. })) => return (Fate::Reported, Some(message)),
        Some(SipOutput::Transmit { bytes, .. }) => {
            Fate::Answered(Message::parse(bytes).unwrap().status().unwrap().code())
        }
        Some(other) => panic!("{other:?}"),
        None => Fate::Dropped,
    };
    assert!(endpoint.poll(Now::default()).is_none());
    (fate, None)
}

fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn fate(text: &str) -> Fate {
    suffer(&wire(text)).0
}

fn reported(bytes: &[u8]) -> Message {
    match suffer(bytes) {
        (Fate::Reported, Some(message)) => message,
        (fate, _) => panic!("{fate:?}: {}", String::from_utf8_lossy(bytes)),
    }
}

/// A good request with some of its lines replaced or added.
fn request(method: &str, uri: &str, changes: &[(&str, &str)]) -> String {
    let cseq = format!("1 {method}");
    let mut fields = vec![
        ("Via", "SIP/2.0/UDP host.example.com;branch=z9hG4bKtorture"),
        ("To", "sip:user@example.com"),
        ("From", "<sip:caller@example.net>;tag=342310"),
        ("Call-ID", "torture.8721364"),
        ("CSeq", cseq.as_str()),
        ("Max-Forwards", "70"),
        ("Contact", "<sip:caller@host.example.net>"),
        ("Content-Length", "0"),
    ];
    for (name, value) in changes {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    let lines: Vec<String> = fields
        .iter()
        .filter(|(_, value)| *value != "-")
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    format!("{method} {uri} SIP/2.0\n{}\n", lines.concat())
}

const URI: &str = "sip:user@example.com";

#[test]
fn a_short_tortuous_invite() {
    let message = reported(&wire(
        "INVITE sip:vivek@example.com;unknownparam SIP/2.0\nTO :\n sip:vivek@example.com ;   tag    = 1918n\n\
         from   : \"J Ros \\\\\\\"\"       <sip:jros@example.com>\n  ;\n  tag = 98as\nMaX-fOrWaRdS: 0068\n\
         Call-ID: wsinv.ndaks@192.0.2.1\nContent-Length   : 4\ncseq: 0009\n  INVITE\n\
         Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;rport;branch=390skd\ns :\nNewFangled:   new\n continued UTF-8 ø\n \
         more;;,,%%\nContent-Type: application/sdp\nRoute:\n <sip:services.example.com;lr;unknownwith=value>\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ik  ,\n SIP  /    2.0   / UDP  \
         192.0.2.3   ; branch=\n z9hG4bK30\nm:\"Quoted string \\\"\\\"\" <sip:jros@example.com> ; newparam =\n \
         newvalue ;\n  secondparam ; q = 0.33\n\nv=0\n",
    ));
    assert_eq!(
        (message.to_tag(), message.from_tag(), message.max_forwards()),
        (Some("1918n"), Some("98as"), Some(68))
    );
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.from().unwrap().display_name, "J Ros \\\"");
    assert_eq!(message.list(Header::Via).count(), 3);
    assert_eq!(message.text(Header::Subject).unwrap(), "");
    let contacts = message.contacts().unwrap();
    let contact = contacts.first().unwrap();
    assert_eq!(
        (contact.display_name.as_str(), contact.params.get("q")),
        ("Quoted string \"\"", Some("0.33"))
    );
    assert_eq!(message.body(), b"v=0\r");
}

#[test]
fn a_wide_range_of_valid_characters() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";
    let message = reported(&wire(&request(
        method,
        uri,
        &[
            ("Via", "SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~"),
            ("To", "\"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~@example.com>"),
            (
                "From",
                "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\";tag=_t~1'+`*%!-.",
            ),
            ("extensionHeader-!.%*+_`'~", "\u{fb01}\u{4e00}"),
        ],
    )));
    assert_eq!(message.method().as_str(), method);
    assert_eq!(message.request_uri().unwrap().to_string(), uri);
    assert_eq!(
        message.request_uri().unwrap().password.as_deref(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    assert_eq!(message.from_tag(), Some("_t~1'+`*%!-."));
    assert_eq!(message.to().unwrap().display_name, "BEL:\u{7} NUL:\u{0} DEL:\u{7f}");
}

#[test]
fn escapes() {
    let message = reported(&wire(&request(
        "INVITE",
        "sip:sips%3Auser%40example.com@example.net",
        &[
            ("To", "sip:%75se%72@example.com"),
            ("Contact", "<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>"),
        ],
    )));
    assert_eq!(message.request_uri().unwrap().username().as_deref(), Some("sips:user@example.com"));
    assert_eq!(message.to().unwrap().uri.username().as_deref(), Some("user"));
    let null =
        reported(&wire(&request("REGISTER", "sip:example.com", &[("To", "sip:null-%00-null@example.com")])));
    assert_eq!(null.to().unwrap().uri.username().as_deref(), Some("null-\0-null"));
    let method = reported(&wire(&request(
        "RE%47IST%45R",
        "sip:registrar.example.com",
        &[("To", "\"%Z%45\" <sip:r@example.com>")],
    )));
    assert_eq!(method.method(), Method::Other("RE%47IST%45R".into()), "no REGISTER");
    assert_eq!(method.to().unwrap().display_name, "%Z%45");
}

#[test]
fn no_space_before_an_angle_bracket_and_a_semicolon_in_the_user_part() {
    let message = reported(&wire(&request(
        "OPTIONS",
        "sip:user;par=u%40example.net@example.com",
        &[("From", "caller<sip:caller@example.com>;tag=323")],
    )));
    assert_eq!(message.from().unwrap().display_name, "caller");
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.username().as_deref(), Some("user;par=u@example.net"));
    assert!(uri.params.is_empty());
}

#[test]
fn long_values() {
    let long = "long".repeat(200);
    let vias: Vec<String> = (1..34)
        .map(|n| format!("Via: SIP/2.0/TCP h{n}.{}.example;branch=z9hG4bK{n}{long}\n", "a".repeat(40)))
        .collect();
    let text = request(
        "INVITE",
        URI,
        &[("To", &format!("\"{long}\" <sip:{long}@example.com>")), ("Call-ID", &long)],
    )
    .replace("Content-Length", &format!("{}unknown{long}: {long}\nContent-Length", vias.concat()));
    let message = reported(&wire(&text));
    assert_eq!(message.list(Header::Via).count(), 34);
    assert_eq!(message.call_id(), long);
}

#[test]
fn what_follows_the_declared_length_is_dropped() {
    let text = request("REGISTER", "sip:example.com", &[]) + &request("INVITE", URI, &[]);
    assert!(reported(&wire(&text)).body().is_empty());
}

#[test]
fn varied_and_unknown_transports() {
    let vias = "SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdj, SIP/2.0/SCTP t2.example.com;branch=z9hG4bKk, \
        SIP/2.0/TLS t3.example.com;branch=z9hG4bK2, SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bK3, SIP/2.0/TCP t5";
    assert_eq!(reported(&wire(&request("OPTIONS", URI, &[("Via", vias)]))).list(Header::Via).count(), 5);
}

#[test]
fn a_multipart_body_with_binary_parts() {
    let body =
        b"--7a9cbec0\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n\xfe--7a9cbec0--\r\n";
    let length = body.len().to_string();
    let changes =
        [("Content-Type", "multipart/mixed;boundary=7a9cbec0"), ("Content-Length", length.as_str())];
    let mut bytes = wire(&request("MESSAGE", "sip:kumiko@example.org", &changes));
    bytes.extend_from_slice(body);
    assert_eq!(reported(&bytes).body(), body);
}

#[test]
fn reason_phrases_of_other_alphabets_and_none() {
    let rest = "\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nCall-ID: c\nCSeq: 35 INVITE\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\n\n";
    let phrase = "= 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}";
    let message = Message::parse(wire(&format!("SIP/2.0 200 {phrase}{rest}"))).unwrap();
    assert_eq!((message.validate(), message.reason_phrase().as_ref()), (Ok(()), phrase));
    let message = Message::parse(wire(&format!("SIP/2.0 100 {rest}"))).unwrap();
    assert_eq!((message.validate(), message.reason_phrase().as_ref()), (Ok(()), ""));
}

#[test]
fn malformed_requests_get_400() {
    let cases = [
        ("extra separators", request("INVITE", URI, &[("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,")])),
        ("length beyond the datagram", request("INVITE", URI, &[("Content-Length", "9999")])),
        ("negative length", request("INVITE", URI, &[("Content-Length", "-999")])),
        (
            "scalars out of range",
            request("REGISTER", URI, &[("CSeq", "36893488147419103232 REGISTER"), ("Max-Forwards", "300")]),
        ),
        ("quote not closed", request("INVITE", URI, &[("To", "\"Mr. J. User <sip:j.user@example.com>")])),
        ("brackets around the Request-URI", request("INVITE", "<sip:user@example.com>", &[])),
        ("white space in the Request-URI", request("INVITE", "sip:user@example.com; lr", &[])),
        ("two spaces in the start line", request("INVITE", " sip:user@example.com ", &[])),
        ("space after the start line", request("OPTIONS", URI, &[]).replacen("SIP/2.0\n", "SIP/2.0  \n", 1)),
        (
            "headers in the Request-URI",
            request("INVITE", "sip:user@example.com?Route=%3Csip:example.com%3E", &[]),
        ),
        (
            "bare Contact with headers",
            request("REGISTER", URI, &[("Contact", "sip:user@example.com?Route=%3Csip:s.example.com%3E")]),
        ),
        (
            "spaces in an addr-spec",
            request("OPTIONS", URI, &[("To", "\"Watson, Thomas\" < sip:t.watson@example.org >")]),
        ),
        ("CSeq of another method", request("OPTIONS", URI, &[("CSeq", "8 INVITE")])),
        ("CSeq of another unknown method", request("NEWMETHOD", URI, &[("CSeq", "8 INVITE")])),
        ("missing fields", request("INVITE", URI, &[("To", "-"), ("From", "-"), ("Call-ID", "-")])),
        (
            "fields twice",
            request("INVITE", URI, &[])
                .replace("Call-ID:", "CSeq: 59 INVITE\nFrom: sip:x@y;tag=1\nCall-ID: x\nCall-ID:"),
        ),
        ("two lengths", request("OPTIONS", URI, &[("l", "5")])),
    ];
    for (name, text) in cases {
        assert_eq!(fate(&text), Fate::Answered(400), "{name}");
    }
    let version = request("OPTIONS", URI, &[("Via", "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdj")]);
    assert_eq!(fate(&version.replacen("SIP/2.0\n", "SIP/7.0\n", 1)), Fate::Answered(505));
}

#[test]
fn malformed_and_foreign_responses_are_dropped() {
    let rest = "\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nCall-ID: c\nCSeq: 1 OPTIONS\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\n\n";
    for text in [
        format!("SIP/2.0 503 Service Unavailable{rest}").replace("CSeq: 1 ", "CSeq: 9292394834772304023312 "),
        format!("SIP/2.0 4294967301 better not break the receiver{rest}"),
        format!("SIP/2.0 200 OK{rest}").replace("192.0.2.1", "255.255.255.255"),
    ] {
        assert_eq!(fate(&text), Fate::Dropped, "{text}");
    }
}

#[test]
fn what_looks_odd_but_is_not_ours_to_refuse_is_reported() {
    let cases = [
        ("bad date", request("INVITE", URI, &[("Date", "Fri, 01 Jan 2010 16:00:00 EST")])),
        (
            "display name that should be quoted",
            request("OPTIONS", URI, &[("From", "Bell, Alexander <sip:a@example.com>;tag=43")]),
        ),
        (
            "branch without a rest",
            request("OPTIONS", URI, &[("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK")]),
        ),
        ("unknown scheme", request("OPTIONS", "nobodyKnowsThisScheme:totallyopaquecontent", &[])),
        ("known but strange scheme", request("OPTIONS", "soap.beep://192.0.2.103:3002", &[])),
        (
            "strange schemes in fields",
            request(
                "REGISTER",
                "sip:example.com",
                &[
                    ("To", "isbn:2983792873"),
                    ("From", "<http://www.example.com>;tag=3"),
                    ("Contact", "<name:John_Smith>"),
                ],
            ),
        ),
        (
            "unknown extension",
            request("OPTIONS", URI, &[("Require", "nothingSupportsThis, nothingSupportsThisEither")]),
        ),
        ("unknown type", request("INVITE", URI, &[("Content-Type", "application/unknownformat")])),
        ("no hops left", request("OPTIONS", URI, &[("Max-Forwards", "0")])),
        (
            "unknown Contact parameter",
            request("REGISTER", "sip:example.com", &[("Contact", "sip:user@example.com;unknownparam")]),
        ),
        (
            "unknown URI parameter",
            request("REGISTER", "sip:example.com", &[("Contact", "<sip:user@example.com;unknownparam>")]),
        ),
        (
            "headers in a Contact",
            request(
                "REGISTER",
                "sip:example.com",
                &[("Contact", "<sip:user@example.com?Route=%3Csip:s.example.com%3E>")],
            ),
        ),
        ("no type that is accepted", request("INVITE", URI, &[("Accept", "text/nobodyKnowsThis")])),
        (
            "RFC 2543",
            request(
                "INVITE",
                URI,
                &[
                    ("Via", "SIP/2.0/UDP iftgw.example.com"),
                    ("Max-Forwards", "-"),
                    ("Contact", "-"),
                    ("From", "<sip:+19725552222@iftgw.example.net;user=phone>"),
                ],
            ),
        ),
    ];
    for (name, text) in cases {
        assert_eq!(fate(&text), Fate::Reported, "{name}");
    }
}

#[test]
fn credentials_of_an_unknown_scheme_are_none() {
    let value = "NoOneKnowsThisScheme opaque-data=here";
    let message = reported(&wire(&request("REGISTER", "sip:example.com", &[("Authorization", value)])));
    let verdict = Authenticator::new([0; 32], 1).verify(Now::default(), &message, "r", |_, _| None::<&str>);
    assert_eq!(verdict, Verdict::Missing);
}
