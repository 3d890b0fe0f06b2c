//! Requests outside any dialog.

use std::time::Duration;

use sip_core::{Header, Message, Method};

use super::phone::{DOMAIN, Reaction};
use super::world::World;

type Extra<'a> = &'a [(Header, &'a str)];

fn status_of(method: &Method, uri: &str, extra: Extra) -> u16 {
    let mut world = World::new();
    world.phone("1001").password.clear();
    world.act("1001", |phone, now| phone.outside(now, method.clone(), uri, extra));
    world.run_ms(500);
    let status = world.phone("1001").statuses(method)[0];
    world.run(Duration::from_secs(40));
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

/// The final status of an INVITE with that body, when the callee refuses what reaches it with 486.
fn status_of_body(content_type: &str, extra: Extra, body: Vec<u8>) -> u16 {
    let mut world = World::registered();
    world.phone("1002").reaction = Reaction::Reject(486);
    let mut invite = Message::request(Method::Invite, &format!("sip:1002@{DOMAIN}"))
        .header(Header::From, format!("<sip:1001@{DOMAIN}>;tag=a"))
        .header(Header::To, format!("<sip:1002@{DOMAIN}>"))
        .header(Header::CallId, "body")
        .header(Header::CSeq, "1 INVITE");
    for (name, value) in extra {
        invite = invite.header(*name, value);
    }
    let invite = invite.body(content_type, body).build();
    world.act("1001", |phone, now| phone.send(now, invite));
    world.run_ms(500);
    world.assert_over();
    world.phone("1001").outcome().unwrap()
}

#[test]
fn a_body_that_cannot_be_read_is_refused_unless_it_is_optional() {
    let gzip: Extra = &[(Header::ContentEncoding, "gzip")];
    let identity: Extra = &[(Header::ContentEncoding, "identity")];
    let optional: Extra = &[(Header::ContentDisposition, "render; Handling=optional")];
    let sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let table: [(&str, Extra, &[u8], u16); 7] = [
        ("text/plain", &[], b"hello", 415),
        ("text/plain", optional, b"hello", 486),
        ("multipart/mixed;boundary=x", &[], b"--x--", 415),
        ("application/sdp", gzip, sdp, 415),
        ("application/sdp", identity, sdp, 486),
        ("Application/SDP; charset=utf-8", &[], sdp, 486),
        ("application/sdp", optional, b"no sdp", 400),
    ];
    for (content_type, extra, body, status) in table {
        let found = status_of_body(content_type, extra, body.to_vec());
        assert_eq!(found, status, "{content_type} {extra:?}");
    }
    assert_eq!(status_of_body("application/sdp", &[], vec![b'a'; 60_000]), 413);
}

#[test]
fn an_invite_that_expires_while_it_rings_is_487() {
    let mut world = World::registered();
    world.act("1001", |phone, now| {
        phone.outside(now, Method::Invite, &format!("sip:1002@{DOMAIN}"), &[(Header::Expires, "5")]);
    });
    world.run(Duration::from_secs(4));
    assert_eq!(world.phone("1001").outcome(), Some(401), "still ringing");
    world.run(Duration::from_secs(2));
    assert_eq!(world.phone("1001").outcome(), Some(487));
    assert_eq!(world.phone("1002").requests(&Method::Cancel).len(), 1);
    world.assert_over();
    assert_eq!((world.record().sip_status, world.record().q850), (487, 19));
}

#[test]
fn an_answered_invite_does_not_expire() {
    let mut world = World::registered();
    world.phone("1002").reaction = Reaction::Answer;
    world.phone("1001").expires = Some(5);
    world.call("1001", "1002", Reaction::Answer);
    world.run(Duration::from_secs(10));
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_number_is_found_however_it_is_written() {
    let numbers = [
        ("sip:+49-(100)2@sip.example.com;user=phone", "+491002"),
        ("sip:+491002;phone-context=+49@sip.example.com;user=PHONE", "+491002"),
        ("sip:1002@sip.example.com:5060;transport=udp;user=phone", "1002"),
        ("sip:%31002@192.0.2.1", "1002"),
        ("tel:+49.1002;phone-context=example.com", "+491002"),
    ];
    for (uri, number) in numbers {
        let mut world = World::registered();
        world.phone("1002").reaction = Reaction::Reject(486);
        world.act("1001", |phone, now| phone.outside(now, Method::Invite, uri, &[]));
        world.run_ms(500);
        assert_eq!(world.phone("1001").outcome(), Some(486), "{uri}");
        world.assert_over();
        assert_eq!(world.record().to, number, "{uri}");
    }
}

#[test]
fn codes_and_names_are_dialled_as_they_are() {
    for (user, number) in
        [("%2A43", "*43"), ("*43", "*43"), ("%2321%23", "#21#"), ("anna-maria", "anna-maria")]
    {
        let mut world = World::registered();
        let uri = format!("sip:{user}@{DOMAIN};user=phone");
        world.act("1001", |phone, now| phone.outside(now, Method::Invite, &uri, &[]));
        world.run_ms(500);
        world.assert_over();
        assert_eq!(world.record().to, number);
    }
}
