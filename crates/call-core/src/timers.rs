//! One ordered table of deadlines. Which timers there are is said here; what they mean is their owners' business.

use std::collections::BTreeMap;
use std::time::Duration;

use sip_core::{ClientKey, Instant};
use voip_contract::{CallId, Incarnation, LegId, NodeName};

use crate::store::Ticket;

/// A reply of a media-node is waited for this long; then the node counts as unavailable to the call.
pub(crate) const MEDIA_REPLY: Duration = Duration::from_secs(2);
/// The statistics of a call that has ended are waited for this long.
pub(crate) const RELEASE_REPLY: Duration = Duration::from_secs(1);
/// A reply of the store is waited for this long; then it counts as unavailable.
pub(crate) const STORE_REPLY: Duration = Duration::from_secs(2);
/// A media-node whose stream broke may come back for this long before its calls are given up.
pub(crate) const NODE_GRACE: Duration = Duration::from_secs(1);
/// 64*T1: as long another 2xx, or the answer to a CANCEL, may come (RFC 3261 sections 13.2.2.4 and 9.1).
pub(crate) const STRAY: Duration = Duration::from_secs(33);
/// A re-INVITE that has rung for this long is cancelled: a modification is answered without a human.
pub(crate) const MODIFY: Duration = Duration::from_secs(30);
/// A provisional response goes to the caller at least this often (RFC 3261 section 13.3.1.1).
pub(crate) const PROGRESS: Duration = Duration::from_mins(1);

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A branch has rung long enough.
    Ring(CallId, LegId),
    /// The caller should hear that we are still at it.
    Progress(CallId),
    /// The caller's INVITE has expired.
    Invitation(CallId),
    /// A re-INVITE was not answered.
    Modify(CallId),
    /// A media-node did not reply.
    Media(u64),
    /// The store did not reply.
    Store(Ticket),
    /// A media-node did not come back.
    NodeGrace(NodeName, Incarnation),
    /// The phones of a user are to be asked whether they are there.
    Qualify(String),
    /// Nothing more is expected of an INVITE.
    Stray(ClientKey),
    /// Calls that a drain has left are to end.
    Drain,
}

/// Names a timer that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey(Instant, u64);

/// The timers that run.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    running: BTreeMap<TimerKey, Timer>,
    next: u64,
}

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.next = self.next.wrapping_add(1);
        let key = TimerKey(at, self.next);
        self.running.insert(key, timer);
        key
    }

    /// Stops a timer; one that has run out is ignored.
    pub(crate) fn stop(&mut self, key: TimerKey) {
        self.running.remove(&key);
    }

    /// When the next one is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.running.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes one that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.running.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_stopped_ones_do_not() {
        let at = |ms| Instant::default().after(Duration::from_millis(ms));
        let mut timers = Timers::default();
        let late = timers.set(at(20), Timer::Media(2));
        timers.set(at(10), Timer::Media(1));
        let stopped = timers.set(at(5), Timer::Media(0));
        timers.stop(stopped);
        assert_eq!(timers.deadline(), Some(at(10)));
        assert_eq!(timers.due(at(9)), None);
        assert_eq!(timers.due(at(10)), Some(Timer::Media(1)));
        assert_eq!(timers.due(at(19)), None);
        timers.stop(late);
        assert_eq!((timers.deadline(), timers.len()), (None, 0));
    }
}
