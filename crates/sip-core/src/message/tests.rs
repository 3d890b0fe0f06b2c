//! Reading: shapes, limits and lies.

use super::*;

fn read(text: &str) -> Result<Message, ParseError> {
    Message::parse(text.replace('\n', "\r\n"))
}

const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:x@y>;tag=1\nTo: <sip:a@b>\n\
    Call-ID: c\nCSeq: 1 OPTIONS\n";

#[test]
fn folds_become_spaces_and_nothing_else_moves() {
    let message = read(&format!("{HEAD}Subject: one\n two\n\tthree\nX: y\n\nbody\n kept")).unwrap();
    assert_eq!(message.text(Header::Subject).unwrap(), "one   two  \tthree");
    assert_eq!(message.header(Header::Other("x")), Some(&b"y"[..]));
    assert_eq!(message.body(), b"body\r\n kept");
    assert_eq!(message.validate(), Ok(()));
}

#[test]
fn bare_line_feeds_are_understood_and_bare_carriage_returns_refused() {
    let message = Message::parse(format!("{HEAD}Subject: a\n b\n\nx")).unwrap();
    assert_eq!((message.text(Header::Subject).unwrap().as_ref(), message.body()), ("a  b", &b"x"[..]));
    let smuggled = format!("{HEAD}Subject: a\rContent-Length: 5\n\n");
    assert_eq!(Message::parse(smuggled.replace('\n', "\r\n")).unwrap_err(), ParseError::HeaderLine);
}

#[test]
fn line_ends_before_a_message_are_skipped_and_alone_are_a_keep_alive() {
    assert!(read(&format!("\n\n{HEAD}\n")).is_ok());
    assert_eq!(read("\n\n").unwrap_err(), ParseError::Empty);
    assert_eq!(read("").unwrap_err(), ParseError::Empty);
}

#[test]
fn content_length_trims_or_is_refused() {
    let body = |length: &str| read(&format!("{HEAD}{length}\nhello")).map(|m| m.body().to_vec());
    assert_eq!(body("").unwrap(), b"hello");
    assert_eq!(body("l: 2\n").unwrap(), b"he");
    assert_eq!(body("Content-Length: 0\n").unwrap(), b"");
    assert_eq!(body("Content-Length: 5\nl: 5\n").unwrap(), b"hello");
    for lie in ["6", "-1", "+1", "", "1 2", "99999999999999999999", "0x1"] {
        assert_eq!(body(&format!("Content-Length: {lie}\n")), Err(ParseError::ContentLength), "{lie}");
    }
    assert_eq!(body("Content-Length: 1\nl: 2\n"), Err(ParseError::ContentLength));
    let lying = Message::examine(format!("{HEAD}l: 9\n\n").replace('\n', "\r\n").into()).unwrap_err();
    assert_eq!(lying.message.unwrap().call_id(), "c", "enough to answer");
}

#[test]
fn limits_hold() {
    let many = |count: usize| read(&format!("OPTIONS sip:a SIP/2.0\n{}\n", "A: b\n".repeat(count)));
    assert_eq!(many(MAX_HEADERS).unwrap().lines().count(), MAX_HEADERS);
    assert_eq!(many(MAX_HEADERS + 1).unwrap_err(), ParseError::TooManyHeaders);
    let long = |length: usize| {
        let head = HEAD.replace('\n', "\r\n") + "\r\n";
        Message::parse(head.clone() + &"x".repeat(length - head.len()))
    };
    assert!(long(MAX_BYTES).is_ok());
    assert_eq!(long(MAX_BYTES + 1).unwrap_err(), ParseError::TooLarge);
}

#[test]
fn start_lines() {
    for bad in [
        "OPTIONS sip:a\n\n",
        "OPTIONS\n\n",
        "OPT IONS sip:a SIP/2.0\n\n",
        "OPTIONS  sip:a SIP/2.0\n\n",
        " OPTIONS sip:a SIP/2.0\n\n",
        "OPTIONS sip:a HTTP/1.1\n\n",
        "OPT(ONS sip:a SIP/2.0\n\n",
        "SIP/2.0\n\n",
        "SIP/2.0 20 OK\n\n",
        "SIP/2.0 2000 OK\n\n",
        "SIP/2.0 099 OK\n\n",
        "SIP/2.0 700 OK\n\n",
        "SIP/2.0 2x0 OK\n\n",
        "OPTIONS sip:a SIP/2.0",
    ] {
        assert_eq!(read(bad).unwrap_err(), ParseError::StartLine, "{bad:?}");
    }
    assert_eq!(read("SIP/3.0 200 OK\n\n").unwrap_err(), ParseError::Version);
    assert_eq!(read("OPTIONS sip:a SIP/3.0\n\n").unwrap_err(), ParseError::Version);
    assert_eq!(read("sip/2.0 200\n\n").unwrap().reason_phrase(), "");
    assert_eq!(read("SIP/2.0 200 \n\n").unwrap().reason_phrase(), "");
    assert_eq!(read("SIP/2.0 486 Gerade nicht\n\n").unwrap().reason_phrase(), "Gerade nicht");
}

#[test]
fn header_lines() {
    assert_eq!(read("OPTIONS sip:a SIP/2.0\nA : b\nc:\n\n").unwrap().lines().count(), 2);
    for bad in ["noColon\n\n", ": x\n\n", "a b: c\n\n", "a: b\n", "a: b"] {
        assert_eq!(
            read(&format!("OPTIONS sip:a SIP/2.0\n{bad}")).unwrap_err(),
            ParseError::HeaderLine,
            "{bad:?}"
        );
    }
}

#[test]
fn validation_names_what_is_wrong() {
    use Header::{CSeq, CallId, Contact, From, MaxForwards, To, Via};
    let cases = [
        ("Call-ID: c\n", "", ParseError::Missing(CallId)),
        ("Call-ID: c\n", "Call-ID: c\ni: c\n", ParseError::Repeated(CallId)),
        ("Call-ID: c\n", "Call-ID: \n", ParseError::Field(CallId)),
        ("To: <sip:a@b>\n", "", ParseError::Missing(To)),
        ("To: <sip:a@b>\n", "To: <sip:a@b\n", ParseError::Field(To)),
        ("From: <sip:x@y>;tag=1\n", "", ParseError::Missing(From)),
        ("From: <sip:x@y>", "From: \"x <sip:x@y>", ParseError::Field(From)),
        ("Via: SIP/2.0/UDP h;branch=z9hG4bK1\n", "", ParseError::Missing(Via)),
        ("Via: SIP/2.0/UDP h;", "Via: SIP/2.0/UDP ;", ParseError::Field(Via)),
        ("CSeq: 1 OPTIONS\n", "", ParseError::Missing(CSeq)),
        ("CSeq: 1 OPTIONS", "CSeq: 2147483648 OPTIONS", ParseError::Field(CSeq)),
        ("CSeq: 1 OPTIONS", "CSeq: OPTIONS", ParseError::Field(CSeq)),
        ("CSeq: 1 OPTIONS", "CSeq: 1 options", ParseError::MethodMismatch),
        ("sip:a@b SIP/2.0", "sip:a@[b SIP/2.0", ParseError::RequestUri),
        ("CSeq: 1 OPTIONS\n", "CSeq: 1 OPTIONS\nMax-Forwards: -1\n", ParseError::Field(MaxForwards)),
        ("CSeq: 1 OPTIONS\n", "CSeq: 1 OPTIONS\nm: *\nm: <sip:a>\n", ParseError::Field(Contact)),
    ];
    assert_eq!(read(&format!("{HEAD}\n")).unwrap().validate(), Ok(()));
    for (from, to, expected) in cases {
        assert!(HEAD.contains(from), "{from}");
        let message = read(&format!("{}\n", HEAD.replacen(from, to, 1))).unwrap();
        assert_eq!(message.validate(), Err(expected), "{to}");
    }
}

#[test]
fn fields_are_decoded_on_demand() {
    let text = "Contact: <sip:a@1.2.3.4>;q=0.5, <sip:a@[::1]>\nm: \"x, y\" <tel:+1>\nExpires: 99999999999\n\
        Max-Forwards: 300\nSupported: 100rel, Timer\nk: path\nContent-Type: Application/SDP ; a=b\n";
    let message = read(&format!("{HEAD}{text}\n")).unwrap();
    let Contacts::List(contacts) = message.contacts().unwrap() else { panic!("no star") };
    assert_eq!(contacts.len(), 3);
    assert_eq!(contacts[0].params.get("q"), Some("0.5"));
    assert_eq!(contacts[2].display_name, "x, y");
    assert_eq!((message.expires(), message.max_forwards()), (Some(u32::MAX), Some(255)));
    assert!(message.lists(Header::Supported, "TIMER") && message.lists(Header::Supported, "path"));
    assert_eq!(message.content_type().as_deref(), Some("application/sdp"));
    assert_eq!(message.cseq().unwrap().to_string(), "1 OPTIONS");
    assert_eq!((message.from_tag(), message.to_tag()), (Some("1"), None));
    let star = read(&format!("{HEAD}m: *\nExpires: soon\n\n")).unwrap();
    assert_eq!((star.contacts(), star.expires()), (Ok(Contacts::Star), None));
}

#[test]
fn nothing_of_the_fields_is_printed_for_debugging() {
    let debug = format!("{:?}", read(&format!("{HEAD}Authorization: secret\n\n")).unwrap());
    assert!(debug.starts_with("Message(OPTIONS, ") && !debug.contains("secret") && !debug.contains("sip:"));
}
