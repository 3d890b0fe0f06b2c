//! The registrar, through the wire.

use std::time::Duration;

use sip_core::{Header, Method, NameAddr};

use super::documents::{documents, user};
use super::phone::Reaction;
use super::world::World;
use crate::{Fact, Limits};

/// Registers and gives back (status, contacts with the seconds they have left).
fn register(
    world: &mut World,
    user: &str,
    contact: &str,
    extra: &[(Header, &str)],
) -> (u16, Vec<(String, u32)>) {
    world.phone(user).got.clear();
    world.act(user, |phone, now| phone.register(now, contact, extra));
    world.run_ms(500);
    let last = world.phone(user).got.last().unwrap().clone();
    let left = |contact: &NameAddr| {
        (contact.uri.to_string(), contact.params.get("expires").map_or(0, |text| text.parse().unwrap()))
    };
    let contacts = match last.contacts().unwrap() {
        sip_core::Contacts::List(list) => list.iter().map(left).collect(),
        sip_core::Contacts::Star => unreachable!("in a response"),
    };
    (last.status().unwrap().code(), contacts)
}

#[test]
fn expiry_is_granted_capped_and_runs_out() {
    let mut world = World::new();
    let cases = [
        ("<sip:a@192.0.2.10>;expires=60", &[][..], 60),
        ("<sip:a@192.0.2.10>", &[(Header::Expires, "90")][..], 90),
        ("<sip:a@192.0.2.10>;expires=3600", &[][..], 120),
        ("<sip:a@192.0.2.10>", &[][..], 120),
        ("<sip:a@192.0.2.10>;expires=45", &[(Header::Expires, "90")][..], 45),
    ];
    for (contact, extra, expected) in cases {
        let answer = register(&mut world, "1001", contact, extra);
        assert_eq!(answer, (200, vec![("sip:a@192.0.2.10".to_owned(), expected)]), "{contact}");
    }
    assert_eq!(world.switch.status(world.now()).registrations, 1);
    world.run(Duration::from_secs(46));
    assert_eq!(world.switch.status(world.now()).registrations, 0);
    assert_eq!(register(&mut world, "1001", "", &[]), (200, Vec::new()));
}

#[test]
fn an_interval_too_brief_is_423_with_the_least() {
    let mut world = World::new();
    assert_eq!(register(&mut world, "1001", "<sip:a@192.0.2.10>;expires=29", &[]).0, 423);
    let last = world.phone("1001").got.last().unwrap().clone();
    assert_eq!(last.header(Header::MinExpires), Some(&b"30"[..]));
}

#[test]
fn several_bindings_are_listed_by_preference_and_removed_one_by_one() {
    let mut world = World::new();
    register(&mut world, "1001", "<sip:a@192.0.2.10>;q=0.3, <sip:b@192.0.2.10>;q=0.7", &[]);
    let (_, contacts) = register(&mut world, "1001", "<sip:c@192.0.2.10>", &[]);
    let uris: Vec<&str> = contacts.iter().map(|(uri, _)| uri.as_str()).collect();
    assert_eq!(uris, ["sip:c@192.0.2.10", "sip:b@192.0.2.10", "sip:a@192.0.2.10"]);
    let (_, contacts) = register(&mut world, "1001", "<sip:b@192.0.2.10>;expires=0", &[]);
    assert_eq!(contacts.len(), 2);
    assert_eq!(register(&mut world, "1001", "*", &[(Header::Expires, "0")]), (200, Vec::new()));
    let changes = world.facts.iter().filter(|fact| matches!(fact, Fact::Registered { .. })).count();
    assert_eq!(changes, 4);
}

#[test]
fn a_wildcard_stands_alone_and_with_expires_0() {
    let mut world = World::new();
    assert_eq!(register(&mut world, "1001", "*", &[]).0, 400);
    assert_eq!(register(&mut world, "1001", "*", &[(Header::Expires, "60")]).0, 400);
    assert_eq!(register(&mut world, "1001", "tel:+491001", &[]).0, 400);
}

#[test]
fn an_instance_replaces_its_contact_and_counts_once() {
    let mut users = vec![user("1001")];
    users[0].max_contacts = 1;
    let mut world = World::with(&documents(Vec::new(), users), Limits::default(), 1);
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";reg-id=1";
    assert_eq!(register(&mut world, "1001", &format!("<sip:a@192.0.2.10:1111>;{instance}"), &[]).0, 200);
    let (status, contacts) =
        register(&mut world, "1001", &format!("<sip:a@192.0.2.10:2222>;{instance}"), &[]);
    assert_eq!((status, contacts.len()), (200, 1));
    assert_eq!(contacts[0].0, "sip:a@192.0.2.10:2222");
    let last = world.phone("1001").got.last().unwrap().clone();
    assert!(last.text(Header::Contact).unwrap().contains("AABBCCDDEEFF>\";reg-id=1"));
    assert_eq!(register(&mut world, "1001", "<sip:b@192.0.2.10>", &[]).0, 403, "too many contacts");
}

#[test]
fn an_older_cseq_is_500() {
    let mut world = World::new();
    register(&mut world, "1001", "<sip:a@192.0.2.10>", &[]);
    let uri = "sip:sip.example.com";
    let call_id = format!("register-{}", world.phone("1001").address);
    let extra =
        [(Header::Contact, "<sip:a@192.0.2.10>"), (Header::CallId, &call_id), (Header::To, "<sip:1001@x>")];
    world.act("1001", |phone, now| phone.outside(now, Method::Register, uri, &extra));
    world.run_ms(500);
    assert_eq!(world.phone("1001").statuses(&Method::Register).last(), Some(&500));
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut world = World::new();
    let extra = [(Header::Contact, "<sip:a@192.0.2.10>"), (Header::To, "<sip:1002@sip.example.com>")];
    world.act("1001", |phone, now| phone.outside(now, Method::Register, "sip:sip.example.com", &extra));
    world.run_ms(500);
    assert_eq!(world.phone("1001").statuses(&Method::Register), [401, 403]);
}

#[test]
fn path_is_kept_and_becomes_the_route_to_the_contact() {
    let mut world = World::new();
    // The phone of 1003 plays the edge proxy.
    let path = [(Header::Path, "<sip:192.0.2.12;lr>")];
    let contact = format!("<{}>", world.phone("1002").contact);
    register(&mut world, "1002", &contact, &path);
    let last = world.phone("1002").got.last().unwrap().clone();
    assert_eq!(last.header(Header::Path), Some(&b"<sip:192.0.2.12;lr>"[..]));
    world.phone("1003").reaction = Reaction::Reject(486);
    world.call("1001", "1002", Reaction::Ring);
    let invites = world.phone("1003").requests(&Method::Invite);
    assert_eq!(invites[0].header(Header::Route), Some(&b"<sip:192.0.2.12;lr>"[..]));
    assert_eq!(invites[0].request_uri_text(), Some("sip:1002@192.0.2.11:5060"));
    world.assert_over();
}
