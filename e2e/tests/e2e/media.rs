//! What the phones hear.

use std::time::Duration;

use e2e::{Cluster, Up};
use softphone::{AnswerPolicy, Call, CallOptions, Expect, MediaReport, Phone, seed_of};

const SOON: Duration = Duration::from_secs(10);
const REGISTERED_FOR: Duration = Duration::from_mins(2);
/// Packets in a second.
const SECOND: u64 = 50;

/// 1001 and 1002, each expecting the known audio of the other.
fn pair(up: &Up, callee: AnswerPolicy) -> (Phone, Phone) {
    let phone = |user: &str, other: &str, answer: AnswerPolicy| {
        let mut config = up.phone_config(user);
        config.expect = Expect::Known(seed_of(other));
        config.answer = answer;
        let phone = Phone::start(config).expect("a phone starts");
        phone.register(REGISTERED_FOR).expect("the phone registers");
        phone
    };
    (phone("1001", "1002", AnswerPolicy::Manual), phone("1002", "1001", callee))
}

fn call(caller: &Phone, number: &str, expect: Expect) -> Call {
    caller.call(number, CallOptions { expect, ..CallOptions::default() }).expect("the INVITE goes out")
}

fn heard(call: &Call, packets: u64) -> MediaReport {
    call.wait_media(SOON, |report| report.received >= packets).expect("audio arrives")
}

fn assert_bit_for_bit(report: &MediaReport) {
    assert_eq!(report.matches, Some(true), "{report:?}");
    assert_eq!((report.mismatched, report.lost), (0, 0), "{report:?}");
}

#[test]
fn two_phones_hear_each_other_bit_for_bit() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: Some(Duration::from_millis(100)) });
    let call = call(&caller, "1002", Expect::Known(seed_of("1002")));
    call.wait_answered(SOON).unwrap();
    let at_callee = callee.incoming(SOON).unwrap();
    assert_bit_for_bit(&heard(&call, 3 * SECOND));
    assert_bit_for_bit(&heard(&at_callee, 3 * SECOND));
    let (first, last) = up.cluster.rtp();
    for side in [&call, &at_callee] {
        let relay = side.report().remote.expect("SDP named an address").port();
        assert!(
            (first..=last).contains(&relay),
            "the phones talk to a port of the leased range, not {relay}"
        );
    }
    let status = up.status();
    assert_eq!(status["activeCalls"], 1);
    let nodes = status["mediaNodes"].as_array().unwrap();
    let in_use: u64 = nodes.iter().map(|node| node["portsInUse"].as_u64().unwrap()).sum();
    assert_eq!(in_use, 4, "two legs with RTP and RTCP: {status}");
    call.hangup().unwrap();
    at_callee.wait_ended(SOON).unwrap();
    up.await_idle();
    up.stop();
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let up = Cluster::new().up();
    let then = Box::new(AnswerPolicy::Manual);
    let (caller, callee) = pair(&up, AnswerPolicy::EarlyMediaThen { early: Duration::ZERO, then });
    let call = call(&caller, "1002", Expect::Known(seed_of("1002")));
    call.wait_early(SOON).expect("183 with SDP reaches the caller");
    let early = heard(&call, SECOND);
    assert_bit_for_bit(&early);
    assert!(call.talk_time().is_none(), "nobody has answered");
    let at_callee = callee.incoming(SOON).unwrap();
    at_callee.answer().unwrap();
    call.wait_answered(SOON).unwrap();
    assert_bit_for_bit(&heard(&call, early.received + SECOND));
    assert_bit_for_bit(&heard(&at_callee, SECOND));
    call.hangup().unwrap();
    at_callee.wait_ended(SOON).unwrap();
    up.closed_cdrs(1);
    up.stop();
}

#[test]
fn hold_silences_and_resume_brings_back() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: None });
    let call = call(&caller, "1002", Expect::Known(seed_of("1002")));
    call.wait_answered(SOON).unwrap();
    let at_callee = callee.incoming(SOON).unwrap();
    heard(&call, SECOND);
    heard(&at_callee, SECOND);
    for (holder, held) in [(&call, &at_callee), (&at_callee, &call)] {
        holder.hold().expect("hold is accepted");
        held.wait_held_by_peer(true, SOON).expect("the other side learns of it");
        let silent_from = holder.report().received;
        heard(held, held.report().received + 1);
        let while_held = holder.report().received - silent_from;
        assert!(
            while_held <= 10,
            "{while_held} packets came to the holder after the other side knew of the hold"
        );
        holder.resume().expect("resume is accepted");
        held.wait_held_by_peer(false, SOON).unwrap();
        heard(holder, holder.report().received + SECOND);
        heard(held, held.report().received + SECOND);
    }
    assert_eq!((call.report().matches, at_callee.report().matches), (Some(true), Some(true)));
    call.hangup().unwrap();
    at_callee.wait_ended(SOON).unwrap();
    let records = up.closed_cdrs(1);
    assert_eq!(records[0]["sipStatus"], 200);
    up.await_idle();
    up.stop();
}

#[test]
fn the_echo_test_returns_what_was_said() {
    let up = Cluster::new().up();
    let caller = up.phone("1001");
    let call = call(&caller, "*43", Expect::Own);
    call.wait_answered(SOON).unwrap();
    assert_bit_for_bit(&heard(&call, 2 * SECOND));
    call.hangup().unwrap();
    call.wait_ended(SOON).unwrap();
    let record = up.closed_cdrs(1).remove(0);
    assert_eq!((&record["to"], &record["endedBy"]), (&"*43".into(), &"caller".into()), "{record}");
    up.await_idle();
    up.stop();
}

#[test]
fn an_announcement_plays_to_its_end_and_hangs_up() {
    let mut cluster = Cluster::new();
    cluster.routes =
        "  - {id: welcome, pattern: \"500\", actions: [{playAudio: {prompt: welcome}}, {hangup: {}}]}";
    let up = cluster.up();
    let caller = up.phone("1001");
    let call = call(&caller, "500", Expect::Anything);
    call.wait_answered(SOON).unwrap();
    let end = call.wait_ended(SOON).expect("it hangs up after the prompt");
    assert_eq!(end.by, softphone::EndedBy::Remote);
    let report = call.report();
    assert!(report.received >= SECOND, "{report:?}");
    assert_eq!(report.lost, 0, "{report:?}");
    let record = up.closed_cdrs(1).remove(0);
    let played = report.received * 20;
    assert!(
        record["durationMs"].as_u64().unwrap().abs_diff(played) < 500,
        "{record} after {played} ms of audio"
    );
    up.await_idle();
    up.stop();
}

#[test]
fn calls_are_spread_over_the_media_nodes() {
    let up = Cluster::new().up();
    let (caller, callee) = pair(&up, AnswerPolicy::AnswerAfter { ringing: None });
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let call = call(&caller, "1002", Expect::Known(seed_of("1002")));
            call.wait_answered(SOON).unwrap();
            (call, callee.incoming(SOON).unwrap())
        })
        .collect();
    e2e::wait::until("both media nodes hold two sessions", Duration::from_secs(5), || {
        let status = up.status();
        let nodes = status["mediaNodes"].as_array().unwrap();
        if nodes.len() == 2 && nodes.iter().all(|node| node["sessions"] == 2) { Ok(()) } else { Err(status) }
    });
    drop(calls);
    up.await_idle();
    up.stop();
}
