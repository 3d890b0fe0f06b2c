//! What a relay thread counts.
//!
//! The thread adds to plain integers and publishes them once per round; readers see whole values, at most one round
//! old. Only the owner writes, so that no atomic read-modify-write is needed.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter or gauge. Its place in [`ALL`](Self::ALL) is its place in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// RTP packets passed on to the other leg.
    RelayedPackets,
    /// Their bytes.
    RelayedBytes,
    /// RTCP packets passed on to the other leg.
    RelayedRtcp,
    /// RTP packets sent back to their sender.
    EchoedPackets,
    /// RTP packets of prompts.
    PromptPackets,
    /// RTCP packets of our own.
    OwnRtcp,
    /// Dropped: from an address that is not the peer's.
    DroppedForeignSource,
    /// Dropped: neither RTP nor RTCP.
    DroppedNotRtp,
    /// Dropped: the leg has nobody to send to (not answered, on hold, a prompt plays).
    DroppedNoPeer,
    /// Dropped: the socket's send queue was full.
    DroppedSendQueue,
    /// Dropped: the system refused to send (no route, not permitted).
    DroppedSendError,
    /// Gauge: legs that the thread holds.
    Legs,
    /// Gauge: legs that hear nothing although the other side does.
    OneWayLegs,
    /// Rounds of the thread's loop: packets over rounds says how well wake-ups are shared.
    Rounds,
}

impl Counter {
    /// Every counter, in the order of the tables.
    pub const ALL: [Self; 14] = [
        Self::RelayedPackets,
        Self::RelayedBytes,
        Self::RelayedRtcp,
        Self::EchoedPackets,
        Self::PromptPackets,
        Self::OwnRtcp,
        Self::DroppedForeignSource,
        Self::DroppedNotRtp,
        Self::DroppedNoPeer,
        Self::DroppedSendQueue,
        Self::DroppedSendError,
        Self::Legs,
        Self::OneWayLegs,
        Self::Rounds,
    ];
}

/// The owner's figures.
#[derive(Debug, Default)]
pub(super) struct Tally([u64; Counter::ALL.len()]);

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, counter: Counter, amount: u64) {
        let value = &mut self.0[counter as usize];
        *value = value.wrapping_add(amount);
    }

    #[inline]
    pub(super) fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(super) fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter as usize] = value;
    }

    pub(super) fn publish(&self, published: &Published) {
        for (value, slot) in self.0.iter().zip(&published.0) {
            slot.store(*value, Ordering::Relaxed);
        }
    }
}

/// What others may read. Aligned, so that two threads never share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Published([AtomicU64; Counter::ALL.len()]);

impl Published {
    /// The value as of the thread's last round.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_each_counter_at_its_own_place() {
        for (place, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, place, "{counter:?}");
        }
    }

    #[test]
    fn published_values_are_those_of_the_owner() {
        let (mut tally, published) = (Tally::default(), Published::default());
        tally.add(Counter::RelayedBytes, 172);
        tally.count(Counter::Rounds);
        assert_eq!(published.get(Counter::RelayedBytes), 0);
        tally.publish(&published);
        assert_eq!(published.get(Counter::RelayedBytes), 172);
        assert_eq!(published.get(Counter::Rounds), 1);
    }
}
