use super::*;

const SILENCE: Duration = Duration::from_millis(500);

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn latch(signalled: &str, source: &str) -> Latch {
    Latch::new(at(0), policy(signalled, source), SILENCE)
}

fn policy(signalled: &str, source: &str) -> LatchPolicy {
    LatchPolicy { signalled: addr(signalled), source: source.parse().unwrap() }
}

#[test]
fn a_leg_without_nat_is_heard_from_its_signalled_address_only() {
    let mut latch = latch("192.0.2.1:4000", "192.0.2.1");
    assert_eq!(latch.accept(at(1), addr("192.0.2.1:4002")), Verdict::Refuse);
    assert_eq!(latch.accept(at(1), addr("192.0.2.9:4000")), Verdict::Refuse);
    assert_eq!(
        latch.accept(at(2), addr("192.0.2.1:4000")),
        Verdict::AcceptAndConnect(addr("192.0.2.1:4000"))
    );
    assert_eq!(latch.accept(at(3), addr("192.0.2.1:4000")), Verdict::Accept);
    assert_eq!(latch.refused(), 2);
}

#[test]
fn a_natted_leg_is_learned_from_any_port_of_its_sip_source() {
    let mut latch = latch("10.0.0.5:4000", "203.0.113.7");
    assert_eq!(latch.destination(), addr("10.0.0.5:4000"));
    assert_eq!(latch.accept(at(1), addr("203.0.113.8:61000")), Verdict::Refuse);
    assert_eq!(
        latch.accept(at(2), addr("203.0.113.7:61000")),
        Verdict::AcceptAndConnect(addr("203.0.113.7:61000"))
    );
    assert_eq!(latch.destination(), addr("203.0.113.7:61000"));
}

#[test]
fn once_learned_no_other_port_is_heard_while_the_peer_talks() {
    let mut latch = latch("10.0.0.5:4000", "203.0.113.7");
    latch.accept(at(1), addr("203.0.113.7:61000"));
    assert_eq!(latch.accept(at(400), addr("203.0.113.7:61001")), Verdict::Refuse);
    assert_eq!(latch.accept(at(401), addr("10.0.0.5:4000")), Verdict::Refuse);
    assert_eq!(latch.accept(at(402), addr("203.0.113.7:61000")), Verdict::Accept);
}

#[test]
fn after_silence_the_same_host_may_go_on_from_another_port_and_no_other_host() {
    let mut latch = latch("192.0.2.1:4000", "192.0.2.1");
    latch.accept(at(0), addr("192.0.2.1:4000"));
    assert!(!latch.is_silent(at(499)) && latch.is_silent(at(500)));
    assert_eq!(latch.accept(at(600), addr("192.0.2.2:4000")), Verdict::Refuse);
    assert_eq!(
        latch.accept(at(600), addr("192.0.2.1:5000")),
        Verdict::AcceptAndConnect(addr("192.0.2.1:5000"))
    );
}

#[test]
fn a_port_mapped_by_a_nat_that_kept_the_host_is_found_after_silence() {
    let mut latch = latch("203.0.113.7:4000", "203.0.113.7");
    assert_eq!(latch.accept(at(499), addr("203.0.113.7:61000")), Verdict::Refuse);
    assert_eq!(
        latch.accept(at(500), addr("203.0.113.7:61000")),
        Verdict::AcceptAndConnect(addr("203.0.113.7:61000"))
    );
}

#[test]
fn an_exchange_that_moves_the_leg_forgets_what_was_learned() {
    let mut latch = latch("192.0.2.1:4000", "192.0.2.1");
    latch.accept(at(0), addr("192.0.2.1:4000"));
    latch.renew(at(10), policy("192.0.2.3:6000", "192.0.2.1"));
    assert_eq!((latch.learned(), latch.destination()), (None, addr("192.0.2.3:6000")));
    assert_eq!(
        latch.accept(at(11), addr("192.0.2.3:6000")),
        Verdict::AcceptAndConnect(addr("192.0.2.3:6000"))
    );
}

#[test]
fn an_exchange_that_moves_nothing_keeps_the_peer_and_lets_a_new_nat_port_in_for_a_while() {
    let mut latch = latch("10.0.0.5:4000", "203.0.113.7");
    latch.accept(at(0), addr("203.0.113.7:61000"));
    latch.renew(at(10), policy("10.0.0.5:4000", "203.0.113.7"));
    assert_eq!(latch.destination(), addr("203.0.113.7:61000"));
    assert_eq!(latch.accept(at(20), addr("203.0.113.7:61000")), Verdict::Accept);
    assert_eq!(
        latch.accept(at(30), addr("203.0.113.7:61002")),
        Verdict::AcceptAndConnect(addr("203.0.113.7:61002"))
    );
    assert_eq!(latch.accept(at(40), addr("203.0.113.7:61000")), Verdict::Refuse);
}

#[test]
fn a_mapped_ipv4_source_is_the_ipv4_peer() {
    let mut latch = latch("192.0.2.1:4000", "::ffff:192.0.2.1");
    let source = addr("[::ffff:192.0.2.1]:4000");
    assert_eq!(latch.accept(at(0), source), Verdict::AcceptAndConnect(addr("192.0.2.1:4000")));
}
