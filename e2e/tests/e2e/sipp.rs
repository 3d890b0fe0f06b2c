//! SIPp as both phones: a peer that we did not write.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use e2e::rtp::RtpEnd;
use e2e::sipp::{Load, Sipp};
use e2e::{Cluster, Up, wait};

fn phone(up: &Up, user: &'static str, nth: u16, rtp: &RtpEnd) -> Sipp {
    Sipp {
        user,
        port: up.cluster.phone_port(nth),
        server: up.cluster.server(),
        rtp_port: rtp.port(),
        directory: up.cluster.state().join("sipp"),
    }
}

fn cluster() -> Up {
    let mut cluster = Cluster::new();
    // SIPp 3.6 knows MD5 only and reads only the first challenge.
    cluster.digest = "[MD5]";
    cluster.up()
}

fn relay(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn sipp_registers_two_users_and_calls_through_bit_for_bit() {
    const PACKETS: u16 = 100;
    let up = cluster();
    let (near, far) = (RtpEnd::new(0x11), RtpEnd::new(0x77));
    let (caller, callee) = (phone(&up, "1001", 1, &near), phone(&up, "1002", 2, &far));
    caller.register();
    callee.register();
    wait::until("both are registered", Duration::from_secs(2), || {
        match up.status()["registrations"].as_u64() {
            Some(2) => Ok(()),
            other => Err(other),
        }
    });
    let duration = Duration::from_secs(4);
    let answering = callee.answer(&Load::one(duration));
    let calling = caller.call("1002", &Load::one(duration));
    let (to_near, to_far) = (relay(calling.remote_rtp_port()), relay(answering.remote_rtp_port()));
    let (at_near, at_far) = std::thread::scope(|threads| {
        let near = threads.spawn(|| near.exchange(to_near, PACKETS));
        let far = threads.spawn(|| far.exchange(to_far, PACKETS));
        (near.join().unwrap(), far.join().unwrap())
    });
    for (heard, seed) in [(at_near, 0x77), (at_far, 0x11)] {
        // The first packets may come before the other side's answer has reached the relay.
        assert!(heard.len() >= usize::from(PACKETS) - 10, "{} of {PACKETS} packets", heard.len());
        for (number, payload) in heard {
            assert_eq!(payload, RtpEnd::payload(seed, number), "packet {number}");
        }
    }
    calling.finish(Duration::from_secs(20));
    answering.end(Duration::from_secs(20));
    let record = up.closed_cdrs(1).remove(0);
    assert_eq!((&record["sipStatus"], &record["q850"]), (&200.into(), &16.into()), "{record}");
    assert!(record["durationMs"].as_u64().unwrap().abs_diff(4000) < 500, "{record}");
    up.await_idle();
    up.stop();
}

#[test]
fn sipp_makes_a_thousand_calls_that_leave_nothing_behind() {
    const CALLS: u32 = 1000;
    let up = cluster();
    let (near, far) = (RtpEnd::new(1), RtpEnd::new(2));
    let (caller, callee) = (phone(&up, "1001", 1, &near), phone(&up, "1002", 2, &far));
    caller.register();
    callee.register();
    let load = |calls| Load { calls, per_second: 40, at_a_time: 4, duration: Duration::from_millis(20) };
    let run = |calls| {
        let answering = callee.answer(&load(calls));
        caller.call("1002", &load(calls)).finish(Duration::from_secs(90));
        answering.end(Duration::from_secs(20));
    };
    // A first run fills what is only ever filled once: allocator, code pages, caches.
    run(200);
    up.await_idle();
    let sip_node = up.sip_node();
    let programs = || {
        let nodes = ["default-0", "default-1"].iter().filter_map(|name| up.media_node(name));
        nodes.chain([sip_node]).collect::<Vec<_>>()
    };
    let before: Vec<_> = programs().iter().map(|p| (p.resident_bytes(), p.descriptors())).collect();
    assert_eq!(before.len(), 3, "sip-node and two media-nodes");
    run(CALLS);
    up.await_idle();
    let records = up.closed_cdrs(200 + CALLS as usize);
    let ids: std::collections::BTreeSet<_> =
        records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records.len(), "one CDR per call");
    assert!(records.iter().all(|record| record["sipStatus"] == 200));
    // Transactions linger 32 s after their end (RFC 3261 Timers J, L, M).
    wait::until("no transaction is left", Duration::from_secs(40), || {
        match up.metric("voip_sip_transactions") {
            0.0 => Ok(()),
            left => Err(left),
        }
    });
    for (program, (memory, descriptors)) in programs().iter().zip(before) {
        assert!(program.descriptors() <= descriptors + 2, "{:?} leaks descriptors", program.arguments());
        let growth = program.resident_bytes().saturating_sub(memory);
        assert!(growth < 8 << 20, "{:?} grew by {growth} bytes over {CALLS} calls", program.arguments());
    }
    up.stop();
}
