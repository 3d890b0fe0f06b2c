//! Orders from outside: drain, shutdown, new documents.

use std::sync::Arc;

use voip_contract::admin::EndedBy;

use super::documents::{documents, user};
use super::phone::Reaction;
use super::world::World;
use crate::{AdminOrder, ConfigError, Event, Fact, Switch};

#[test]
fn end_calls_ends_every_call_within_two_seconds() {
    let mut world = World::talking("1001", "1002");
    world.call("1003", "*43", Reaction::Ring);
    world.order(AdminOrder::EndCalls);
    world.run_ms(1_900);
    assert!(world.phones.iter().all(super::phone::Phone::is_idle));
    let records = world.records();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|r| r.ended_by == Some(EndedBy::System) && r.q850 == 41));
    world.assert_over();
}

#[test]
fn end_calls_answers_who_waits_and_cancels_who_rings() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    for media in world.media.values_mut() {
        media.silent = true;
    }
    world.order(AdminOrder::EndCalls);
    world.run_ms(1_900);
    assert_eq!(world.phone("1001").outcome(), Some(503));
    assert!(world.phone("1002").is_idle());
    assert_eq!(world.records().len(), 1, "the CDR does not wait for a silent node");
    for media in world.media.values_mut() {
        media.sessions.clear();
    }
    world.assert_over();
}

#[test]
fn users_who_are_removed_or_disabled_can_do_nothing_new_but_their_calls_go_on() {
    let mut world = World::talking("1001", "1002");
    let mut users = ["1001", "1002", "1003"].map(user).to_vec();
    users[0].enabled = false;
    users.remove(1);
    world.input(Event::Config(Arc::new(documents(Vec::new(), users))));
    world.run_ms(1_000);
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    assert_eq!(world.switch.status(world.now()).registrations, 2);
    world.call("1003", "1002", Reaction::Answer);
    assert_eq!(world.phone("1003").outcome(), Some(404));
    world.call("1003", "1001", Reaction::Answer);
    assert_eq!(world.phone("1003").outcome(), Some(480));
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.run_ms(500);
    world.call("1001", "1003", Reaction::Answer);
    assert_eq!(world.phone("1001").outcome(), Some(401));
    world.assert_over();
}

#[test]
fn documents_that_cannot_run_leave_the_old_ones() {
    let mut world = World::registered();
    let mut bad = documents(Vec::new(), ["1001", "1001"].map(user).to_vec());
    assert_eq!(Switch::check(&bad), Err(ConfigError::DuplicateUser("+491001".to_owned())));
    world.input(Event::Config(Arc::new(bad.clone())));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::ConfigRejected { .. })));
    bad.users.pop();
    bad.sip.digest_algorithms.clear();
    assert_eq!(Switch::check(&bad), Err(ConfigError::NoAlgorithm));
    world.call("1001", "1002", Reaction::Answer);
    assert!(world.phone("1001").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}
