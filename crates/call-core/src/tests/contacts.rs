//! One contact after the other, one action after the other.

use std::sync::Arc;
use std::time::Duration;

use sip_core::{Header, Message, Method, StatusCode};
use voip_contract::config::{Listener, Protocol};
use voip_contract::media::RefusalReason;

use super::documents::{dial, documents, node, user};
use super::phone::Reaction;
use super::world::World;
use crate::event::Event;

#[test]
fn contacts_are_tried_by_preference() {
    let mut world = World::new();
    let (second, third) = (world.phone("1002").contact.clone(), world.phone("1003").contact.clone());
    let contacts = format!("<{third}>;q=0.5, <{second}>;q=0.9");
    world.act("1002", |phone, now| phone.register(now, &contacts, &[]));
    world.run_ms(500);
    world.phone("1003").reaction = Reaction::Answer;
    world.call("1001", "1002", Reaction::Reject(486));
    assert_eq!(world.phone("1002").requests(&Method::Invite).len(), 1);
    assert!(world.phone("1003").is_talking() && world.phone("1001").is_talking());
    world.act("1003", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_contact_that_is_gone_leaves_time_for_the_next() {
    let mut world = World::new();
    let (second, third) = (world.phone("1002").contact.clone(), world.phone("1003").contact.clone());
    world.act("1002", |phone, now| phone.register(now, &format!("<{third}>;q=0.5, <{second}>"), &[]));
    world.run_ms(500);
    world.phone("1002").dead = true;
    world.phone("1003").reaction = Reaction::Answer;
    world.call("1001", "1002", Reaction::Ring);
    world.run(Duration::from_secs(16));
    assert!(world.phone("1003").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn global_failure_stops_the_search() {
    let mut world = World::new();
    let (second, third) = (world.phone("1002").contact.clone(), world.phone("1003").contact.clone());
    world.act("1002", |phone, now| phone.register(now, &format!("<{third}>;q=0.5, <{second}>"), &[]));
    world.run_ms(500);
    world.call("1001", "1002", Reaction::Reject(603));
    assert_eq!(world.phone("1001").outcome(), Some(603));
    assert!(world.phone("1003").requests(&Method::Invite).is_empty());
    world.assert_over();
}

#[test]
fn the_next_action_follows_when_nobody_answers() {
    let mut world = World::planned(&[("*", vec![dial("1002", 5), dial("1003", 5)])]);
    world.phone("1003").reaction = Reaction::Answer;
    world.call("1001", "77", Reaction::Ring);
    world.run(Duration::from_secs(6));
    assert_eq!(world.phone("1002").requests(&Method::Cancel).len(), 1);
    assert!(world.phone("1003").is_talking() && world.phone("1001").is_talking());
    world.act("1003", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_second_200_of_another_fork_is_acknowledged_and_ended() {
    let mut world = World::talking("1001", "1002");
    let (address, contact) = (world.phone("1002").address, world.phone("1002").contact.clone());
    let invite = world.phone("1002").requests(&Method::Invite)[0].clone();
    let second = Message::response_to(&invite, StatusCode::OK)
        .to_tag("fork")
        .header(Header::Contact, format!("<{contact}>"))
        .build();
    world.network.send(world.clock.now(), address, "192.0.2.1:5060".parse().unwrap(), second.bytes().clone());
    world.run_ms(500);
    let byes = world.phone("1002").requests(&Method::Bye);
    assert_eq!(byes.iter().map(|bye| bye.to_tag()).collect::<Vec<_>>(), [Some("fork")]);
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_call_keeps_its_media_node_when_the_next_contact_is_tried_while_that_node_drains() {
    let mut world = World::planned(&[("*", vec![dial("1002", 20), dial("1003", 20)])]);
    world.phone("1003").reaction = Reaction::Answer;
    world.call("1001", "77", Reaction::Ring);
    let busy = node(&world.busy_node());
    world.media.get_mut(&busy).unwrap().refuses = Some(RefusalReason::Unavailable);
    world.act("1002", |phone, now| phone.reject(now, 486));
    world.run_ms(1_000);
    assert!(world.phone("1003").is_talking() && world.phone("1001").is_talking());
    assert_eq!(world.busy_node(), busy.to_string());
    world.act("1003", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn new_dialogs_are_told_the_address_that_new_documents_advertise() {
    let mut world = World::registered();
    let contact = |world: &mut World| {
        let invite = world.phone("1002").requests(&Method::Invite).last().copied().cloned().unwrap();
        String::from_utf8(invite.header(Header::Contact).unwrap().to_vec()).unwrap()
    };
    world.call("1001", "1002", Reaction::Reject(486));
    assert_eq!(contact(&mut world), "<sip:192.0.2.1:5060>");
    let mut documents = documents(Vec::new(), ["1001", "1002", "1003"].map(user).to_vec());
    documents.sip.listeners.push(Listener {
        name: "udp".to_owned(),
        protocol: Protocol::Udp,
        port: 5060,
        advertised: Some("203.0.113.9:31060".parse().unwrap()),
    });
    world.input(Event::Config(Arc::new(documents)));
    world.call("1001", "1002", Reaction::Reject(486));
    assert_eq!(contact(&mut world), "<sip:203.0.113.9:31060>");
}

#[test]
fn every_address_that_documents_name_is_ours() {
    let mut world = World::new();
    let status = |world: &mut World, uri: &str| {
        world.phone("1001").got.clear();
        world.act("1001", |phone, now| phone.outside(now, Method::Options, uri, &[]));
        world.run_ms(500);
        world.phone("1001").statuses(&Method::Options)
    };
    assert_eq!(status(&mut world, "sip:203.0.113.9"), [404]);
    let mut documents = documents(Vec::new(), vec![user("1001")]);
    documents.sip.addresses = vec!["203.0.113.8".parse().unwrap(), "203.0.113.9".parse().unwrap()];
    world.input(Event::Config(Arc::new(documents)));
    assert_eq!(status(&mut world, "sip:203.0.113.9"), [200]);
    assert_eq!(status(&mut world, "sip:203.0.113.10"), [404]);
}
