//! Requests outside any dialog.

use sip_core::{Header, Message, Method};

use super::phone::DOMAIN;
use super::world::World;

type Extra<'a> = &'a [(Header, &'a str)];

fn status_of(method: &Method, uri: &str, extra: Extra) -> u16 {
    let mut world = World::new();
    world.phone("1001").password.clear();
    world.act("1001", |phone, now| phone.outside(now, method.clone(), uri, extra));
    world.run_ms(500);
    let status = world.phone("1001").statuses(method)[0];
    world.run(std::time::Duration::from_secs(40));
    status
}

#[test]
fn options_tells_what_we_can() {
    let mut world = World::new();
    world.act("1001", |phone, now| phone.outside(now, Method::Options, &format!("sip:{DOMAIN}"), &[]));
    world.run_ms(100);
    let answer = world.phone("1001").got[0].clone();
    assert_eq!(answer.status().unwrap().code(), 200);
    assert!(answer.lists(Header::Allow, "INVITE") && answer.lists(Header::Accept, "application/sdp"));
    world.assert_over();
}

#[test]
fn each_check_has_its_status() {
    let ours = format!("sip:1002@{DOMAIN}");
    let table: [(Method, &str, Extra, u16); 12] = [
        (Method::Invite, &ours, &[], 401),
        (Method::Invite, "sip:1002@192.0.2.1", &[], 401),
        (Method::Invite, "tel:+49-30-1234", &[], 401),
        (Method::Invite, "sip:1002@elsewhere.example", &[], 404),
        (Method::Invite, "mailto:1002@sip.example.com", &[], 416),
        (Method::Register, "tel:1001", &[], 416),
        (Method::Invite, &ours, &[(Header::MaxForwards, "0")], 483),
        (Method::Invite, &ours, &[(Header::Require, "100rel, path")], 420),
        (Method::Subscribe, &ours, &[], 405),
        (Method::Other("PARTY".into()), &ours, &[], 501),
        (Method::Bye, &ours, &[], 481),
        (Method::Info, &ours, &[], 481),
    ];
    for (method, uri, extra, status) in table {
        assert_eq!(status_of(&method, uri, extra), status, "{method} {uri} {extra:?}");
    }
}

#[test]
fn a_request_of_an_unknown_dialog_is_481() {
    let to = (Header::To, "<sip:1002@sip.example.com>;tag=unknown");
    for method in [Method::Invite, Method::Bye, Method::Info, Method::Options] {
        assert_eq!(status_of(&method, &format!("sip:1002@{DOMAIN}"), &[to]), 481, "{method}");
    }
}

#[test]
fn from_must_be_the_user_who_authenticates() {
    let mut world = World::registered();
    let from = (Header::From, "<sip:1002@sip.example.com>;tag=a");
    world
        .act("1003", |phone, now| phone.outside(now, Method::Invite, &format!("sip:1002@{DOMAIN}"), &[from]));
    world.run_ms(500);
    assert_eq!(world.phone("1003").statuses(&Method::Invite), [401, 403]);
    assert!(world.records().is_empty());
}

#[test]
fn an_unknown_user_a_disabled_one_and_a_wrong_password_look_alike() {
    let mut answers = Vec::new();
    for (name, password) in [("1001", "wrong"), ("nobody", "wrong")] {
        let mut world = World::new();
        world.phones[0].user = name.to_owned();
        world.phones[0].password = password.to_owned();
        world.act(name, |phone, now| phone.invite(now, "1002"));
        world.run_ms(500);
        let phone = world.phone(name);
        assert_eq!(phone.statuses(&Method::Invite), [401, 401]);
        let last = phone.got.last().unwrap();
        let names: Vec<String> =
            last.lines().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(last.headers(Header::WwwAuthenticate).count(), 2);
        answers.push((names, last.reason_phrase().into_owned()));
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_body_that_is_no_sdp_is_415() {
    let mut world = World::registered();
    let invite = Message::request(Method::Invite, &format!("sip:1002@{DOMAIN}"))
        .header(Header::From, format!("<sip:1001@{DOMAIN}>;tag=a"))
        .header(Header::To, format!("<sip:1002@{DOMAIN}>"))
        .header(Header::CallId, "no-sdp")
        .header(Header::CSeq, "1 INVITE")
        .body("text/plain", "hello")
        .build();
    world.act("1001", |phone, now| phone.send(now, invite));
    world.run_ms(500);
    assert_eq!(world.phone("1001").statuses(&Method::Invite), [401, 415]);
    world.assert_over();
}
