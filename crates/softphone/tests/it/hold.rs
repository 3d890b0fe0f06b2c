//! Re-INVITE: hold, resume, refresh, and two at once.

use softphone::{CallState, PhoneError};

use crate::pair::{AT_ONCE, LONG, Pair, hear_each_other};

#[test]
fn a_held_party_falls_silent_and_talks_again() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    hear_each_other(&here, &there);
    here.hold().unwrap();
    there.wait_held_by_peer(true, LONG).unwrap();
    assert!(!here.is_held_by_peer());
    let sent = there.report().sent;
    let heard = there.report().received;
    // The holder goes on playing, the held one is silent.
    there.wait_media(LONG, |r| r.received >= heard + 25).unwrap();
    assert!(there.report().sent <= sent + 1, "{} then {}", sent, there.report().sent);
    here.resume().unwrap();
    there.wait_held_by_peer(false, LONG).unwrap();
    hear_each_other(&here, &there);
    assert_eq!(there.reinvites_received(), 2);
}

#[test]
fn the_callee_can_hold_too_and_both_can_hold_each_other() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    there.hold().unwrap();
    here.wait_held_by_peer(true, LONG).unwrap();
    here.hold().unwrap();
    there.wait_held_by_peer(true, LONG).unwrap();
    there.resume().unwrap();
    here.resume().unwrap();
    hear_each_other(&here, &there);
    assert!(!here.is_held_by_peer() && !there.is_held_by_peer());
}

#[test]
fn reinvites_with_and_without_an_offer_change_nothing() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    for late_offer in [false, true, true, false] {
        here.reinvite(late_offer).unwrap();
        there.reinvite(late_offer).unwrap();
    }
    hear_each_other(&here, &there);
    assert_eq!((here.reinvites_received(), there.reinvites_received()), (4, 4));
}

#[test]
fn reinvites_that_meet_are_both_carried_out_in_the_end() {
    let pair = Pair::new(AT_ONCE);
    let (here, there) = pair.answered();
    std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| here.hold()), scope.spawn(|| there.hold()));
        a.join().unwrap().unwrap();
        b.join().unwrap().unwrap();
    });
    assert!(here.is_held_by_peer() && there.is_held_by_peer());
}

#[test]
fn a_call_that_is_not_up_cannot_be_held() {
    let pair = Pair::new(softphone::AnswerPolicy::RingForever);
    let here = pair.call();
    here.wait_ringing(LONG).unwrap();
    assert!(matches!(here.hold(), Err(PhoneError::State { state: "ringing", .. })));
    assert_eq!(here.state(), CallState::Ringing);
}
