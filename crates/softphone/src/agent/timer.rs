//! What the agent will do later.

use std::collections::BTreeMap;
use std::time::Instant;

use sip_core::ClientKey;

use crate::config::AnswerPolicy;

/// Something to do later. Whoever is named may be gone by then: then there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// The registration is half over.
    Refresh,
    /// The server has been silent for too long.
    Patience(ClientKey),
    /// Further 2xx of an answered INVITE are no longer to be expected.
    Forget(ClientKey),
    /// An incoming call goes on as the policy says.
    Policy(u64, AnswerPolicy),
    /// The ringing of an incoming call ends with 200.
    Answer(u64),
    /// An outgoing call has rung long enough.
    RingTimeout(u64),
    /// A call has lasted as long as it was meant to.
    Hangup(u64),
    /// A cancelled call got no final response.
    GiveUp(u64),
    /// A re-INVITE that met another (491) is tried again.
    RetryReinvite(u64),
}

impl Timer {
    /// The call that it concerns.
    pub(super) fn leg(&self) -> Option<u64> {
        match self {
            Self::Refresh | Self::Patience(_) | Self::Forget(_) => None,
            Self::Policy(leg, _)
            | Self::Answer(leg)
            | Self::RingTimeout(leg)
            | Self::Hangup(leg)
            | Self::GiveUp(leg)
            | Self::RetryReinvite(leg) => Some(*leg),
        }
    }
}

/// Pending timers in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pending: BTreeMap<(Instant, u64), Timer>,
    next: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.next += 1;
        self.pending.insert((at, self.next), timer);
    }

    /// When the next one is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next one that is due at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let first = self.pending.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Removes those that concern nothing any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&Timer) -> bool) {
        self.pending.retain(|_, timer| keep(timer));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_fire_in_order_when_due_and_only_if_they_are_kept() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set(at(20), Timer::Hangup(1));
        timers.set(at(10), Timer::Refresh);
        timers.set(at(10), Timer::Answer(2));
        timers.set(at(5), Timer::GiveUp(3));
        timers.retain(|timer| timer.leg() != Some(3));
        assert_eq!(timers.deadline(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(10)), Some(Timer::Refresh));
        assert_eq!(timers.pop(at(10)), Some(Timer::Answer(2)), "in the order in which they were set");
        assert_eq!(timers.pop(at(10)), None);
        assert_eq!(timers.pop(at(30)), Some(Timer::Hangup(1)));
        assert_eq!(timers.deadline(), None);
    }
}
