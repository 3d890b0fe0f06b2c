//! Calls that the dialplan answers itself.

use std::time::Duration;

use sip_core::Method;
use voip_contract::admin::EndedBy;
use voip_contract::config::ActionDocument;
use voip_contract::media::Direction;

use super::documents::dial;
use super::phone::Reaction;
use super::world::World;

fn play(prompt: &str) -> ActionDocument {
    ActionDocument::PlayAudio { prompt: prompt.to_owned(), repeat: 1 }
}

#[test]
fn echo_lasts_until_the_caller_hangs_up() {
    let mut world = World::registered();
    world.call("1001", "*43", Reaction::Ring);
    assert!(world.phone("1001").is_talking());
    world.act("1001", |phone, now| phone.reinvite(now, Some(Direction::SendOnly)));
    world.run(Duration::from_secs(20));
    assert_eq!(world.phone("1001").outcome(), Some(200), "media-node answers the re-INVITE");
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
    assert_eq!((world.record().sip_status, world.record().ended_by), (200, Some(EndedBy::Caller)));
}

#[test]
fn an_announcement_is_played_to_its_end() {
    let mut world = World::planned(&[("*", vec![play("closed")])]);
    world.call("1001", "1", Reaction::Ring);
    assert!(world.phone("1001").is_talking());
    world.run(Duration::from_secs(2));
    assert_eq!(world.phone("1001").requests(&Method::Bye).len(), 1);
    world.assert_over();
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 16, Some(EndedBy::System)));
}

#[test]
fn after_an_announcement_the_callee_is_joined_without_a_reinvite() {
    let mut world = World::planned(&[("*", vec![play("wait"), dial("1002", 20)])]);
    world.phone("1002").reaction = Reaction::Answer;
    world.call("1001", "1", Reaction::Ring);
    world.run(Duration::from_secs(3));
    assert!(world.phone("1002").is_talking());
    assert!(world.phone("1001").requests(&Method::Invite).is_empty());
    assert_eq!(
        world.phone("1001").statuses(&Method::Invite),
        [401, 200],
        "the callee's progress is not relayed"
    );
    world.act("1002", |phone, now| phone.hang_up(now, None));
    world.assert_over();
    assert_eq!(world.record().ended_by, Some(EndedBy::Callee));
}

#[test]
fn a_busy_callee_after_an_answer_is_followed_by_the_next_action() {
    let mut world = World::planned(&[("*", vec![ActionDocument::Answer {}, dial("1002", 20), play("busy")])]);
    world.phone("1002").reaction = Reaction::Reject(486);
    world.call("1001", "1", Reaction::Ring);
    assert!(world.phone("1001").is_talking());
    world.run(Duration::from_secs(3));
    assert_eq!(world.phone("1001").requests(&Method::Bye).len(), 1);
    world.assert_over();
}

#[test]
fn early_media_is_followed_by_an_announcement() {
    let mut world = World::planned(&[("*", vec![dial("1002", 20), play("busy")])]);
    world.phone("1002").reaction = Reaction::Early;
    world.call("1001", "1", Reaction::Ring);
    world.act("1002", |phone, now| phone.reject(now, 486));
    world.run_ms(1_000);
    assert!(world.phone("1001").is_talking());
    world.run(Duration::from_secs(3));
    world.assert_over();
}

#[test]
fn a_missing_prompt_is_passed_over() {
    let mut world = World::planned(&[("*", vec![play("missing"), ActionDocument::Hangup { status: 603 }])]);
    world.call("1001", "1", Reaction::Ring);
    world.assert_over();
    assert_eq!(world.record().sip_status, 200);
    assert!(
        world.facts.iter().any(|fact| matches!(fact, crate::Fact::MediaRefused { reason: "no-prompt", .. }))
    );
}

#[test]
fn hangup_says_its_status() {
    let mut world = World::planned(&[("*", vec![ActionDocument::Hangup { status: 410 }])]);
    world.call("1001", "1", Reaction::Ring);
    assert_eq!(world.phone("1001").outcome(), Some(410));
    world.assert_over();
    assert_eq!(world.record().q850, 22);
}

#[test]
fn nobody_can_offer_for_an_announcement() {
    let mut world = World::registered();
    world.phone("1001").late_offer = true;
    world.call("1001", "*43", Reaction::Ring);
    assert_eq!(world.phone("1001").outcome(), Some(488));
    world.assert_over();
}
