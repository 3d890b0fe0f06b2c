//! Basic calls, one behaviour each.

use std::time::Duration;

use sip_core::{Header, Method};
use voip_contract::admin::EndedBy;

use super::documents::{dial, documents, user};
use super::phone::Reaction;
use super::world::World;
use crate::{Fact, Limits};

#[test]
fn two_phones_talk_and_the_caller_hangs_up() {
    let mut world = World::talking("1001", "1002");
    assert_eq!(world.phone("1001").statuses(&Method::Invite), [401, 180, 200]);
    assert_eq!(world.sessions(), 1);
    world.run_ms(5_000);
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
    let record = world.record();
    assert_eq!((record.from.as_str(), record.to.as_str()), ("1001", "1002"));
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 16, Some(EndedBy::Caller)));
    assert!((5_900..6_100).contains(&record.duration_ms), "{}", record.duration_ms);
}

#[test]
fn the_callee_hangs_up_and_its_reason_goes_on() {
    let mut world = World::talking("1001", "1002");
    world.act("1002", |phone, now| phone.hang_up(now, Some("Q.850;cause=31;text=\"bye\"")));
    world.assert_over();
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (200, 31, Some(EndedBy::Callee)));
    let byes = world.phone("1001").requests(&Method::Bye);
    assert_eq!(byes.len(), 1);
    assert_eq!(byes[0].header(Header::Reason), Some(&b"Q.850;cause=31;text=\"bye\""[..]));
}

#[test]
fn the_legs_are_dialogs_of_their_own() {
    let mut world = World::talking("1001", "1002");
    let at_callee = world.phone("1002").requests(&Method::Invite)[0].clone();
    let caller = world.phone("1001").line.as_ref().unwrap().dialog.clone().unwrap();
    assert_ne!(at_callee.call_id(), caller.id.call_id);
    assert_eq!(at_callee.max_forwards(), Some(69));
    assert_eq!(at_callee.from().unwrap().display_name, "User 1001");
    assert_eq!(at_callee.from().unwrap().uri.to_string(), "sip:1001@sip.example.com");
    assert_eq!(at_callee.contacts().unwrap().first().unwrap().uri.to_string(), "sip:192.0.2.1:5060");
    assert_eq!(at_callee.request_uri_text(), Some("sip:1002@192.0.2.11:5060"));
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn an_alias_number_reaches_its_user() {
    let mut world = World::registered();
    world.phone("1002").reaction = Reaction::Answer;
    world.call("1001", "+491002", Reaction::Answer);
    assert!(world.phone("1002").is_talking());
    world.act("1002", |phone, now| phone.hang_up(now, None));
    world.assert_over();
    assert_eq!(world.record().to, "+491002");
}

#[test]
fn busy_callee_is_relayed() {
    for (status, q850) in [(486, 17), (603, 21), (488, 88), (404, 1), (600, 17)] {
        let mut world = World::registered();
        world.call("1001", "1002", Reaction::Reject(status));
        assert_eq!(world.phone("1001").outcome(), Some(status));
        world.assert_over();
        let record = world.record();
        assert_eq!((record.sip_status, record.q850, record.ended_by), (status, q850, Some(EndedBy::Callee)));
        assert_eq!(record.duration_ms, 0);
    }
}

#[test]
fn what_a_caller_cannot_mend_is_told_in_other_words() {
    for (status, told) in [(302, 480), (401, 502), (407, 502), (503, 500), (482, 480)] {
        let mut world = World::registered();
        world.call("1001", "1002", Reaction::Reject(status));
        assert_eq!(world.phone("1001").outcome(), Some(told), "{status}");
        world.assert_over();
    }
}

#[test]
fn unknown_number_is_404_and_an_absent_user_480() {
    let mut world = World::new();
    world.call("1001", "4711", Reaction::Ring);
    assert_eq!(world.phone("1001").outcome(), Some(404));
    world.call("1001", "1002", Reaction::Ring);
    assert_eq!(world.phone("1001").outcome(), Some(480));
    world.assert_over();
    let outcomes: Vec<_> = world.records().iter().map(|r| (r.sip_status, r.q850)).collect();
    assert_eq!(outcomes, [(404, 1), (480, 20)]);
}

#[test]
fn no_route_is_404() {
    let mut world = World::planned(&[("9*", vec![dial("1002", 30)])]);
    world.call("1001", "1002", Reaction::Ring);
    assert_eq!(world.phone("1001").outcome(), Some(404));
    world.assert_over();
}

#[test]
fn no_answer_is_480_and_the_callee_hears_cancel() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    world.run(Duration::from_secs(27));
    assert_eq!(world.phone("1001").outcome(), Some(401), "still ringing");
    world.run(Duration::from_secs(4));
    assert_eq!(world.phone("1001").outcome(), Some(480));
    assert_eq!(world.phone("1002").requests(&Method::Cancel).len(), 1);
    world.assert_over();
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (480, 19, Some(EndedBy::System)));
}

#[test]
fn caller_cancels_while_it_rings() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Ring);
    world.act("1001", super::phone::Phone::cancel);
    world.run_ms(500);
    assert_eq!(world.phone("1001").outcome(), Some(487));
    assert!(world.phone("1002").is_idle());
    world.assert_over();
    let record = world.record();
    assert_eq!((record.sip_status, record.q850, record.ended_by), (487, 16, Some(EndedBy::Caller)));
}

#[test]
fn caller_cancels_at_every_moment() {
    for ms in 0..40 {
        let mut world = World::registered();
        world.phone("1002").reaction = Reaction::Answer;
        world.act("1001", |phone, now| phone.invite(now, "1002"));
        world.run_ms(ms);
        world.act(
            "1001",
            |phone, now| if phone.is_talking() { phone.hang_up(now, None) } else { phone.cancel(now) },
        );
        world.run_ms(1_000);
        world.assert_over();
    }
}

#[test]
fn callee_that_never_says_anything_is_480_after_the_ringing_time() {
    let mut world = World::registered();
    world.phone("1002").dead = true;
    world.call("1001", "1002", Reaction::Ignore);
    world.run(Duration::from_secs(30));
    assert_eq!(world.phone("1001").outcome(), Some(480));
    world.assert_over();
}

#[test]
fn callee_that_never_says_anything_for_64_t1_is_408() {
    let mut world = World::planned(&[("1002", vec![dial("1002", 60)])]);
    world.phone("1002").dead = true;
    world.call("1001", "1002", Reaction::Ignore);
    world.run(Duration::from_secs(34));
    assert_eq!(world.phone("1001").outcome(), Some(408));
    world.assert_over();
    assert_eq!(world.record().q850, 102);
}

#[test]
fn early_media_reaches_the_caller_before_the_answer() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Early);
    let progress =
        world.phone("1001").got.iter().find(|m| m.status().is_some_and(|s| s.code() == 183)).unwrap().clone();
    assert!(String::from_utf8_lossy(progress.body()).contains("198.51.100.1"), "our media address");
    world.act("1002", super::phone::Phone::answer);
    world.run_ms(500);
    assert!(world.phone("1001").is_talking());
    world.act("1002", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn early_media_then_busy() {
    let mut world = World::registered();
    world.call("1001", "1002", Reaction::Early);
    world.act("1002", |phone, now| phone.reject(now, 486));
    world.run_ms(500);
    assert_eq!(world.phone("1001").outcome(), Some(486));
    world.assert_over();
}

#[test]
fn limits_of_both_users_hold() {
    let mut users = ["1001", "1002", "1003"].map(user).to_vec();
    users[0].max_calls = 1;
    users[1].max_calls = 1;
    let mut world = World::with(&documents(Vec::new(), users), Limits::default(), 1);
    world.register_all();
    world.call("1001", "1002", Reaction::Answer);
    world.call("1003", "1002", Reaction::Answer);
    assert_eq!(world.phone("1003").outcome(), Some(486), "the callee is at its limit");
    assert_eq!(world.records().len(), 1);
    let first = world.phone("1001").line.take();
    world.call("1001", "1003", Reaction::Answer);
    assert_eq!(world.phone("1001").outcome(), Some(403), "the caller is at its limit");
    let refused = |fact: &Fact| matches!(fact, Fact::Refused { reason: "too-many-calls", .. });
    assert!(world.facts.iter().any(refused));
    world.phone("1001").line = first;
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn no_media_node_is_503_with_retry_after_and_registration_works() {
    let mut world = World::new();
    for name in ["m0", "m1"] {
        world.disconnect_node(name);
    }
    world.register_all();
    assert_eq!(world.phone("1001").statuses(&Method::Register), [401, 200]);
    world.call("1001", "1002", Reaction::Answer);
    assert_eq!(world.phone("1001").outcome(), Some(503));
    let last = world.phone("1001").got.last().unwrap();
    assert!(last.header(Header::RetryAfter).is_some());
    world.assert_over();
}

#[test]
fn the_call_is_written_before_anybody_rings_and_before_the_200() {
    let mut world = World::registered();
    world.store_delay = Duration::from_millis(300);
    world.phone("1002").reaction = Reaction::Answer;
    world.act("1001", |phone, now| phone.invite(now, "1002"));
    world.run_ms(400);
    assert_eq!(world.store.writes, 1);
    assert!(world.phone("1002").requests(&Method::Invite).is_empty(), "not before the store has said so");
    world.run_ms(300);
    assert_eq!(world.phone("1002").requests(&Method::Invite).len(), 1);
    assert!(!world.phone("1001").is_talking(), "not before the store has said so");
    world.run_ms(500);
    assert!(world.phone("1001").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn calls_go_on_without_the_store() {
    let mut world = World::talking("1001", "1002");
    world.store_silent = true;
    world.act("1001", |phone, now| phone.reinvite(now, Some(voip_contract::media::Direction::SendOnly)));
    world.run(Duration::from_secs(5));
    assert_eq!(world.phone("1001").outcome(), Some(200));
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}

#[test]
fn a_caller_who_waits_hears_ringing_again_every_minute() {
    let mut world = World::planned(&[("*", vec![dial("1002", 130)])]);
    world.call("1001", "1002", Reaction::Ring);
    world.run(Duration::from_secs(124));
    let ringing = world.phone("1001").statuses(&Method::Invite).into_iter().filter(|status| *status == 180);
    assert_eq!(ringing.count(), 3);
    world.act("1002", super::phone::Phone::answer);
    world.run_ms(500);
    assert!(world.phone("1001").is_talking());
    world.act("1001", |phone, now| phone.hang_up(now, None));
    world.assert_over();
}
