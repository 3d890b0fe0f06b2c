//! Tables stay bounded whatever comes.

use std::net::SocketAddr;

use sip_core::{Header, Method};

use super::documents::{documents, user};
use super::phone::{DOMAIN, Phone, Reaction};
use super::world::World;
use crate::{Fact, Limits};

#[test]
fn a_flood_of_invites_without_credentials_costs_no_memory() {
    let mut world = World::registered();
    let before = world.switch.tables();
    for _ in 0..2_000 {
        world.phone("1001").password.clear();
        world
            .act("1001", |phone, now| phone.outside(now, Method::Invite, &format!("sip:1002@{DOMAIN}"), &[]));
    }
    world.run_ms(200);
    assert_eq!(world.switch.tables(), before);
    let challenged = world.phone("1001").statuses(&Method::Invite);
    assert!(challenged.len() >= 2_000 && challenged.iter().all(|status| *status == 401));
    world.run(std::time::Duration::from_secs(40));
}

#[test]
fn more_calls_than_the_table_holds_are_503() {
    let users: Vec<_> = (0..20).map(|n| user(&format!("{}", 2_000 + n))).collect();
    let limits = Limits { calls: 5, ..Limits::default() };
    let mut world = World::with(&documents(Vec::new(), users), limits, 1);
    for n in 0..20 {
        world.act(&format!("{}", 2_000 + n), |phone, now| phone.invite(now, "*43"));
    }
    world.run_ms(1_000);
    let talking = |phone: &&mut Phone| phone.is_talking();
    assert_eq!(world.phones.iter_mut().filter(talking).count(), 5);
    assert_eq!(world.switch.tables().calls, 5);
    let refused = |fact: &&Fact| matches!(fact, Fact::Refused { status: 503, reason: "tables-full", .. });
    assert_eq!(world.facts.iter().filter(refused).count(), 15);
    let over = world.phones.iter().find(|phone| phone.outcome() == Some(503)).unwrap();
    assert!(over.got.last().unwrap().header(Header::RetryAfter).is_some());
    for n in 0..20 {
        world.act(&format!("{}", 2_000 + n), |phone, now| phone.hang_up(now, None));
    }
    world.assert_over();
}

#[test]
fn registrations_in_flight_are_bounded() {
    let users: Vec<_> = (0..20).map(|n| user(&format!("{}", 2_000 + n))).collect();
    let limits = Limits { registrations_in_flight: 5, ..Limits::default() };
    let mut world = World::with(&documents(Vec::new(), users), limits, 1);
    world.store_silent = true;
    world.register_all();
    let refused = |fact: &&Fact| matches!(fact, Fact::Refused { reason: "tables-full", .. });
    assert!(world.facts.iter().filter(refused).count() >= 15);
    world.run(std::time::Duration::from_secs(3));
    assert_eq!(world.switch.tables().waiting, 0);
    let unavailable = |fact: &&Fact| matches!(fact, Fact::Refused { reason: "store-unavailable", .. });
    assert_eq!(world.facts.iter().filter(unavailable).count(), 5);
}

#[test]
fn a_call_from_nowhere_is_no_call() {
    let mut world = World::registered();
    let stranger: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    world.network.send(world.clock.now(), stranger, "192.0.2.1:5060".parse().unwrap(), "INVITE".into());
    world.run_ms(100);
    world.call("1001", "1002", Reaction::Reject(486));
    world.assert_over();
}
