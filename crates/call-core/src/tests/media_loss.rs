//! Media-nodes that refuse, are silent, vanish, or come back.

use std::time::Duration;

use sip_core::{Header, Method};
use voip_contract::admin::{EndedBy, NodeState};
use voip_contract::media::{MediaNotice, RefusalReason};

use super::documents::node;
use super::phone::Reaction;
use super::world::World;
use crate::{Fact, MediaEvent};

#[test]
fn a_lost_node_ends_its_calls_and_is_used_again_when_it_is_back() {
    let mut world = World::talking("1001", "1002");
    let name = world.busy_node();
    world.media.get_mut(&node(&name)).unwrap().sessions.clear();
    world.disconnect_node(&name);
    world.run_ms(1_200);
    for phone in ["1001", "1002"] {
        let byes = world.phone(phone).requests(&Method::Bye);
        let reason = byes[0].text(Header::Reason).unwrap().into_owned();
        assert_eq!(reason, "Q.850;cause=41;text=\"media lost\"");
    }
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 41, Some(EndedBy::System)));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::MediaNodeLost { calls: 1, .. })));
    let states: Vec<_> = world.switch.status(world.now()).media_nodes.iter().map(|n| n.state).collect();
    assert!(states.contains(&NodeState::Lost) && states.contains(&NodeState::Ready));

    world.call("1001", "1002", Reaction::Answer);
    assert!(world.phone("1001").is_talking(), "the other node takes new calls");
    assert_ne!(world.busy_node(), name);
    world.connect_node(&name, 77);
    world.call("1003", "*43", Reaction::Ring);
    assert_eq!(world.media[&node(&name)].sessions.len(), 1, "the node that is back is used again");
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.act("1003", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_node_that_is_back_within_a_second_keeps_its_calls() {
    let mut world = World::talking("1001", "1002");
    let name = world.busy_node();
    let run = world.media[&node(&name)].said.incarnation.0;
    world.disconnect_node(&name);
    world.run_ms(900);
    world.connect_node(&name, run);
    world.run_ms(3_000);
    assert!(world.phone("1001").is_talking() && world.phone("1002").is_talking());
    let claims = &world.media[&node(&name)].claims;
    assert_eq!(claims.last().unwrap().len(), 1, "its session was claimed");
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn another_run_of_a_node_has_lost_the_calls_at_once() {
    let mut world = World::talking("1001", "1002");
    let name = world.busy_node();
    world.connect_node(&name, 99);
    world.run_ms(100);
    assert!(world.phone("1001").is_idle() && world.phone("1002").is_idle());
    world.assert_over();
    assert_eq!(world.record().q850, 41);
}

#[test]
fn a_node_lost_while_it_rings_is_503_for_the_caller_and_cancel_for_the_callee() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    let name = world.busy_node();
    world.media.get_mut(&node(&name)).unwrap().sessions.clear();
    world.disconnect_node(&name);
    world.run_ms(1_500);
    assert_eq!(world.phone("1001").outcome(), Some(503));
    assert!(world.phone("1002").is_idle());
    world.assert_over();
}

#[test]
fn a_session_that_is_lost_ends_its_call_and_says_whether_it_was_a_drain() {
    for (drained, reason) in
        [(false, "Q.850;cause=41;text=\"media lost\""), (true, "SIP;cause=503;text=\"drain deadline\"")]
    {
        let mut world = World::talking("1001", "1002");
        let name = node(&world.busy_node());
        let session = *world.media[&name].sessions.keys().next().unwrap();
        world.media.get_mut(&name).unwrap().sessions.clear();
        let notice = MediaNotice::SessionLost { session, detail: "test".to_owned(), drained };
        world.media_event(MediaEvent::Noticed { node: name, notice });
        world.run_ms(500);
        for phone in ["1001", "1002"] {
            let byes = world.phone(phone).requests(&Method::Bye);
            assert_eq!(byes[0].text(Header::Reason).unwrap(), reason);
        }
        world.assert_over();
        assert_eq!(world.record().q850, 41);
    }
}

#[test]
fn a_node_without_room_is_passed_over_once() {
    for reason in [RefusalReason::NoPorts, RefusalReason::Unavailable] {
        let mut world = World::registered();
        world.media.get_mut(&node("m0")).unwrap().refuses = Some(reason);
        world.call("1001", "1002", Reaction::Answer);
        assert_eq!(world.busy_node(), "m1");
        world.act("1001", |phone, now| phone.hang_up(now, None));
        world.call("1001", "*43", Reaction::Answer);
        assert!(world.phone("1001").is_talking());
        world.act("1001", |phone, now| phone.hang_up(now, None));
        world.assert_over();
    }
}

#[test]
fn no_room_anywhere_is_503() {
    let mut world = World::registered();
    for name in ["m0", "m1"] {
        world.media.get_mut(&node(name)).unwrap().refuses = Some(RefusalReason::NoPorts);
    }
    world.call("1001", "1002", Reaction::Answer);
    assert_eq!(world.phone("1001").outcome(), Some(503));
    world.assert_over();
}

#[test]
fn an_offer_that_cannot_be_carried_is_488() {
    let mut world = World::registered();
    for name in ["m0", "m1"] {
        world.media.get_mut(&node(name)).unwrap().refuses = Some(RefusalReason::NotAcceptable);
    }
    world.call("1001", "1002", Reaction::Answer);
    assert_eq!(world.phone("1001").outcome(), Some(488));
    world.assert_over();
}

#[test]
fn a_silent_node_is_given_up_after_two_seconds() {
    let mut world = World::registered();
    world.media.get_mut(&node("m0")).unwrap().silent = true;
    world.call("1001", "1002", Reaction::Answer);
    assert!(!world.phone("1001").is_talking());
    world.run(Duration::from_secs(2));
    assert!(world.phone("1001").is_talking());
    assert_eq!(world.busy_node(), "m1");
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}
