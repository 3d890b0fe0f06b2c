use super::*;

const BOTH: [Law; 2] = [Law::Ulaw, Law::Alaw];

fn end(address: &str, port: u16, laws: &[Law]) -> AudioEnd {
    AudioEnd::new(0x1234_5678_9abc, address.parse().unwrap(), port, laws)
}

fn host(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn two_ends_agree_on_the_first_law_of_the_offer_that_both_know() {
    let mut caller = end("192.0.2.1", 4000, &BOTH);
    let mut callee = end("192.0.2.2", 5000, &[Law::Alaw]);
    let offer = caller.offer(Direction::SendRecv);
    let (answer, at_callee) = callee.answer(&offer, host("192.0.2.1"), Direction::SendRecv).unwrap();
    let at_caller = caller.accept_answer(&answer, host("192.0.2.2")).unwrap();
    assert_eq!((at_caller.law, at_callee.law, at_caller.payload_type), (Law::Alaw, Law::Alaw, 8));
    assert_eq!(
        (at_caller.rtp, at_caller.rtcp),
        ("192.0.2.2:5000".parse().unwrap(), "192.0.2.2:5001".parse().unwrap())
    );
    assert_eq!(at_callee.rtp, "192.0.2.1:4000".parse().unwrap());
    assert_eq!((at_callee.telephone_event, at_caller.telephone_event), (Some(101), Some(101)));
}

#[test]
fn hold_and_resume_are_seen_by_both_ends() {
    let mut caller = end("192.0.2.1", 4000, &BOTH);
    let mut callee = end("2001:db8::2", 5000, &BOTH);
    let mut exchange = |direction| {
        let offer = caller.offer(direction);
        let (answer, at_callee) = callee.answer(&offer, host("192.0.2.1"), Direction::SendRecv).unwrap();
        let at_caller = caller.accept_answer(&answer, host("2001:db8::2")).unwrap();
        [at_caller.sends, at_caller.receives, at_callee.sends, at_callee.receives]
    };
    assert_eq!(exchange(Direction::SendRecv), [true; 4]);
    assert_eq!(exchange(Direction::SendOnly), [true, false, false, true]);
    assert_eq!(exchange(Direction::Inactive), [false; 4]);
    assert_eq!(exchange(Direction::SendRecv), [true; 4]);
}

#[test]
fn an_answer_without_offer_or_without_its_codecs_is_refused() {
    let mut caller = end("192.0.2.1", 4000, &[Law::Ulaw]);
    let mut callee = end("192.0.2.2", 5000, &[Law::Alaw]);
    assert!(caller.accept_answer(b"v=0", host("192.0.2.2")).is_err());
    let offer = caller.offer(Direction::SendRecv);
    assert!(callee.answer(&offer, host("192.0.2.1"), Direction::SendRecv).is_err());
    let other = callee.offer(Direction::SendRecv);
    assert!(caller.accept_answer(&other, host("192.0.2.2")).is_err());
}
