//! The order that a program is under.

use std::time::Duration;

use tokio::time::Instant;
use voip_contract::node_admin::NodeOrder;

/// Deadlines that differ by less are the same: they are counted in whole seconds from clocks that are read apart.
const SAME: Duration = Duration::from_secs(2);

/// An order, and when it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    order: NodeOrder,
    given: Instant,
}

impl Standing {
    pub(super) fn new(order: NodeOrder) -> Self {
        Self { order, given: Instant::now() }
    }

    /// As it is to be said now: of a drain, only the rest of the time is left.
    pub(super) fn order(self) -> NodeOrder {
        match self.order {
            NodeOrder::Drain { epoch, seconds } => {
                let passed = u32::try_from(self.given.elapsed().as_secs()).unwrap_or(u32::MAX);
                NodeOrder::Drain { epoch, seconds: seconds.saturating_sub(passed) }
            }
            back @ NodeOrder::Return { .. } => back,
        }
    }

    /// Whether a program that obeys this one would do nothing else for `asked`. A drain that runs is only ever made
    /// shorter.
    pub(super) fn covers(self, asked: Self) -> bool {
        if self.order.epoch() != asked.order.epoch() {
            return false;
        }
        match (self.deadline(), asked.deadline()) {
            (Some(until), Some(asked)) => until <= asked + SAME,
            (None, None) => true,
            _ => false,
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self.order {
            NodeOrder::Drain { seconds, .. } => Some(self.given + Duration::from_secs(u64::from(seconds))),
            NodeOrder::Return { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use voip_contract::Epoch;

    use super::*;

    fn drain(epoch: u64, seconds: u32) -> NodeOrder {
        NodeOrder::Drain { epoch: Epoch(epoch), seconds }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_repeated_with_the_time_that_is_left() {
        let standing = Standing::new(drain(1, 60));
        tokio::time::advance(Duration::from_secs(45)).await;
        assert_eq!(standing.order(), drain(1, 15));
        tokio::time::advance(Duration::from_secs(45)).await;
        assert_eq!(standing.order(), drain(1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_earlier_deadline_or_another_epoch_is_said_while_a_drain_runs() {
        let standing = Standing::new(drain(1, 60));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(standing.covers(Standing::new(drain(1, 29))));
        assert!(standing.covers(Standing::new(drain(1, 600))));
        assert!(!standing.covers(Standing::new(drain(1, 20))));
        assert!(!standing.covers(Standing::new(drain(2, 30))));
        assert!(!standing.covers(Standing::new(NodeOrder::Return { epoch: Epoch(1) })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_return_is_said_once() {
        let back = Standing::new(NodeOrder::Return { epoch: Epoch(1) });
        assert!(back.covers(Standing::new(NodeOrder::Return { epoch: Epoch(1) })));
        assert!(!back.covers(Standing::new(drain(1, 60))));
    }
}
