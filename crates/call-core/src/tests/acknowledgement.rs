//! Late offers, and ACKs that do not come.

use std::time::Duration;

use sip_core::Method;

use voip_contract::admin::EndedBy;

use super::phone::Reaction;
use super::world::World;

#[test]
fn late_offer_is_made_by_the_callee_and_answered_in_the_ack() {
    let mut world = World::registered();
    world.phone("1001").late_offer = true;
    world.call("1001", "1002", Reaction::Answer);
    assert!(world.phone("1002").requests(&Method::Invite)[0].body().is_empty());
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    let acks = world.phone("1002").requests(&Method::Ack);
    assert!(!acks[0].body().is_empty());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn late_offer_without_an_ack_ends_both() {
    let mut world = World::registered();
    world.phone("1001").late_offer = true;
    world.phone("1001").acknowledges = false;
    world.call("1001", "1002", Reaction::Answer);
    world.run(Duration::from_secs(35));
    // The callee gives up by itself, for its 200 could not be acknowledged either.
    assert!(world.phone("1002").is_idle());
    assert_eq!(world.phone("1001").requests(&Method::Bye).len(), 1);
    world.assert_over();
}

#[test]
fn missing_ack_ends_both() {
    let mut world = World::registered();
    world.phone("1001").acknowledges = false;
    world.call("1001", "1002", Reaction::Answer);
    world.run(Duration::from_secs(35));
    assert_eq!(world.phone("1001").requests(&Method::Bye).len(), 1);
    assert_eq!(world.phone("1002").requests(&Method::Bye).len(), 1);
    world.assert_over();
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 102, Some(EndedBy::System)));
}

#[test]
fn bye_to_the_caller_waits_for_its_ack() {
    let mut world = World::registered();
    world.phone("1001").acknowledges = false;
    world.call("1001", "1002", Reaction::Answer);
    world.act("1002", |phone, now| phone.hang_up(now, None));
    world.run(Duration::from_secs(5));
    assert!(world.phone("1001").requests(&Method::Bye).is_empty());
    world.run(Duration::from_secs(30));
    assert_eq!(world.phone("1001").requests(&Method::Bye).len(), 1);
    world.assert_over();
}
