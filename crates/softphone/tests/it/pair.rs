//! Two phones that call each other directly: each is the other's server.

use std::time::Duration;

use softphone::{AnswerPolicy, Audio, Call, CallOptions, Expect, Phone, PhoneConfig, Secret};

/// How long anything may take; a failure, not a measure.
pub(crate) const LONG: Duration = Duration::from_secs(15);
pub(crate) const CALLER_AUDIO: u64 = 1001;
pub(crate) const CALLEE_AUDIO: u64 = 1002;

/// A caller and whom it calls.
pub(crate) struct Pair {
    pub(crate) caller: Phone,
    pub(crate) callee: Phone,
}

pub(crate) fn config(user: &str, server: std::net::SocketAddr) -> PhoneConfig {
    PhoneConfig {
        patience: Duration::from_secs(4),
        ..PhoneConfig::new(server, "phones.test", user, Secret::None)
    }
}

impl Pair {
    pub(crate) fn new(answer: AnswerPolicy) -> Self {
        Self::with(answer, |_| {}, |_| {})
    }

    /// With other settings of caller and callee.
    pub(crate) fn with(
        answer: AnswerPolicy,
        caller: impl FnOnce(&mut PhoneConfig),
        callee: impl FnOnce(&mut PhoneConfig),
    ) -> Self {
        // Nobody calls from this end, so its server is never spoken to.
        let mut there = config("1002", "127.0.0.1:9".parse().unwrap());
        there.answer = answer;
        there.audio = Audio::Known(CALLEE_AUDIO);
        there.expect = Expect::Known(CALLER_AUDIO);
        callee(&mut there);
        let callee = Phone::start(there).unwrap();
        let mut here = config("1001", callee.address());
        here.audio = Audio::Known(CALLER_AUDIO);
        caller(&mut here);
        Self { caller: Phone::start(here).unwrap(), callee }
    }

    pub(crate) fn call(&self) -> Call {
        self.caller.call("1002", options()).unwrap()
    }

    /// Both ends of an answered call.
    pub(crate) fn answered(&self) -> (Call, Call) {
        let here = self.call();
        let there = self.callee.incoming(LONG).unwrap();
        here.wait_answered(LONG).unwrap();
        there.wait_answered(LONG).unwrap();
        (here, there)
    }
}

pub(crate) fn options() -> CallOptions {
    CallOptions { expect: Expect::Known(CALLEE_AUDIO), ..CallOptions::default() }
}

/// 200 without ringing.
pub(crate) const AT_ONCE: AnswerPolicy = AnswerPolicy::AnswerAfter { ringing: None };

/// Both hear each other, bit for bit.
pub(crate) fn hear_each_other(here: &Call, there: &Call) {
    for call in [here, there] {
        let before = call.report().received;
        let report = call.wait_media(LONG, |r| r.received >= before + 10).unwrap();
        assert_eq!(report.matches, Some(true), "{report:?}");
    }
}
