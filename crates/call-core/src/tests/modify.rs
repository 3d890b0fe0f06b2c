//! Re-INVITEs and other requests inside the dialogs.

use std::time::Duration;

use sip_core::Method;
use voip_contract::media::Direction;

use super::world::World;

fn finish(mut world: World) {
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn hold_and_resume_from_either_side() {
    for (holder, held) in [("1001", "1002"), ("1002", "1001")] {
        let mut world = World::talking("1001", "1002");
        for (direction, line) in [(Direction::SendOnly, "a=sendonly"), (Direction::SendRecv, "a=sendrecv")] {
            world.act(holder, |phone, now| phone.reinvite(now, Some(direction)));
            world.run_ms(500);
            assert_eq!(world.phone(holder).outcome(), Some(200));
            let invites = world.phone(held).requests(&Method::Invite);
            let body = String::from_utf8_lossy(invites.last().unwrap().body()).into_owned();
            assert!(body.contains(line) || line == "a=sendrecv", "{body}");
        }
        finish(world);
    }
}

#[test]
fn a_reinvite_without_an_offer_is_passed_on_as_one() {
    let mut world = World::talking("1001", "1002");
    world.act("1001", |phone, now| phone.reinvite(now, None));
    world.run_ms(500);
    assert_eq!(world.phone("1001").outcome(), Some(200));
    let acks = world.phone("1002").requests(&Method::Ack);
    assert!(!acks.last().unwrap().body().is_empty(), "the answer came in the ACK");
    finish(world);
}

#[test]
fn a_refused_reinvite_changes_nothing() {
    for status in [488, 491, 603] {
        let mut world = World::talking("1001", "1002");
        world.phone("1002").on_reinvite = status;
        world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
        world.run_ms(500);
        assert_eq!(world.phone("1001").outcome(), Some(status));
        world.phone("1002").on_reinvite = 200;
        world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
        world.run_ms(500);
        assert_eq!(world.phone("1001").outcome(), Some(200), "the lock is free again");
        finish(world);
    }
}

#[test]
fn glare_is_491_for_whoever_comes_second() {
    let mut world = World::talking("1001", "1002");
    world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run_ms(1);
    world.act("1002", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run_ms(500);
    assert_eq!(world.phone("1002").outcome(), Some(491));
    assert_eq!(world.phone("1001").outcome(), Some(200));
    finish(world);
}

#[test]
fn a_lost_dialog_ends_the_call() {
    let mut world = World::talking("1001", "1002");
    world.phone("1002").line = None;
    world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run_ms(500);
    assert_eq!(world.phone("1001").outcome(), Some(481));
    world.assert_over();
}

#[test]
fn a_dead_peer_ends_the_call_at_the_reinvite() {
    let mut world = World::talking("1001", "1002");
    world.phone("1002").dead = true;
    world.phone("1002").line = None;
    world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run(Duration::from_secs(65));
    assert!(world.phone("1001").is_idle());
    world.assert_over();
}

#[test]
fn a_withdrawn_reinvite_changes_nothing() {
    for ms in 0..20 {
        let mut world = World::talking("1001", "1002");
        world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
        world.run_ms(ms);
        let key = world.phone("1001").line.as_ref().unwrap().client;
        if key.is_some() {
            world.act("1001", super::phone::Phone::cancel);
            world.phone("1001").line.as_mut().unwrap().confirmed = true;
        }
        world.run_ms(1_000);
        let outcome = world.phone("1001").outcome().unwrap();
        assert!([200, 487].contains(&outcome), "{outcome}");
        if world.phone("1001").line.is_some() {
            world.act("1001", |phone, now| phone.hang_up(now, None));
        }
        world.assert_over();
    }
}

#[test]
fn hanging_up_amid_a_reinvite_ends_everything() {
    for ms in 0..20 {
        let mut world = World::talking("1001", "1002");
        world.act("1001", |phone, now| phone.reinvite(now, (ms % 2 == 0).then_some(Direction::SendOnly)));
        world.run_ms(ms);
        world.act("1002", |phone, now| phone.hang_up(now, None));
        world.assert_over();
    }
}

#[test]
fn info_goes_to_the_other_leg_as_it_is() {
    let mut world = World::talking("1001", "1002");
    world.act("1001", |phone, now| phone.info(now, "Signal=5\r\nDuration=160"));
    world.run_ms(200);
    let infos = world.phone("1002").requests(&Method::Info);
    assert_eq!(infos[0].body(), b"Signal=5\r\nDuration=160");
    assert_eq!(infos[0].content_type().as_deref(), Some("application/dtmf-relay"));
    assert_eq!(world.phone("1001").statuses(&Method::Info), [200]);
    finish(world);
}

#[test]
fn options_inside_a_dialog_is_answered_and_update_is_not_allowed() {
    let mut world = World::talking("1001", "1002");
    world.act("1001", |phone, now| phone.within(now, Method::Options));
    world.act("1002", |phone, now| phone.within(now, Method::Update));
    world.run_ms(200);
    assert_eq!(world.phone("1001").statuses(&Method::Options), [200]);
    assert_eq!(world.phone("1002").statuses(&Method::Update), [405]);
    finish(world);
}

#[test]
fn a_callee_that_names_another_port_in_its_200_is_found_there() {
    let mut world = World::talking("1001", "1002");
    world.phone("1002").contact = "sip:1002@192.0.2.11:5062".to_owned();
    world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run_ms(100);
    world.phone("1002").address.set_port(5062);
    world.run_ms(1_000);
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.run_ms(500);
    assert!(world.phone("1002").is_idle());
    world.assert_over();
}
