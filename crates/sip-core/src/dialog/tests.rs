//! Dialogs at both ends, with and without proxies, stored and restored.

use super::*;
use crate::status::StatusCode;

fn invite() -> Message {
    Message::request(Method::Invite, &"sip:bob@b.example")
        .header(Header::Via, "SIP/2.0/UDP a.example;branch=z9hG4bK1")
        .header(Header::From, "\"Alice\" <sip:alice@a.example>;tag=a1")
        .header(Header::To, "<sip:bob@b.example>")
        .header(Header::CallId, "c1")
        .header(Header::CSeq, "7 INVITE")
        .header(Header::Contact, "<sip:alice@192.0.2.1:5070>")
        .header(Header::RecordRoute, "<sip:p2.example;lr>, <sip:p1.example;lr>")
        .build()
}

fn answer(status: StatusCode, contact: &str) -> Message {
    Message::response_to(&invite(), status).to_tag("b1").header(Header::Contact, contact).build()
}

fn both() -> (Dialog, Dialog) {
    let caller = Dialog::from_response(&invite(), &answer(StatusCode::OK, "<sip:bob@192.0.2.2>")).unwrap();
    (caller, Dialog::from_request(&invite(), "b1").unwrap())
}

fn routes(message: &Message) -> Vec<String> {
    message.routes().unwrap().iter().map(|route| route.uri.to_string()).collect()
}

#[test]
fn both_ends_agree() {
    let (mut caller, mut callee) = both();
    assert!(caller.confirmed && !callee.confirmed);
    let bye = caller.request(Method::Bye).build();
    assert_eq!(bye.request_uri_text(), Some("sip:bob@192.0.2.2"));
    assert_eq!(routes(&bye), ["sip:p1.example;lr", "sip:p2.example;lr"]);
    assert_eq!(bye.cseq().unwrap(), CSeq { number: 8, method: Method::Bye });
    assert_eq!(callee.accept(&bye), Ok(()));
    let back = callee.request(Method::Info).build();
    assert_eq!(back.request_uri_text(), Some("sip:alice@192.0.2.1:5070"));
    assert_eq!(routes(&back), ["sip:p2.example;lr", "sip:p1.example;lr"]);
    assert_eq!(back.to().unwrap().display_name, "Alice");
    assert_eq!(caller.accept(&back), Ok(()));
    assert_eq!(caller.next_hop().to_string(), "sip:p1.example;lr");
}

#[test]
fn sequence_numbers_and_tags_are_checked() {
    let (mut caller, mut callee) = both();
    let first = caller.request(Method::Info).build();
    let second = caller.request(Method::Info).build();
    assert_eq!(callee.accept(&second), Ok(()));
    assert_eq!(callee.accept(&first), Err(DialogError::OutOfOrder));
    assert_eq!(callee.accept(&caller.ack(7).build()), Ok(()), "an ACK repeats the INVITE's number");
    assert_eq!(caller.accept(&second), Err(DialogError::OtherDialog));
}

#[test]
fn strict_routers_get_the_request_uri_and_the_target_comes_last() {
    let (mut caller, _) = both();
    caller.route_set[0] = "<sip:strict.example;x=1?h=1>".parse().unwrap();
    let bye = caller.request(Method::Bye).build();
    assert_eq!(bye.request_uri_text(), Some("sip:strict.example;x=1"));
    assert_eq!(routes(&bye), ["sip:p2.example;lr", "sip:bob@192.0.2.2"]);
}

#[test]
fn the_target_follows_re_invites_only() {
    let (mut caller, _) = both();
    caller.refresh_target(&answer(StatusCode::OK, "<sip:bob@192.0.2.9>"));
    assert_eq!(caller.remote_target.to_string(), "sip:bob@192.0.2.9");
    caller.refresh_target(&answer(StatusCode::BUSY_HERE, "<sip:bob@192.0.2.10>"));
    let bye = caller.request(Method::Bye).header(Header::Contact, "<sip:x@y>").build();
    caller.refresh_target(&bye);
    assert_eq!(caller.remote_target.to_string(), "sip:bob@192.0.2.9");
}

#[test]
fn an_early_dialog_is_confirmed_by_its_own_2xx_only() {
    let ringing = answer(StatusCode::RINGING, "<sip:bob@192.0.2.3>");
    let mut early = Dialog::from_response(&invite(), &ringing).unwrap();
    assert!(!early.confirmed);
    let other = Message::response_to(&invite(), StatusCode::OK).to_tag("b2").build();
    assert_eq!(early.confirm(&other), Err(DialogError::OtherDialog));
    early.confirm(&answer(StatusCode::OK, "<sip:bob@192.0.2.4>")).unwrap();
    assert!(early.confirmed);
    assert_eq!(early.remote_target.to_string(), "sip:bob@192.0.2.4");
    let untagged = Message::response_to(&invite(), StatusCode::RINGING).build();
    assert_eq!(Dialog::from_response(&invite(), &untagged), Err(DialogError::NoTag));
}

#[test]
fn stored_and_restored_it_goes_on() {
    let (_, callee) = both();
    let json = serde_json::to_string(&callee).unwrap();
    let mut restored: Dialog = serde_json::from_str(&json).unwrap();
    assert_eq!(restored, callee);
    restored.skip_cseq(1000);
    assert_eq!(restored.request(Method::Bye).build().cseq().unwrap().number, 1001);
    let newer = json.replace("\"version\":1", "\"version\":2");
    assert!(serde_json::from_str::<Dialog>(&newer).unwrap_err().to_string().contains("version 2"));
}

#[test]
fn numbers_stay_below_two_to_the_31() {
    let (mut caller, _) = both();
    caller.skip_cseq(u32::MAX);
    assert!(caller.request(Method::Bye).build().cseq().is_ok());
}
