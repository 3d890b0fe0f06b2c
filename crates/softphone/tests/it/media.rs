//! Audio over bad paths, other codecs, echoes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use softphone::{AnswerPolicy, Audio, CallOptions, Expect, Law, RtpEnd};
use testkit::udp_relay::{Badness, UdpRelay};

use crate::pair::{AT_ONCE, CALLER_AUDIO, LONG, Pair, hear_each_other, options};

/// Puts a relay in front of every RTP port that is advertised.
fn behind(relays: &Arc<Mutex<Vec<UdpRelay>>>, badness: Badness) -> softphone::config::Advertise {
    let relays = Arc::clone(relays);
    Arc::new(move |local| {
        let relay = UdpRelay::start(local, badness).unwrap();
        let address = relay.address();
        relays.lock().unwrap().push(relay);
        address
    })
}

#[test]
fn losses_of_the_network_are_counted_and_lower_the_score() {
    let relays = Arc::default();
    let bad = Badness { seed: 11, loss_per_mille: 100, ..Badness::default() };
    let pair = Pair::with(AT_ONCE, |caller| caller.advertise = Some(behind(&relays, bad)), |_| {});
    let (here, there) = pair.answered();
    let worse = here.wait_media(LONG, |r| r.received >= 100).unwrap();
    there.hangup().unwrap();
    here.wait_ended(LONG).unwrap();
    let (here, there) = (here.report(), there.report());
    let counts = relays.lock().unwrap()[0].counts();
    // Losses before the first and after the last packet that came cannot be seen.
    assert!(here.lost > 0 && here.lost <= counts.lost, "{here:?} {counts:?}");
    assert_eq!(here.received, counts.passed);
    assert_eq!((here.matches, there.matches), (Some(true), Some(true)));
    assert!(worse.mos.unwrap() < 4.0, "{worse:?}");
}

#[test]
fn both_laws_are_spoken_and_no_common_one_is_488() {
    let only = |law| move |config: &mut softphone::PhoneConfig| config.codecs = vec![law];
    let pair = Pair::with(AT_ONCE, |_| {}, only(Law::Alaw));
    let (here, there) = pair.answered();
    hear_each_other(&here, &there);
    assert_eq!((here.report().codec, there.report().codec), (Some("PCMA"), Some("PCMA")));
    let pair = Pair::with(AT_ONCE, only(Law::Ulaw), only(Law::Alaw));
    assert_eq!(pair.call().wait_ended(LONG).unwrap().status, Some(488));
}

#[test]
fn an_echo_returns_what_was_sent() {
    let pair = Pair::with(AT_ONCE, |_| {}, |callee| callee.audio = Audio::Echo);
    let here = pair.caller.call("1002", CallOptions { expect: Expect::Own, ..options() }).unwrap();
    let report = here.wait_media(LONG, |r| r.received >= 20).unwrap();
    assert_eq!((report.matches, report.mismatched), (Some(true), 0));
}

#[test]
fn other_audio_than_expected_is_told() {
    let pair = Pair::with(AT_ONCE, |_| {}, |callee| callee.audio = Audio::Known(7));
    let (here, _there) = pair.answered();
    let report = here.wait_media(LONG, |r| r.received >= 5).unwrap();
    assert_eq!(report.matches, Some(false));
    let here = pair.caller.call("1002", CallOptions { expect: Expect::Anything, ..options() }).unwrap();
    let report = here.wait_media(LONG, |r| r.received >= 5).unwrap();
    assert_eq!(report.matches, None);
}

#[test]
fn silence_is_not_what_was_expected() {
    let pair = Pair::with(
        AnswerPolicy::AnswerAfter { ringing: None },
        |_| {},
        |callee| callee.audio = Audio::Silent,
    );
    let (here, there) = pair.answered();
    let heard = there.wait_media(LONG, |r| r.received >= 10).unwrap();
    assert_eq!((heard.matches, here.report().matches), (Some(true), Some(false)));
    assert_eq!((here.report().received, here.report().mos), (0, None));
}

#[test]
fn packets_are_captured_as_far_as_asked_for() {
    let pair = Pair::with(AT_ONCE, |_| {}, |callee| callee.capture = 3);
    let (here, there) = pair.answered();
    there.wait_media(LONG, |r| r.received >= 6).unwrap();
    let captured = there.captured();
    assert_eq!(captured.len(), 3);
    let payload = &captured[0].bytes[12..];
    let position = softphone::KnownAudio::new(CALLER_AUDIO).position_of(Law::Ulaw, payload);
    assert!(position.is_some_and(|p| p < 6), "{position:?}");
    assert_eq!(captured[0].from, here.report().local);
    assert!(here.captured().is_empty());
}

#[test]
fn rtp_ends_without_sip_check_each_other() {
    let ip = "127.0.0.1".parse().unwrap();
    let a = RtpEnd::open(ip, Audio::Known(1), Expect::Known(2), 0).unwrap();
    let b = RtpEnd::open(ip, Audio::Known(2), Expect::Known(1), 1).unwrap();
    a.talk_to(b.local(), Law::Alaw);
    b.talk_to(a.local(), Law::Alaw);
    for end in [&a, &b] {
        let report = end.wait(LONG, |r| r.received >= 10).unwrap();
        assert_eq!((report.matches, report.codec), (Some(true), Some("PCMA")));
    }
    assert_eq!(b.captured().len(), 1);
    assert!(a.wait(Duration::from_millis(50), |r| r.received > 1_000_000).is_err());
}
