//! What is refused, repeated or taken over.

use super::*;

#[test]
fn a_repeated_request_is_answered_as_before_and_does_nothing() {
    let mut call = Call::new();
    let operations = [
        offer_op(0, 1, body(0, "0 8", "sendrecv")),
        answer_op(1, 0, body(1, "0", "sendrecv"), true),
        answer_op(1, 0, body(1, "0", "sendrecv"), false),
    ];
    for operation in operations {
        let first = call.ask(1, operation.clone()).unwrap();
        assert_eq!(call.ask(1, operation).unwrap(), first);
        assert!(call.effects.is_empty());
    }
}

#[test]
fn a_leg_that_was_dropped_is_made_anew_by_the_same_offer() {
    let mut call = Call::new();
    let passed = call.offer(1, 0, 1, body(0, "0", "sendrecv"));
    call.done(0, MediaOperation::Drop { leg: LegId(1) });
    let again = call.offer(1, 0, 1, body(0, "0", "sendrecv"));
    assert_ne!(again, passed);
    assert!(again.contains(&format!("m=audio {} ", call.port(1))), "{again}");
}

#[test]
fn the_journal_is_bounded() {
    let mut call = connected();
    for n in 2..40 {
        let (offer, answer) = if n % 2 == 0 { ("sendonly", "recvonly") } else { ("sendrecv", "sendrecv") };
        call.offer(n, 0, 1, body(0, "0", offer));
        call.answer(n, 1, 0, body(1, "0", answer));
    }
    let bytes = call.session.snapshot().0.len();
    assert!(bytes < 8192, "{bytes} bytes");
}

#[test]
fn a_prompt_is_not_begun_again_by_a_repeated_request() {
    let mut call = connected();
    let operation = MediaOperation::Play { leg: LegId(0), prompt: "known".into(), repeat: 1 };
    let request = MediaRequest {
        ticket: 99,
        session: CallId(7),
        epoch: Epoch(1),
        generation: Generation(0),
        operation,
        record: None,
    };
    call.send(&request).unwrap();
    assert!(call.finish_play(0, 1));
    call.send(&request).unwrap();
    assert!(call.effects.is_empty());
    call.send(&MediaRequest { ticket: 100, ..request }).unwrap();
    assert_eq!(call.relay.0[&LegId(0)].prompt.as_ref().unwrap().3, 2);
}

#[test]
fn one_exchange_at_a_time() {
    let mut call = connected();
    call.offer(2, 0, 1, body(0, "0", "sendonly"));
    assert_eq!(call.refused(3, offer_op(1, 0, body(1, "0", "sendonly"))), RefusalReason::Glare);
    assert_eq!(call.refused(2, offer_op(0, 1, body(0, "0", "inactive"))), RefusalReason::Glare);
    let local = MediaOperation::AnswerLocally { leg: spec(1), sdp: body(1, "0", "sendonly") };
    assert_eq!(call.refused(3, local), RefusalReason::Glare);
}

#[test]
fn an_old_owner_is_refused_and_a_new_one_may_begin_anew() {
    let mut call = connected();
    call.offer(2, 0, 1, body(0, "0", "sendonly"));
    call.epoch = Epoch(2);
    call.offer(1, 1, 0, body(1, "0", "sendonly"));
    call.epoch = Epoch(1);
    assert_eq!(call.refused(3, MediaOperation::Release), RefusalReason::StaleEpoch);
    assert_eq!(call.session.epoch(), Epoch(2));
}

#[test]
fn a_new_owner_that_repeats_its_predecessor_gets_the_same_reply() {
    let mut call = connected();
    let operation = offer_op(0, 1, body(0, "0", "sendonly"));
    let first = call.ask(2, operation.clone()).unwrap();
    call.epoch = Epoch(5);
    assert_eq!(call.ask(2, operation).unwrap().sdp, first.sdp);
}

#[test]
fn an_exchange_that_is_over_is_not_begun_again() {
    let mut call = connected();
    assert_eq!(call.refused(1, offer_op(1, 0, body(1, "0", "sendrecv"))), RefusalReason::Unknown);
    assert_eq!(call.refused(1, answer_op(1, 0, body(1, "8", "sendrecv"), false)), RefusalReason::Unknown);
    assert_eq!(call.refused(9, answer_op(1, 0, body(1, "0", "sendrecv"), false)), RefusalReason::Unknown);
}

#[test]
fn bodies_are_refused_by_class() {
    let mut call = Call::new();
    assert_eq!(call.refused(1, offer_op(0, 1, b"hello".to_vec())), RefusalReason::BadSdp);
    assert_eq!(
        call.refused(1, offer_op(0, 1, b"v=0\r\no=- 1 1 IN IP4 a\r\n".to_vec())),
        RefusalReason::NotAcceptable
    );
    assert_eq!(call.refused(1, offer_op(0, 0, body(0, "0", "sendrecv"))), RefusalReason::Unknown);
    call.offer(1, 0, 1, body(0, "0", "sendrecv"));
    assert_eq!(call.refused(1, answer_op(1, 0, body(1, "8", "sendrecv"), false)), RefusalReason::BadSdp);
    assert_eq!(call.refused(1, answer_op(1, 0, b"v=0".to_vec(), true)), RefusalReason::BadSdp);
    call.answer(1, 1, 0, body(1, "0", "sendrecv"));
}

#[test]
fn without_ports_nothing_is_opened() {
    let mut call = Call::new();
    call.pool = PortPool::new(30_000, 30_001);
    assert_eq!(call.refused(1, offer_op(0, 1, body(0, "0", "sendrecv"))), RefusalReason::NoPorts);
    assert_eq!(call.pool.in_use(), 0);
    call.done(1, MediaOperation::AnswerLocally { leg: spec(0), sdp: body(0, "0", "sendrecv") });
}

#[test]
fn without_an_address_no_leg_is_made() {
    let mut call = Call::new();
    call.addresses = Addresses::default();
    assert_eq!(call.refused(1, offer_op(0, 1, body(0, "0", "sendrecv"))), RefusalReason::Unavailable);
}

#[test]
fn a_session_has_a_bounded_number_of_legs() {
    let mut call = Call::new();
    for leg in 1..u32::try_from(MAX_LEGS).unwrap() {
        call.offer(1, 0, leg, body(0, "0", "sendrecv"));
    }
    assert_eq!(call.refused(1, offer_op(0, 99, body(0, "0", "sendrecv"))), RefusalReason::Unavailable);
}

#[test]
fn prompts_and_echo_need_a_leg_with_g711_and_a_known_prompt() {
    let mut call = Call::new();
    let play = |leg, prompt: &str| MediaOperation::Play { leg: LegId(leg), prompt: prompt.into(), repeat: 1 };
    assert_eq!(call.refused(0, play(0, "known")), RefusalReason::Unknown);
    call.offer(1, 0, 1, body(0, "9 101", "sendrecv"));
    assert_eq!(call.refused(0, play(0, "known")), RefusalReason::Unknown);
    assert_eq!(call.refused(0, MediaOperation::Echo { leg: LegId(0) }), RefusalReason::Unknown);
    call.answer(1, 1, 0, body(1, "9 101", "sendrecv"));
    assert_eq!(call.refused(0, play(0, "known")), RefusalReason::NotAcceptable);
    assert_eq!(call.refused(0, play(0, "other")), RefusalReason::NoPrompt);
    assert_eq!(
        call.refused(2, MediaOperation::AnswerLocally { leg: spec(0), sdp: body(0, "9", "sendrecv") }),
        RefusalReason::NotAcceptable
    );
}

#[test]
fn snapshots_say_why_they_cannot_be_read() {
    let read = |bytes: &[u8]| Session::restore(&MediaSnapshot(bytes.to_vec())).unwrap_err().to_string();
    assert_eq!(read(b""), "the snapshot is empty: its session has ended");
    assert_eq!(read(br#"{"version":2}"#), "the snapshot has version 2, expected 1");
    assert!(read(b"{").starts_with("reading the snapshot of a session: "));
    assert!(read(br#"{"version":1}"#).contains("missing field"));
}

#[test]
fn the_snapshot_of_a_plain_call_is_small() {
    let call = connected();
    let bytes = call.session.snapshot().0.len();
    assert!(bytes < 4096, "{bytes} bytes");
}
