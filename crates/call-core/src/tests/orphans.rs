//! Records that are left with media-nodes, and what becomes of them when their sip-node is lost.

use voip_contract::CallId;
use voip_contract::admin::{CallRecord, EndedBy};
use voip_contract::media::MediaNotice;

use super::documents::node;
use super::phone::Reaction;
use super::world::World;
use crate::{Fact, MediaEvent};

/// The newest record that a media-node was left of its only session.
fn left(world: &World) -> (CallId, Vec<u8>) {
    let media = &world.media[&node(&world.busy_node())];
    let id = *media.sessions.keys().next().unwrap();
    (id, media.records[&id].clone())
}

fn orphaned(world: &mut World, session: CallId, record: Vec<u8>, lost_at_ms: u64) {
    let notice = MediaNotice::Orphaned { session, record, lost_at_ms };
    world.media_event(MediaEvent::Noticed { node: node("m0"), notice });
}

#[test]
fn a_record_is_left_with_the_session_and_again_with_its_answer() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    let (id, record) = left(&world);
    let record: CallRecord = serde_json::from_slice(&record).unwrap();
    assert_eq!((record.id, record.from.as_str(), record.answered_at_ms), (id, "1001", None));
    world.act("1002", super::phone::Phone::answer);
    world.run_ms(500);
    let record: CallRecord = serde_json::from_slice(&left(&world).1).unwrap();
    assert!(record.answered_at_ms.unwrap() > record.started_at_ms);
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();

    world.call("1003", "*43", Reaction::Ring);
    let record: CallRecord = serde_json::from_slice(&left(&world).1).unwrap();
    assert!(record.answered_at_ms.is_some(), "media-node answers");
    world.act("1003", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn another_sip_node_closes_the_record_of_a_lost_call() {
    for (reaction, status) in [(Reaction::Answer, 200), (Reaction::Ring, 408)] {
        let mut lost = World::registered();
        lost.call("1001", "1002", reaction);
        let (id, record) = left(&lost);
        let lost_at_ms = lost.now().wall.0 + 5_000;
        let mut world = World::new();
        orphaned(&mut world, id, record, lost_at_ms);
        let record = world.record();
        assert_eq!(
            (record.id, record.ended_by, record.ended_at_ms),
            (id, Some(EndedBy::Lost), Some(lost_at_ms))
        );
        assert_eq!((record.sip_status, record.q850), (status, 41));
        let talked = record.answered_at_ms.map_or(0, |answered| lost_at_ms - answered);
        assert_eq!(record.duration_ms, talked);
    }
}

#[test]
fn a_call_of_our_own_is_no_orphan() {
    let mut world = World::talking("1001", "1002");
    let (id, record) = left(&world);
    orphaned(&mut world, id, record, 1);
    assert!(world.records().is_empty() && world.phone("1001").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_record_that_cannot_be_read_is_reported() {
    let lost = World::talking("1001", "1002");
    let (id, record) = left(&lost);
    let mut world = World::new();
    orphaned(&mut world, id, b"{".to_vec(), 1);
    orphaned(&mut world, CallId(id.0 ^ 1), record, 1);
    let unreadable = world.facts.iter().filter(|fact| matches!(fact, Fact::RecordUnreadable { .. }));
    assert_eq!(unreadable.count(), 2);
    assert!(world.records().is_empty());
}
