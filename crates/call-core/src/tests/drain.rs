//! Drain, by the operator or because the process is going.

use std::time::Duration;

use sip_core::{Header, Method};
use voip_contract::Epoch;
use voip_contract::admin::EndedBy;
use voip_contract::node_admin::NodeOrder;

use super::documents::node;
use super::phone::Reaction;
use super::world::World;
use crate::{AdminOrder, Fact};

fn drain(epoch: u64, seconds: u32) -> AdminOrder {
    AdminOrder::Ordered(NodeOrder::Drain { epoch: Epoch(epoch), seconds })
}

fn back(epoch: u64) -> AdminOrder {
    AdminOrder::Ordered(NodeOrder::Return { epoch: Epoch(epoch) })
}

impl World {
    fn is_refused(&mut self, caller: &str) -> bool {
        self.phone(caller).got.clear();
        self.call(caller, "*43", Reaction::Ring);
        let refused = self.phone(caller).outcome() == Some(503);
        if !refused {
            self.act(caller, |phone, now| phone.hang_up(now, None));
            self.run_ms(500);
        }
        refused
    }

    fn is_draining(&self) -> bool {
        self.switch.status(self.now()).draining
    }
}

#[test]
fn new_calls_are_refused_registrations_answered_and_calls_go_on() {
    let mut world = World::talking("1001", "1002");
    world.order(drain(1, 300));
    assert!(world.is_refused("1003"));
    let refusal = world.phone("1003").got.iter().find(|m| m.status().is_some_and(|s| s.code() == 503));
    assert_eq!(refusal.unwrap().text(Header::RetryAfter).as_deref(), Some("299"));
    world.phone("1003").got.clear();
    world.register_all();
    assert_eq!(world.phone("1003").statuses(&Method::Register), [401, 200]);
    world.act("1001", |phone, now| phone.reinvite(now, None));
    world.run_ms(500);
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    world.act("1002", |phone, now| phone.hang_up(now, None));
    world.run_ms(500);
    assert_eq!(world.record().ended_by, Some(EndedBy::Callee));
    assert!(!world.switch.status(world.now()).ready);
    world.order(back(1));
    assert!(world.switch.status(world.now()).ready);
    assert!(!world.is_refused("1003"));
    world.assert_over();
}

#[test]
fn at_the_deadline_both_legs_hear_bye_with_a_reason_and_there_is_one_record() {
    let mut world = World::talking("1001", "1002");
    world.order(drain(1, 20));
    world.run(Duration::from_millis(19_900));
    assert!(world.phone("1001").is_talking());
    world.run_ms(500);
    for phone in ["1001", "1002"] {
        let byes = world.phone(phone).requests(&Method::Bye);
        assert_eq!(byes[0].text(Header::Reason).unwrap(), "SIP;cause=503;text=\"drain deadline\"");
    }
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 41, Some(EndedBy::System)));
    assert!(world.is_draining(), "the deadline ends calls, not the drain");
    world.order(back(1));
    world.assert_over();
}

#[test]
fn a_call_counts_until_its_media_node_has_given_its_statistics() {
    let mut world = World::registered();
    world.call("1001", "*43", Reaction::Ring);
    world.order(drain(1, 60));
    let busy = node(&world.busy_node());
    world.media.get_mut(&busy).unwrap().silent = true;
    world.act("1001", |phone, now| phone.hang_up(now, None));
    let left = |world: &World| {
        let status = world.switch.status(world.now());
        (status.active_calls, status.closing_calls, world.records().len())
    };
    world.run_ms(500);
    assert_eq!(left(&world), (0, 1, 0));
    world.run_ms(600);
    assert_eq!(left(&world), (0, 0, 1));
}

#[test]
fn who_rings_at_the_deadline_is_cancelled_and_who_waits_hears_503() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    world.order(drain(1, 5));
    world.run(Duration::from_secs(6));
    assert_eq!(world.phone("1001").outcome(), Some(503));
    assert!(world.phone("1002").is_idle());
    world.assert_over();
    assert_eq!(world.record().sip_status, 503);
}

#[test]
fn an_order_said_again_keeps_its_deadline_and_an_earlier_one_counts() {
    let mut world = World::talking("1001", "1002");
    world.order(drain(1, 20));
    world.run(Duration::from_secs(15));
    world.order(drain(2, 20));
    world.run(Duration::from_secs(6));
    assert!(world.phone("1001").is_idle(), "20 s from the first order on");

    world.order(back(2));
    world.call("1001", "1002", Reaction::Answer);
    world.order(drain(2, 300));
    world.order(drain(2, 3));
    world.run(Duration::from_secs(4));
    assert!(world.phone("1001").is_idle());
    world.assert_over();
}

#[test]
fn a_drain_that_is_taken_back_ends_nothing() {
    let mut world = World::talking("1001", "1002");
    world.order(drain(1, 5));
    world.order(back(1));
    world.run(Duration::from_secs(10));
    assert!(world.phone("1001").is_talking() && !world.is_draining());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn an_older_operator_is_not_obeyed() {
    let mut world = World::registered();
    world.order(drain(7, 60));
    world.order(back(6));
    assert!(world.is_draining());
    let refused = world.facts.iter().find_map(|fact| match fact {
        Fact::OrderRefused { epoch, newest } => Some((epoch.0, newest.0)),
        _ => None,
    });
    assert_eq!(refused, Some((6, 7)));
    world.order(back(8));
    world.order(drain(7, 1));
    assert!(!world.is_draining());
    world.assert_over();
}

#[test]
fn a_process_that_is_going_is_not_brought_back_nor_held_up() {
    let mut world = World::talking("1001", "1002");
    world.order(drain(1, 300));
    world.order(AdminOrder::Leave { within: Duration::from_secs(2) });
    world.order(back(2));
    assert!(world.is_refused("1003"));
    world.run(Duration::from_secs(3));
    assert!(world.phone("1001").is_idle());
    world.assert_over();
    assert_eq!(world.record().q850, 41);
}

#[test]
fn a_process_that_is_going_grants_registrations_for_a_short_while_and_says_when_to_try_again() {
    let mut world = World::registered();
    let expires = |world: &mut World| {
        let contact = format!("<{}>;expires=100", world.phone("1001").contact);
        world.act("1001", |phone, now| phone.register(now, &contact, &[]));
        world.run_ms(500);
        let answer = world.phone("1001").got.last().unwrap().contacts().unwrap();
        answer.first().unwrap().params.get("expires").map(str::to_owned)
    };
    world.order(drain(1, 300));
    assert_eq!(expires(&mut world).as_deref(), Some("100"), "it may be brought back");
    world.order(AdminOrder::Leave { within: Duration::from_secs(50) });
    assert_eq!(expires(&mut world).as_deref(), Some("30"));
    for (pause, seconds) in [(10, "39"), (36, "5"), (10, "5")] {
        world.run(Duration::from_secs(pause));
        assert!(world.is_refused("1003"));
        let refusal = world.phone("1003").got.iter().find(|m| m.status().is_some_and(|s| s.code() == 503));
        assert_eq!(refusal.unwrap().text(Header::RetryAfter).as_deref(), Some(seconds));
    }
}
