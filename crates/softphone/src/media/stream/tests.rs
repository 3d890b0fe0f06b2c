//! Streams against each other on loopback, without SIP.

use std::net::UdpSocket;

use testkit::udp_relay::{Badness, UdpRelay};

use super::*;

fn open(audio: Audio, expect: Option<u64>) -> MediaStream {
    let expect = expect.map(KnownAudio::new);
    let options =
        StreamOptions { audio, expect, capture: 4, began: Instant::now(), seed: 0x1234_5678_ffff_9abc };
    MediaStream::open("127.0.0.1".parse().unwrap(), options).unwrap()
}

fn plan(remote: SocketAddr, law: Law, direction: Direction) -> Plan {
    let remote_rtcp = SocketAddr::new(remote.ip(), remote.port() + 1);
    Plan { remote, remote_rtcp, law, payload_type: law.payload_type(), direction }
}

const BOTH: Direction = Direction { send: true, receive: true };

/// Waits until `enough`, at most 10 s.
fn wait(stream: &MediaStream, enough: impl Fn(&MediaReport) -> bool) -> MediaReport {
    let report = stream.wait(Duration::from_secs(10), enough);
    report.unwrap_or_else(|| panic!("{:?}", stream.report()))
}

#[test]
fn each_side_gets_the_others_payload_bit_for_bit_and_hears_its_reports() {
    let (a, b) = (open(Audio::Known(1), Some(2)), open(Audio::Known(2), Some(1)));
    a.set_plan(plan(b.local(), Law::Ulaw, BOTH));
    b.set_plan(plan(a.local(), Law::Alaw, BOTH));
    for stream in [&a, &b] {
        let report = wait(stream, |r| r.received >= 50 && r.rtcp.far_lost.is_some());
        assert_eq!((report.matches, report.lost, report.mismatched), (Some(true), 0, 0), "{report:?}");
        assert!(report.mos.unwrap() > 4.0, "{report:?}");
        assert_eq!(stream.captured().len(), 4);
    }
}

#[test]
fn an_echo_comes_back_as_it_was_sent() {
    let (a, b) = (open(Audio::Known(1), Some(1)), open(Audio::Echo, None));
    a.set_plan(plan(b.local(), Law::Alaw, BOTH));
    b.set_plan(plan(a.local(), Law::Alaw, BOTH));
    let report = wait(&a, |r| r.received >= 10);
    assert_eq!(report.matches, Some(true), "{report:?}");
}

#[test]
fn losses_and_duplicates_of_the_network_are_counted_exactly() {
    let (a, b) = (open(Audio::Known(1), None), open(Audio::Silent, Some(1)));
    let badness = Badness { seed: 3, loss_per_mille: 100, duplicate_per_mille: 100, ..Badness::default() };
    let relay = UdpRelay::start(b.local(), badness).unwrap();
    a.set_plan(plan(relay.address(), Law::Ulaw, BOTH));
    wait(&b, |r| r.received >= 100);
    a.set_plan(plan(relay.address(), Law::Ulaw, Direction { send: false, receive: true }));
    // The relay passes everything before it is asked for its counts; what it passed is in the socket by then.
    let sent = wait(&a, |r| r.sent > 0).sent;
    let deadline = Instant::now() + Duration::from_secs(5);
    while relay.counts().passed + relay.counts().lost < sent {
        assert!(Instant::now() < deadline, "{:?} of {sent}", relay.counts());
        std::thread::yield_now();
    }
    let counts = relay.counts();
    let report = wait(&b, |r| r.received == counts.passed + counts.duplicated);
    assert_eq!(report.duplicates, counts.duplicated);
    // Duplicates hide losses from the count of RFC 3550 A.3, which is what `lost` is; what was passed is exact.
    assert_eq!(report.matched, report.received);
    assert!(report.lost <= counts.lost, "{report:?} {counts:?}");
}

#[test]
fn a_stream_on_hold_is_silent_and_its_silence_is_no_gap() {
    let (a, b) = (open(Audio::Known(1), None), open(Audio::Known(2), Some(1)));
    let receive_only = Direction { send: false, receive: true };
    a.set_plan(plan(b.local(), Law::Ulaw, BOTH));
    b.set_plan(plan(a.local(), Law::Ulaw, BOTH));
    wait(&b, |r| r.received >= 5);
    b.set_plan(plan(a.local(), Law::Ulaw, Direction { send: true, receive: false }));
    a.set_plan(plan(b.local(), Law::Ulaw, receive_only));
    let sent = a.report().sent;
    let heard = a.report().received;
    wait(&a, |r| r.received >= heard + 50);
    assert!(a.report().sent <= sent + 1, "nothing is sent on hold");
    a.set_plan(plan(b.local(), Law::Ulaw, BOTH));
    b.set_plan(plan(a.local(), Law::Ulaw, BOTH));
    let before = b.report().received;
    let report = wait(&b, |r| r.received >= before + 5);
    assert!(report.longest_gap_ms < 500, "{report:?}");
}

#[test]
fn noise_on_the_ports_is_counted_and_harms_nothing() {
    let a = open(Audio::Silent, None);
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 11, 12, 100, 4096, 60_000] {
        noise.send_to(&vec![0xff; length], a.local()).unwrap();
        noise.send_to(&vec![0x81; length], SocketAddr::new(a.local().ip(), a.local().port() + 1)).unwrap();
    }
    wait(&a, |r| r.refused == 7 && r.rtcp.received == 7);
}

#[test]
fn a_stopped_stream_gives_its_ports_back_and_keeps_its_counts() {
    let a = open(Audio::Known(1), None);
    let b = open(Audio::Silent, Some(1));
    a.set_plan(plan(b.local(), Law::Ulaw, BOTH));
    wait(&b, |r| r.received >= 3);
    a.stop(Farewell::Bye);
    assert!(a.report().sent >= 3);
    UdpSocket::bind(a.local()).expect("the port is free again");
}
