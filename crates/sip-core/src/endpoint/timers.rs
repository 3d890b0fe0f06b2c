//! The timers of RFC 3261 section 17 and RFC 6026, and the queue that says whose is due.
//!
//! | timer | length | what it does | where |
//! |---|---|---|---|
//! | A | T1, doubling | sends an INVITE again (datagrams) | client INVITE, Calling |
//! | B | 64 T1 | gives an INVITE up | client INVITE, Calling |
//! | D | 32 s; 0 on streams | absorbs repeated failures | client INVITE, Completed |
//! | E | T1, doubling to T2; T2 once Proceeding | sends a request again (datagrams) | client other, Trying and Proceeding |
//! | F | 64 T1 | gives a request up | client other, Trying and Proceeding |
//! | G | T1, doubling to T2 | sends a failure again (datagrams) | server INVITE, Completed |
//! | H | 64 T1 | stops waiting for the ACK of a failure | server INVITE, Completed |
//! | I | T4; 0 on streams | absorbs repeated ACKs | server INVITE, Confirmed |
//! | J | 64 T1; 0 on streams | absorbs repeated requests | server other, Completed |
//! | K | T4; 0 on streams | absorbs repeated responses | client other, Completed |
//! | L | 64 T1 | absorbs repeated INVITEs, and waits for the ACK of a 2xx | server INVITE, Accepted |
//! | M | 64 T1 | collects the 2xx of other branches | client INVITE, Accepted |
//! | 2xx | T1, doubling to T2, on streams too | sends a 2xx again until its ACK (section 13.3.1.4) | server INVITE, Accepted |
//! | trying | 200 ms | sends 100 if nothing else was (section 17.2.1) | server INVITE, Proceeding |
//! | cancelled | 64 T1 | gives up an INVITE whose CANCEL had no effect (section 9.1) | client INVITE, Proceeding |
//! | probe | 3 s | gives a request up that nobody waits for | client other, Trying and Proceeding |
//! | forgotten | 64 T1 | drops a request that was never answered: its sender gave up | server other, Trying and Proceeding |

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::{ClientKey, ServerKey};
use crate::time::Instant;

/// Estimate of the round-trip time (section 17.1.1.1).
pub(super) const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions, except of INVITE (section 17.1.2.2).
pub(super) const T2: Duration = Duration::from_secs(4);
/// How long a message can stay in the network (section 17.1.2.2).
pub(super) const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J, L, M and our own of that length.
pub(super) const T1_64: Duration = Duration::from_secs(32);
/// How long a request that nobody waits for is repeated: twice on datagrams.
pub(super) const PROBE: Duration = Duration::from_secs(3);
/// Timer D.
pub(super) const D: Duration = Duration::from_secs(32);
/// When an INVITE that nobody answered yet gets 100.
pub(super) const TRYING: Duration = Duration::from_millis(200);

/// The interval after `interval`, at most T2.
pub(super) fn doubled(interval: Duration) -> Duration {
    interval.saturating_mul(2).min(T2)
}

/// The two timers that a transaction can have at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timers {
    /// Sends something again.
    pub(super) repeat: Option<Instant>,
    /// Ends the state.
    pub(super) end: Option<Instant>,
}

/// Which timer fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fired {
    Repeat,
    End,
}

impl Timers {
    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.repeat, self.end].into_iter().flatten().min()
    }

    /// Takes a timer that is due; the end comes first, for nothing is repeated after it.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Fired> {
        if self.end.take_if(|at| *at <= now).is_some() {
            self.repeat = None;
            return Some(Fired::End);
        }
        self.repeat.take_if(|at| *at <= now).map(|_| Fired::Repeat)
    }
}

/// Whose timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Server(ServerKey),
    Client(ClientKey),
}

/// One entry per transaction with a timer, the earliest first.
#[derive(Debug, Default)]
pub(super) struct TimerQueue(BTreeSet<(Instant, Owner)>);

impl TimerQueue {
    /// Moves `owner`'s entry from `old` to `new`.
    pub(super) fn reschedule(&mut self, owner: Owner, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.0.remove(&(old, owner));
        }
        if let Some(new) = new {
            self.0.insert((new, owner));
        }
    }

    /// When the first entry is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the entry of one whose timer is due; the owner enters the next one.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Owner> {
        self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.pop_first().map(|(_, owner)| owner)
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
