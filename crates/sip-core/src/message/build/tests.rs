//! What is written is read back, and what nobody changed is not changed.

use super::*;

const RAW: &str = "INVITE sip:b@c SIP/2.0\r\nv: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2\r\nx-Odd:  a  b \r\n\
    VIA: SIP/2.0/UDP h3\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\ni: c1\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\n\
    Timestamp: 54\r\nl: 2\r\nX-ODD: c\r\n\r\nhi";

fn message() -> Message {
    Message::parse(RAW).unwrap()
}

fn text(message: &Message) -> String {
    let again = Message::parse(message.bytes().clone()).unwrap();
    assert!(again.lines().eq(message.lines()), "the index of what was written is that of what is read");
    assert_eq!(again.body(), message.body());
    assert_eq!((again.method(), again.status()), (message.method(), message.status()));
    assert_eq!(again.request_uri_text(), message.request_uri_text());
    assert_eq!(again.reason_phrase(), message.reason_phrase());
    message.to_string()
}

#[test]
fn an_edit_without_changes_keeps_names_order_and_values() {
    let copy = message().edit().build();
    let expected = "INVITE sip:b@c SIP/2.0\r\nv: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2\r\nx-Odd: a  b\r\n\
        VIA: SIP/2.0/UDP h3\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\ni: c1\r\nCSeq: 1 INVITE\r\n\
        Record-Route: <sip:p;lr>\r\nTimestamp: 54\r\nX-ODD: c\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(text(&copy), expected);
}

#[test]
fn fields_are_added_replaced_and_removed() {
    let changed = message()
        .edit()
        .prepend(Header::Via, "SIP/2.0/UDP h0")
        .replace(Header::Other("x-odd"), "new")
        .remove(Header::Other("Record-Route"))
        .replace(Header::Subject, "added")
        .uri(&"sip:other")
        .no_body()
        .build();
    let vias: Vec<&[u8]> = changed.list(Header::Via).collect();
    assert_eq!(vias.len(), 4);
    assert_eq!(vias[0], b"SIP/2.0/UDP h0");
    assert_eq!(changed.headers(Header::Other("X-ODD")).collect::<Vec<_>>(), [b"new"]);
    assert_eq!(changed.header(Header::RecordRoute), None);
    assert_eq!(changed.text(Header::Subject).unwrap(), "added");
    assert_eq!(changed.request_uri_text(), Some("sip:other"));
    assert!(text(&changed).ends_with("Content-Length: 0\r\n\r\n"));
}

#[test]
fn only_the_first_element_of_a_list_is_replaced() {
    let changed = message().edit().replace_first_element(Header::Via, "SIP/2.0/UDP new").build();
    let vias: Vec<String> =
        changed.list(Header::Via).map(|via| String::from_utf8_lossy(via).into_owned()).collect();
    assert_eq!(vias, ["SIP/2.0/UDP new", "SIP/2.0/UDP h2", "SIP/2.0/UDP h3"]);
}

#[test]
fn a_response_copies_what_section_8_2_6_2_says() {
    let ringing = Message::response_to(&message(), StatusCode::RINGING).to_tag("t").reason("Ding").build();
    let expected = "SIP/2.0 180 Ding\r\nv: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2\r\n\
        VIA: SIP/2.0/UDP h3\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=t\r\ni: c1\r\nCSeq: 1 INVITE\r\n\
        Record-Route: <sip:p;lr>\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(text(&ringing), expected);
    let trying = Message::response_to(&message(), StatusCode::TRYING).build();
    assert!(trying.header(Header::RecordRoute).is_none() && trying.header(Header::Timestamp).is_some());
    let busy = Message::response_to(&message(), StatusCode::BUSY_HERE).build();
    assert!(busy.header(Header::RecordRoute).is_none());
    assert_eq!(busy.reason_phrase(), "Busy Here");
}

#[test]
fn a_tag_is_given_once_and_stands_outside_the_brackets() {
    let request = message().edit().replace(Header::To, "\"B; tag=no\" <sip:b@c;tag=no>").build();
    let response = Message::response_to(&request, StatusCode::OK).to_tag("t1").to_tag("t2").build();
    assert_eq!(response.to_tag(), Some("t1"));
    assert_eq!(response.to().unwrap().display_name, "B; tag=no");
}

#[test]
fn no_value_can_add_a_field_or_end_the_head() {
    let evil = "x\r\nInjected: yes\r\n\r\nbody";
    let message = Message::request(Method::Info, &format!("sip:a{evil}"))
        .header(Header::Subject, evil)
        .header_bytes(Header::Reason, evil.as_bytes())
        .line(b"X-A", evil.as_bytes())
        .line(b"X-B: y\r\nInjected", b"z")
        .body("text/plain\r\nInjected: 1", "hello")
        .build();
    assert_eq!(message.header(Header::Other("Injected")), None);
    assert_eq!(message.lines().count(), 5, "one field with a bad name is left out");
    assert_eq!(memchr::memchr_iter(b'\n', message.bytes()).count(), 7);
    let reread = Message::examine(message.bytes().clone()).unwrap_err();
    assert_eq!(reread.error, crate::ParseError::StartLine, "a URI with spaces is refused by everybody");
}

#[test]
fn bytes_that_are_not_text_survive() {
    let mut raw = RAW.as_bytes().to_vec();
    let at = raw.windows(4).position(|window| window == b"a  b").unwrap();
    raw[at..at + 4].copy_from_slice(&[0xff, 0xfe, b' ', 0xe4]);
    let original = Message::parse(raw).unwrap();
    assert_eq!(original.header(Header::Other("x-odd")), Some(&[0xff, 0xfe, b' ', 0xe4][..]));
    let copy = original.edit().prepend(Header::Via, "SIP/2.0/UDP h0").build();
    assert_eq!(copy.header(Header::Other("x-odd")), original.header(Header::Other("x-odd")));
    let taken = Message::request(Method::Info, &"sip:a")
        .header_bytes(Header::Other("X-Odd"), original.header(Header::Other("x-odd")).unwrap());
    assert_eq!(taken.build().header(Header::Other("x-odd")), original.header(Header::Other("x-odd")));
}
