//! Calls as they go.

use super::*;

#[test]
fn an_offer_opens_both_legs_and_an_answer_joins_them() {
    let mut call = Call::new();
    let passed = call.offer(1, CALLER, CALLEE, body(CALLER, "0 8 101", "sendrecv"));
    assert!(passed.contains(&format!("m=audio {} RTP/AVP 0 8 101\r\n", call.port(CALLEE))), "{passed}");
    assert!(passed.contains("c=IN IP4 198.51.100.1\r\n"));
    assert_eq!((call.heard_by(CALLER), call.heard_by(CALLEE)), (None, None));

    let passed = call.answer(1, CALLEE, CALLER, body(CALLEE, "0 101", "sendrecv"));
    assert!(passed.contains(&format!("m=audio {} RTP/AVP 0 101\r\n", call.port(CALLER))), "{passed}");
    assert_eq!((call.heard_by(CALLER), call.heard_by(CALLEE)), (Some(CALLEE), Some(CALLER)));
    let remote = call.relay.0[&LegId(CALLEE)].remote.unwrap();
    assert_eq!(remote, ("192.0.2.2:4010".parse().unwrap(), "192.0.2.2:4011".parse().unwrap(), true));
}

#[test]
fn release_closes_everything_and_may_be_repeated() {
    let mut call = connected();
    let outcome = call.ask(0, MediaOperation::Release).unwrap();
    assert!(outcome.snapshot.0.is_empty() && call.relay.0.is_empty() && call.session.has_ended());
    assert_eq!(call.pool.in_use(), 0);
    assert!(call.ask(0, MediaOperation::Release).is_ok());
    assert_eq!(call.refused(2, offer_op(0, 1, body(0, "0", "sendrecv"))), RefusalReason::Unknown);
}

#[test]
fn facts_tell_codecs_direction_and_change() {
    let mut call = Call::new();
    let mut facts = |generation, operation| call.ask(generation, operation).unwrap().facts.unwrap();
    let first = facts(1, offer_op(0, 1, body(0, "8 101", "sendrecv")));
    let codecs = vec!["PCMA/8000".to_owned(), "telephone-event/8000".to_owned()];
    assert_eq!(first, SdpFacts { direction: Direction::SendRecv, codecs, changed: true });
    assert!(facts(1, answer_op(1, 0, body(1, "8", "sendrecv"), true)).changed);
    assert!(!facts(1, answer_op(1, 0, body(1, "8", "sendrecv"), false)).changed);
    assert!(!facts(2, offer_op(0, 1, body(0, "8 101", "sendrecv"))).changed);
    assert_eq!(facts(2, answer_op(1, 0, body(1, "8", "recvonly"), false)).direction, Direction::RecvOnly);
}

#[test]
fn early_media_flows_before_the_final_answer_and_on_the_same_ports() {
    let mut call = Call::new();
    call.offer(1, CALLER, CALLEE, body(CALLER, "0 8", "sendrecv"));
    let early = call.early(1, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
    assert_eq!(call.heard_by(CALLER), Some(CALLEE));
    let last = call.answer(1, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
    assert_eq!(early, last, "the 200 repeats the 183, version included");
    assert!(
        call.effects.iter().all(|effect| matches!(effect, Effect::SetRemote { .. })),
        "{:?}",
        call.effects
    );
}

#[test]
fn hold_stops_rtp_to_the_holder_and_resume_starts_it_again() {
    let mut call = connected();
    let receives = |call: &Call, leg| call.relay.0[&LegId(leg)].remote.unwrap().2;
    let passed = call.offer(2, CALLEE, CALLER, body(CALLEE, "0 101", "sendonly"));
    assert!(passed.ends_with("a=sendonly\r\n"));
    assert!(receives(&call, CALLEE), "an offer is not yet an agreement");
    let passed = call.answer(2, CALLER, CALLEE, body(CALLER, "0 101", "sendrecv"));
    assert!(passed.ends_with("a=recvonly\r\n"), "a careless answer is put right: {passed}");
    assert_eq!((receives(&call, CALLEE), receives(&call, CALLER)), (false, true));
    call.offer(3, CALLEE, CALLER, body(CALLEE, "0 101", "sendrecv"));
    call.answer(3, CALLER, CALLEE, body(CALLER, "0 101", "sendrecv"));
    assert_eq!((receives(&call, CALLEE), receives(&call, CALLER)), (true, true));
}

#[test]
fn each_leg_keeps_its_session_id_and_counts_its_versions() {
    let mut call = Call::new();
    let origin = |body: &str| {
        body.lines().find(|l| l.starts_with("o=")).unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let offered = origin(&call.offer(1, 0, 1, body(0, "0 8", "sendrecv")));
    let answered = origin(&call.answer(1, 1, 0, body(1, "0", "sendrecv")));
    assert_ne!(offered[1], answered[1]);
    let held = origin(&call.offer(2, 0, 1, body(0, "0 8", "sendonly")));
    assert_eq!((&held[1], held[2].as_str()), (&offered[1], "2"));
    call.done(2, MediaOperation::Rollback);
    let again = origin(&call.offer(3, 0, 1, body(0, "0 8", "inactive")));
    assert_eq!((&again[1], again[2].as_str()), (&offered[1], "3"), "a refused version is not used again");
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut call = connected();
    let before = call.relay.clone();
    call.offer(2, CALLER, CALLEE, body(CALLER, "0", "inactive"));
    call.early(2, CALLEE, CALLER, body(CALLEE, "0", "inactive"));
    assert_ne!(call.relay, before);
    call.done(2, MediaOperation::Rollback);
    assert_eq!(call.relay, before);
    call.offer(2, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
}

#[test]
fn a_first_offer_that_was_refused_leaves_nothing() {
    let mut call = Call::new();
    call.offer(1, CALLER, CALLEE, body(CALLER, "0", "sendrecv"));
    call.done(1, MediaOperation::Rollback);
    assert!(call.relay.0.is_empty());
    assert_eq!(call.pool.in_use(), 0);
    call.done(1, MediaOperation::Rollback);
}

#[test]
fn a_caller_who_heard_early_media_keeps_its_port_when_the_offer_is_rolled_back() {
    let mut call = Call::new();
    call.offer(1, CALLER, CALLEE, body(CALLER, "0", "sendrecv"));
    call.early(1, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
    let port = call.port(CALLER);
    call.done(1, MediaOperation::Rollback);
    assert_eq!(call.relay.0.keys().copied().collect::<Vec<_>>(), [LegId(CALLER)]);
    call.offer(2, CALLER, 2, body(CALLER, "0", "sendrecv"));
    assert_eq!(call.port(CALLER), port);
}

#[test]
fn the_next_branch_takes_over_when_the_first_does_not_answer() {
    for generation in [1, 2] {
        let mut call = Call::new();
        call.offer(1, CALLER, 1, body(CALLER, "0 8", "sendrecv"));
        call.early(1, 1, CALLER, body(1, "8", "sendrecv"));
        let port = call.port(CALLER);
        call.done(0, MediaOperation::Drop { leg: LegId(1) });
        assert_eq!(call.heard_by(CALLER), None);
        let second = call.offer(generation, CALLER, 2, body(CALLER, "0 8", "sendrecv"));
        assert!(second.contains("RTP/AVP 8\r\n"), "the caller was told PCMA before: {second}");
        call.answer(generation, 2, CALLER, body(2, "8", "sendrecv"));
        assert_eq!(
            (call.heard_by(CALLER), call.heard_by(2), call.port(CALLER)),
            (Some(2), Some(CALLER), port)
        );
        call.done(0, MediaOperation::Drop { leg: LegId(1) });
        assert_eq!(call.pool.in_use(), 2);
    }
}

#[test]
fn branches_may_ring_at_once_and_the_first_answer_wins() {
    let mut call = Call::new();
    for branch in [1, 2] {
        call.offer(1, CALLER, branch, body(CALLER, "0 8", "sendrecv"));
    }
    call.early(1, 1, CALLER, body(1, "0", "sendrecv"));
    assert_eq!(call.heard_by(CALLER), Some(1));
    call.answer(1, 2, CALLER, body(2, "0", "sendrecv"));
    assert_eq!((call.heard_by(CALLER), call.heard_by(2), call.heard_by(1)), (Some(2), Some(CALLER), None));
    assert_eq!(call.refused(1, answer_op(1, 0, body(1, "0", "sendrecv"), false)), RefusalReason::Unknown);
    call.done(0, MediaOperation::Drop { leg: LegId(1) });
}

#[test]
fn an_announcement_is_played_and_the_call_then_joined_without_a_new_offer() {
    let mut call = Call::new();
    let sdp = body(CALLER, "8 0 101", "sendrecv");
    let answered =
        text(&call.ask(1, MediaOperation::AnswerLocally { leg: spec(CALLER), sdp: sdp.clone() }).unwrap());
    assert!(answered.contains(&format!("m=audio {} RTP/AVP 8 101\r\n", call.port(CALLER))), "{answered}");
    call.done(0, MediaOperation::Play { leg: LegId(CALLER), prompt: "known".into(), repeat: 2 });
    assert_eq!(call.relay.0[&LegId(CALLER)].prompt, Some(("known".into(), Law::Alaw, 8, 1)));
    assert!(call.finish_play(CALLER, 1));
    assert!(!call.finish_play(CALLER, 1));

    let offered = call.offer(2, CALLER, CALLEE, sdp);
    assert!(offered.contains("RTP/AVP 8 101\r\n"), "the caller sends PCMA: {offered}");
    call.answer(2, CALLEE, CALLER, body(CALLEE, "8 101", "sendrecv"));
    assert_eq!(call.heard_by(CALLER), Some(CALLEE));
}

#[test]
fn a_prompt_replaces_the_peer_and_the_peer_is_heard_again_after_it() {
    let mut call = connected();
    call.done(0, MediaOperation::Play { leg: LegId(CALLER), prompt: "known".into(), repeat: 1 });
    assert_eq!((call.heard_by(CALLER), call.heard_by(CALLEE)), (None, Some(CALLER)));
    call.done(0, MediaOperation::Play { leg: LegId(CALLER), prompt: "known-2".into(), repeat: 1 });
    assert!(!call.finish_play(CALLER, 1), "the first was replaced");
    assert!(call.finish_play(CALLER, 2));
    assert_eq!(call.heard_by(CALLER), Some(CALLEE));
}

#[test]
fn an_answer_ends_a_prompt() {
    let mut call = connected();
    call.done(0, MediaOperation::Play { leg: LegId(CALLER), prompt: "known".into(), repeat: 1 });
    call.offer(2, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
    call.answer(2, CALLER, CALLEE, body(CALLER, "0", "sendrecv"));
    assert!(call.effects.contains(&Effect::StopPlay { leg: LegId(CALLER) }));
    assert_eq!(call.heard_by(CALLER), Some(CALLEE));
}

#[test]
fn echo_sends_a_leg_its_own_and_survives_hold() {
    let mut call = Call::new();
    let local = |direction| MediaOperation::AnswerLocally { leg: spec(0), sdp: body(0, "0", direction) };
    call.done(1, local("sendrecv"));
    call.done(0, MediaOperation::Echo { leg: LegId(0) });
    assert_eq!(call.heard_by(0), Some(0));
    call.done(0, MediaOperation::Echo { leg: LegId(0) });
    assert!(call.effects.is_empty());
    call.done(2, local("sendonly"));
    assert_eq!((call.heard_by(0), call.relay.0[&LegId(0)].remote.unwrap().2), (Some(0), false));
}

#[test]
fn after_the_callee_is_gone_another_is_offered_what_the_caller_was_told() {
    let mut call = connected();
    call.done(0, MediaOperation::Drop { leg: LegId(CALLEE) });
    assert_eq!(call.heard_by(CALLER), None);
    let offered = call.offer(2, CALLER, 2, body(CALLER, "0 8 101", "sendrecv"));
    assert!(offered.contains("RTP/AVP 0 101\r\n"), "{offered}");
    let refresh = connected().offer(2, CALLER, CALLEE, body(CALLER, "0 8 101", "sendrecv"));
    assert!(refresh.contains("RTP/AVP 0 8 101\r\n"), "a re-INVITE is answered to the caller: {refresh}");
}

#[test]
fn sections_stay_in_the_order_that_each_leg_knows() {
    let mut call = Call::new();
    let with_video = |direction: &str| {
        let audio = String::from_utf8(body(CALLER, "0", direction)).unwrap();
        audio.replace("m=audio", "m=video 6000 RTP/AVP 97\r\nm=audio").into_bytes()
    };
    let offered = call.offer(1, CALLER, CALLEE, with_video("sendrecv"));
    assert_eq!(offered.matches("m=").count(), 1);
    let answered = call.answer(1, CALLEE, CALLER, body(CALLEE, "0", "sendrecv"));
    let lines: Vec<_> = answered.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        lines,
        ["m=video 0 RTP/AVP 97".to_owned(), format!("m=audio {} RTP/AVP 0", call.port(CALLER))]
    );
    let offered = call.offer(2, CALLEE, CALLER, body(CALLEE, "0", "sendonly"));
    assert!(offered.contains("m=video 0 RTP/AVP 97\r\nm=audio "), "{offered}");
    call.answer(2, CALLER, CALLEE, with_video("recvonly"));
}

#[test]
fn a_natted_leg_is_latched_by_its_signaling_source() {
    let mut call = Call::new();
    let mut from = spec(CALLER);
    from.source = "203.0.113.9".parse().unwrap();
    call.done(1, MediaOperation::AnswerLocally { leg: from, sdp: body(CALLER, "0", "sendrecv") });
    let latch = call.effects.iter().find_map(|effect| match effect {
        Effect::SetRemote { latch, .. } => Some(*latch),
        _ => None,
    });
    let latch = latch.unwrap();
    assert_eq!((latch.signalled.ip(), latch.source), (host(CALLER), "203.0.113.9".parse().unwrap()));
}

#[test]
fn peers_inside_are_told_the_inside_address_and_ipv6_peers_an_ipv6_one() {
    let addresses = Addresses {
        outside: vec!["198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        inside: vec!["10.0.0.1".parse().unwrap()],
        local: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let told = |peer: &str| addresses.for_peer(peer.parse().unwrap()).unwrap().to_string();
    assert_eq!(told("10.9.9.9"), "10.0.0.1");
    assert_eq!(told("::ffff:10.9.9.9"), "10.0.0.1");
    assert_eq!(told("192.0.2.1"), "198.51.100.1");
    assert_eq!(told("2001:db8::9"), "2001:db8::1");
    assert_eq!(Addresses::default().for_peer("192.0.2.1".parse().unwrap()), None);
}

#[test]
fn an_invite_without_offer_is_offered_what_the_callee_offers() {
    let mut call = Call::new();
    let passed = call.offer(1, CALLEE, CALLER, body(CALLEE, "8 0", "sendrecv"));
    assert!(passed.contains(&format!("m=audio {} RTP/AVP 8 0\r\n", call.port(CALLER))), "{passed}");
    call.answer(1, CALLER, CALLEE, body(CALLER, "0", "sendrecv"));
    assert_eq!((call.heard_by(CALLER), call.heard_by(CALLEE)), (Some(CALLEE), Some(CALLER)));
    let held = call.offer(2, CALLER, CALLEE, body(CALLER, "0", "sendonly"));
    assert!(held.contains(" RTP/AVP 0\r\n"), "{held}");
}

#[test]
fn an_ipv6_phone_calls_an_ipv4_phone() {
    let mut call = Call::new();
    call.addresses.outside.push("2001:db8::1".parse().unwrap());
    let six = LegSpec { leg: LegId(CALLER), source: "2001:db8::5".parse().unwrap() };
    let sdp = crate::sdp::samples::IPV6_OFFER.as_bytes().to_vec();
    let offer = MediaOperation::Offer { from: six.clone(), to: spec(CALLEE), sdp };
    let passed = text(&call.ask(1, offer).unwrap());
    assert!(passed.contains("c=IN IP4 198.51.100.1\r\n") && !passed.contains("IP6"), "{passed}");
    let sdp = body(CALLEE, "0", "sendrecv");
    let answer = MediaOperation::Answer { from: spec(CALLEE), to: six, sdp, provisional: false };
    let passed = text(&call.ask(1, answer).unwrap());
    assert!(passed.contains("c=IN IP6 2001:db8::1\r\n") && !passed.contains("IP4"), "{passed}");
}

#[test]
fn what_begins_is_said_after_what_ends() {
    let mut call = connected();
    call.done(0, MediaOperation::Play { leg: LegId(CALLER), prompt: "known".into(), repeat: 1 });
    call.done(0, MediaOperation::Drop { leg: LegId(CALLEE) });
    call.offer(2, CALLER, 2, body(CALLER, "0 8 101", "sendrecv"));
    call.answer(2, 2, CALLER, body(2, "0", "sendrecv"));
    let rank = |effect: &Effect| match effect {
        Effect::StopPlay { .. } | Effect::Unroute { .. } => 0,
        Effect::CloseLeg { .. } => 1,
        Effect::OpenLeg { .. } | Effect::SetRemote { .. } => 2,
        Effect::Route { .. } | Effect::Echo { .. } | Effect::Play { .. } => 3,
    };
    assert_eq!(call.effects.len(), 5, "{:?}", call.effects);
    assert!(call.effects.is_sorted_by_key(rank), "{:?}", call.effects);
}
