//! Whether new calls are taken, and until when those that are left may last. It must not know calls: that the time is
//! over is said by its timer.

use std::time::Duration;

use sip_core::Instant;
use voip_contract::Epoch;
use voip_contract::node_admin::NodeOrder;

use crate::fact::Fact;
use crate::timers::{Timer, TimerKey};
use crate::turn::Turn;

/// Least seconds after which a refused caller may try again.
const RETRY_AFTER: u64 = 5;

/// The drain that runs, if any.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    /// Highest epoch of an operator that has spoken.
    newest: Epoch,
    /// The process is going: nobody brings it back.
    leaving: bool,
    /// When the calls that are left are ended.
    until: Option<Instant>,
    timer: Option<TimerKey>,
}

impl Drain {
    /// Whether new calls are refused.
    pub(crate) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// Whether the process is going: what it knows of phones goes with it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// How long calls that are left may last; zero without a drain.
    fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| now.until(until))
    }
}

impl Turn<'_> {
    /// Seconds after which a caller who gets 503 may try again: when a drain is over, and somebody else is there or
    /// this sip-node is back.
    pub(crate) fn retry_after(&self) -> u64 {
        self.core.drain.left(self.now.instant).as_secs().max(RETRY_AFTER)
    }

    /// The process is going: no new calls from here on, and an end to the others after `within`.
    pub(crate) fn leave(&mut self, within: Duration) {
        self.core.drain.leaving = true;
        self.drain(within);
    }

    /// An order of the operator; refused when a newer one has spoken.
    pub(crate) fn ordered(&mut self, order: NodeOrder) {
        let (epoch, newest) = (order.epoch(), self.core.drain.newest);
        if epoch < newest {
            return self.emit(Fact::OrderRefused { epoch, newest });
        }
        self.core.drain.newest = epoch;
        match order {
            NodeOrder::Drain { seconds, .. } => self.drain(Duration::from_secs(u64::from(seconds))),
            NodeOrder::Return { .. } => self.take_calls_again(),
        }
    }

    /// A drain that runs keeps its deadline, unless the new one is earlier.
    fn drain(&mut self, within: Duration) {
        let until = self.now.instant.after(within);
        if self.core.drain.until.is_some_and(|running| running <= until) {
            return;
        }
        let timer = self.after(within, Timer::Drain);
        self.core.drain.until = Some(until);
        let earlier = self.core.drain.timer.replace(timer);
        self.stop(earlier);
    }

    fn take_calls_again(&mut self) {
        if self.core.drain.leaving {
            return;
        }
        self.core.drain.until = None;
        let timer = self.core.drain.timer.take();
        self.stop(timer);
    }
}
