//! Calls that come about, and calls that do not.

use std::time::Duration;

use softphone::{AnswerPolicy, Audio, CallOptions, CallState, EndedBy, Phone, PhoneError};
use testkit::udp_relay::{Badness, UdpRelay};

use crate::pair::{AT_ONCE, CALLER_AUDIO, LONG, Pair, config, hear_each_other, options};

#[test]
fn a_call_rings_is_answered_carries_audio_both_ways_and_ends_by_the_caller() {
    let pair = Pair::new(AnswerPolicy::AnswerAfter { ringing: Some(Duration::from_millis(100)) });
    let here = pair.call();
    let there = pair.callee.incoming(LONG).unwrap();
    here.wait_ringing(LONG).unwrap();
    here.wait_answered(LONG).unwrap();
    assert!(there.is_incoming() && !here.is_incoming());
    assert_eq!((there.peer(), here.peer()), ("1001", "1002"));
    assert_eq!(there.call_id(), here.call_id());
    assert!(here.setup_time().unwrap() >= Duration::from_millis(100));
    assert!(here.ring_delay().unwrap() < here.setup_time().unwrap());
    hear_each_other(&here, &there);
    here.hangup().unwrap();
    let ended = here.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.bye_status, ended.status), (EndedBy::Local, Some(200), None));
    assert_eq!(there.wait_ended(LONG).unwrap().by, EndedBy::Remote);
    assert!(here.talk_time().unwrap() >= Duration::from_millis(150));
    assert_eq!(here.report().lost, 0);
}

#[test]
fn the_callee_ends_the_call() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    assert!(here.provisional().is_empty());
    there.hangup().unwrap();
    let ended = there.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.bye_status), (EndedBy::Local, Some(200)));
    assert_eq!(here.wait_ended(LONG).unwrap().by, EndedBy::Remote);
}

#[test]
fn a_call_ends_by_itself_after_its_duration() {
    let pair = Pair::new(AT_ONCE);
    let duration = Some(Duration::from_millis(300));
    let here = pair.caller.call("1002", CallOptions { duration, ..options() }).unwrap();
    assert_eq!(here.wait_ended(LONG).unwrap().by, EndedBy::Local);
    assert!(here.talk_time().unwrap() >= Duration::from_millis(300));
}

#[test]
fn busy_is_486() {
    let pair = Pair::new(AnswerPolicy::Busy);
    let here = pair.call();
    let ended = here.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.status, ended.phrase.as_str()), (EndedBy::Remote, Some(486), "Busy Here"));
    assert!(here.provisional().is_empty());
    let error = here.wait_answered(LONG).unwrap_err();
    assert_eq!(error.status(), Some(486));
    assert_eq!(error.to_string(), "the call ended: 486 Busy Here");
}

#[test]
fn a_phone_with_all_its_calls_up_is_busy() {
    let pair = Pair::with(AT_ONCE, |_| {}, |callee| callee.max_calls = 1);
    let (first, _there) = pair.answered();
    assert_eq!(pair.call().wait_ended(LONG).unwrap().status, Some(486));
    assert_eq!(first.state(), CallState::Answered);
}

#[test]
fn a_decline_rings_first() {
    let pair = Pair::new(AnswerPolicy::Decline(603));
    let here = pair.call();
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(603));
    assert_eq!(here.provisional(), [180]);
}

#[test]
fn cancel_is_487_at_both_ends() {
    let pair = Pair::new(AnswerPolicy::RingForever);
    let here = pair.call();
    let there = pair.callee.incoming(LONG).unwrap();
    here.wait_ringing(LONG).unwrap();
    here.cancel().unwrap();
    let ended = here.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.status), (EndedBy::Local, Some(487)));
    let ended = there.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.status), (EndedBy::Remote, Some(487)));
}

#[test]
fn a_call_that_nobody_answers_is_cancelled_after_its_limit() {
    let pair = Pair::new(AnswerPolicy::RingForever);
    let ring_timeout = Some(Duration::from_millis(300));
    let here = pair.caller.call("1002", CallOptions { ring_timeout, ..options() }).unwrap();
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(487));
}

#[test]
fn the_holder_of_an_incoming_call_decides_under_the_manual_policy() {
    let pair = Pair::new(AnswerPolicy::Manual);
    let here = pair.call();
    let there = pair.callee.incoming(LONG).unwrap();
    assert_eq!(there.state(), CallState::Trying);
    there.ring().unwrap();
    here.wait_ringing(LONG).unwrap();
    there.reject(480).unwrap();
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(480));
    assert!(matches!(there.answer(), Err(PhoneError::State { action: "answer", state: "over" })));
    let here = pair.call();
    pair.callee.incoming(LONG).unwrap().detach();
    assert!(matches!(
        here.wait_answered(Duration::from_millis(100)),
        Err(PhoneError::Waited { event: "answer", .. })
    ));
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let then = Box::new(AT_ONCE);
    let pair = Pair::new(AnswerPolicy::EarlyMediaThen { early: Duration::from_millis(600), then });
    let here = pair.call();
    here.wait_early(LONG).unwrap();
    let early = here.wait_media(LONG, |r| r.received >= 5).unwrap();
    assert_eq!((here.state(), early.matches), (CallState::Early, Some(true)));
    assert_eq!(here.provisional(), [183]);
    here.wait_answered(LONG).unwrap();
    hear_each_other(&here, &pair.callee.incoming(LONG).unwrap());
}

#[test]
fn early_media_may_end_in_a_refusal() {
    let then = Box::new(AnswerPolicy::Busy);
    let pair = Pair::new(AnswerPolicy::EarlyMediaThen { early: Duration::from_millis(200), then });
    let here = pair.call();
    here.wait_early(LONG).unwrap();
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(486));
    assert!(here.report().received > 0);
}

#[test]
fn without_an_offer_the_callee_offers_and_the_ack_answers() {
    let pair = Pair::new(AnswerPolicy::AnswerAfter { ringing: Some(Duration::from_millis(50)) });
    let here = pair.caller.call("1002", CallOptions { late_offer: true, ..options() }).unwrap();
    let there = pair.callee.incoming(LONG).unwrap();
    here.wait_answered(LONG).unwrap();
    hear_each_other(&here, &there);
}

#[test]
fn a_dropped_handle_hangs_up_and_a_detached_one_does_not() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    drop(here);
    assert_eq!(there.wait_ended(LONG).unwrap().by, EndedBy::Remote);
    let (here, there) = pair.answered();
    there.detach();
    hear_each_other(&here, &here);
    assert_eq!(here.state(), CallState::Answered);
}

#[test]
fn a_dropped_phone_ends_its_calls_with_bye_and_a_vanished_one_with_silence() {
    let Pair { caller, callee } = Pair::new(AT_ONCE);
    let pair = Pair { caller, callee };
    let (here, there) = pair.answered();
    let Pair { caller, callee } = pair;
    drop(caller);
    let ended = here.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.bye_status), (EndedBy::Local, Some(200)));
    assert_eq!(there.wait_ended(LONG).unwrap().by, EndedBy::Remote);
    assert!(matches!(here.hangup(), Err(PhoneError::Gone)));
    drop(callee);

    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    let Pair { caller, callee } = pair;
    caller.vanish();
    assert_eq!(here.wait_ended(LONG).unwrap().by, EndedBy::Failure);
    assert!(there.wait_ended(Duration::from_millis(300)).is_err(), "nobody told the callee");
    // The callee's BYE finds nobody: the call ends all the same.
    there.hangup().unwrap();
    let ended = there.wait_ended(LONG).unwrap();
    assert_eq!((ended.by, ended.bye_status), (EndedBy::Local, None));
    drop(callee);
}

#[test]
fn a_phone_calls_whole_uris_and_refuses_what_is_none() {
    let pair = Pair::new(AnswerPolicy::Busy);
    let uri = format!("sip:1002@{}", pair.callee.address());
    let here = pair.caller.call(&uri, options()).unwrap();
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(486));
    for bad in ["", "sip:", "sip:a@b c"] {
        let error = pair.caller.call(bad, options()).unwrap_err();
        assert!(matches!(error, PhoneError::BadTarget { .. }), "{bad:?}: {error}");
    }
}

#[test]
fn a_lossy_path_for_signaling_costs_time_and_no_call() {
    let pair = Pair::new(AT_ONCE);
    for seed in 0..4 {
        let bad = Badness {
            seed,
            loss_per_mille: 300,
            duplicate_per_mille: 300,
            jitter: Duration::from_millis(20),
        };
        let relay = UdpRelay::start(pair.callee.address(), bad).unwrap();
        let mut config = config("1003", relay.address());
        config.audio = Audio::Known(CALLER_AUDIO);
        let caller = Phone::start(config).unwrap();
        let here = caller.call("1002", options()).unwrap();
        let there = pair.callee.incoming(LONG).unwrap();
        here.wait_answered(LONG).unwrap();
        hear_each_other(&here, &there);
        assert_eq!(there.peer(), "1003");
        here.hangup().unwrap();
        assert_eq!(there.wait_ended(LONG).unwrap().by, EndedBy::Remote, "seed {seed}");
        assert!(pair.callee.incoming(Duration::ZERO).is_err(), "a retransmission became a call, seed {seed}");
    }
}

#[test]
fn caller_name_and_number_reach_the_callee_and_its_policy_can_change() {
    let pair = Pair::with(AnswerPolicy::Busy, |caller| caller.display_name = "Zoë \"Z\" Ü".into(), |_| {});
    let from_user = Some("4711".to_owned());
    let here = pair.caller.call("1002", CallOptions { from_user, ..options() }).unwrap();
    let there = pair.callee.incoming(LONG).unwrap();
    assert_eq!((there.peer(), there.peer_name()), ("4711", "Zoë \"Z\" Ü"));
    assert_eq!(here.wait_ended(LONG).unwrap().status, Some(486));
    pair.callee.set_answer(AT_ONCE).unwrap();
    let (here, there) = pair.answered();
    hear_each_other(&here, &there);
}
