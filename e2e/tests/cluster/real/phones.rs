//! Two phones outside the nodes, on two hosts, and calls between them.

use std::net::IpAddr;
use std::time::Duration;

use e2e::wait::until;
use softphone::{
    AnswerPolicy, Call, CallOptions, EndReason, Expect, MediaReport, Phone, PhoneConfig, PhoneError, Secret,
    seed_of,
};

use super::nodes::OUTSIDE;
use super::office::Office;

pub(super) const SOON: Duration = Duration::from_secs(10);
/// Packets in a second.
pub(super) const SECOND: u64 = 50;
/// Registrations are refreshed at half of it: a sip-node that starts anew is found soon.
const REGISTERED_FOR: Duration = Duration::from_mins(1);

/// 1001, who calls, and 1002, who answers.
pub(super) struct Phones {
    pub(super) caller: Phone,
    pub(super) callee: Phone,
}

/// A call that both sides have answered. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) caller: Call,
    pub(super) callee: Call,
}

impl Phones {
    /// Both, registered.
    pub(super) fn register(office: &Office) -> Self {
        let [first, second] = OUTSIDE;
        Self { caller: phone(office, "1001", "1002", first), callee: phone(office, "1002", "1001", second) }
    }

    /// 1001 calls 1002, who answers.
    pub(super) fn talk(&self) -> Talk {
        self.try_talk().expect("1001 calls 1002")
    }

    /// The same, where it need not succeed.
    pub(super) fn try_talk(&self) -> Result<Talk, PhoneError> {
        let options = CallOptions { expect: Expect::Known(seed_of("1002")), ..CallOptions::default() };
        let caller = self.caller.call("1002", options)?;
        caller.wait_answered(SOON)?;
        let callee = self.callee.incoming(SOON)?;
        callee.wait_answered(SOON)?;
        Ok(Talk { caller, callee })
    }

    /// The final status of a call from 1001 to 1002, or that there was none: then it is up.
    pub(super) fn refused(&self) -> Result<u16, Talk> {
        match self.try_talk() {
            Ok(talk) => Err(talk),
            Err(PhoneError::Ended(EndReason { status: Some(status), .. })) => Ok(status),
            Err(other) => panic!("neither refused nor answered: {other}"),
        }
    }
}

fn phone(office: &Office, user: &str, other: &str, host: IpAddr) -> Phone {
    registered(&config(office, user, other, host), REGISTERED_FOR)
}

/// For a phone of `user` on `host` who expects the audio of `other`.
pub(super) fn config(office: &Office, user: &str, other: &str, host: IpAddr) -> PhoneConfig {
    let server = office.server();
    let secret = Secret::Password(office.password(user));
    let mut config = PhoneConfig::new(server, server.ip().to_string(), user, secret);
    config.bind = (host, 0).into();
    config.answer = AnswerPolicy::AnswerAfter { ringing: None };
    config.expect = Expect::Known(seed_of(other));
    config.patience = Duration::from_secs(4);
    config
}

/// A phone that is registered for so long. A listener takes a moment to learn of a user.
pub(super) fn registered(config: &PhoneConfig, span: Duration) -> Phone {
    until(&format!("{} is registered", config.user), SOON, || {
        let phone = Phone::start(config.clone())?;
        phone.register(span).map(|_| phone)
    })
}

impl Talk {
    /// Waits for two more seconds of audio in both directions, all of it as it was sent.
    pub(super) fn assert_bit_for_bit(&self) {
        let sides = [&self.caller, &self.callee].map(|side| (side, side.report().received + 2 * SECOND));
        for (side, enough) in sides {
            let report = side.wait_media(SOON, |report| report.received >= enough);
            assert_whole(&report.expect("audio arrives"));
        }
    }

    /// The media-node's addresses that the phones talk to.
    pub(super) fn relays(&self) -> [IpAddr; 2] {
        [&self.caller, &self.callee].map(|call| call.report().remote.expect("SDP named an address").ip())
    }

    /// The caller hangs up.
    pub(super) fn hang_up(&self) {
        self.caller.hangup().expect("a call that is up");
        self.callee.wait_ended(SOON).expect("BYE reaches 1002");
    }
}

fn assert_whole(report: &MediaReport) {
    assert_eq!(report.matches, Some(true), "{report:?}");
    assert_eq!((report.mismatched, report.lost), (0, 0), "{report:?}");
}
