//! Nothing is left of phones and calls. Alone in its process, so that all threads and descriptors can be counted.

use std::time::{Duration, Instant};

use softphone::{AnswerPolicy, CallOptions, Phone, PhoneConfig, Secret};

const LONG: Duration = Duration::from_secs(15);

/// Threads and open descriptors of this process.
fn held() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

fn start(user: &str, server: std::net::SocketAddr) -> Phone {
    let mut config = PhoneConfig::new(server, "phones.test", user, Secret::None);
    config.answer = AnswerPolicy::AnswerAfter { ringing: None };
    Phone::start(config).unwrap()
}

/// The kernel may show a joined thread for a moment longer.
fn expect_held(expected: (usize, usize)) {
    let deadline = Instant::now() + LONG;
    while held() != expected {
        assert!(Instant::now() < deadline, "{:?} held, expected {expected:?}", held());
        std::thread::yield_now();
    }
}

#[test]
fn three_hundred_calls_and_both_phones_leave_no_thread_and_no_descriptor() {
    let empty = held();
    let callee = start("1002", "127.0.0.1:9".parse().unwrap());
    let caller = start("1001", callee.address());
    let idle = held();
    for round in 0..300 {
        let here = caller.call("1002", CallOptions::default()).unwrap();
        let there = callee.incoming(LONG).unwrap();
        here.wait_answered(LONG).unwrap();
        match round % 4 {
            0 => here.hangup().unwrap(),
            1 => there.hangup().unwrap(),
            2 => drop(here),
            _ => drop(there),
        }
        // Whichever handle is left goes at the end of its scope: before that the call must end for both.
    }
    expect_held(idle);
    let calls: Vec<_> = (0..20).map(|_| caller.call("1002", CallOptions::default()).unwrap()).collect();
    for call in &calls {
        call.wait_answered(LONG).unwrap();
    }
    drop((caller, callee));
    for call in calls {
        call.wait_ended(LONG).unwrap();
    }
    expect_held(empty);
}
