//! Which nonce counts were used: a window per nonce, in a table that never grows beyond its limit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::WallTime;

/// Most nonces remembered at a time.
const MAX_NONCES: usize = 100_000;
/// How far below the highest count one may still arrive, having been overtaken.
const WINDOW: u32 = 64;

/// A nonce of ours. Ordered by age, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    pub(super) made: WallTime,
    pub(super) maker: u64,
    pub(super) number: u64,
}

/// The counts used with one nonce: the highest, and a bit for each of the [`WINDOW`] below and including it.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    used: u64,
}

/// All windows.
pub(super) struct Windows {
    table: BTreeMap<NonceId, Window>,
    /// Nonces made before this were forgotten while still young: their counts are unknown.
    forgotten_before: WallTime,
    limit: usize,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self { table: BTreeMap::new(), forgotten_before: WallTime(0), limit: MAX_NONCES }
    }

    /// Takes note of `count`; false when it may have been used before.
    pub(super) fn take(&mut self, nonce: NonceId, count: u32, now: WallTime, lifetime: Duration) -> bool {
        self.expire(now, lifetime);
        if let Some(window) = self.table.get_mut(&nonce) {
            return window.take(count);
        }
        if nonce.made <= self.forgotten_before && self.forgotten_before != WallTime(0) {
            return false;
        }
        if self.table.len() >= self.limit
            && let Some((oldest, _)) = self.table.pop_first()
        {
            self.forgotten_before = self.forgotten_before.max(oldest.made);
        }
        self.table.insert(nonce, Window { highest: count, used: 1 });
        true
    }

    /// How many nonces are remembered.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn expire(&mut self, now: WallTime, lifetime: Duration) {
        while let Some(oldest) = self.table.first_entry() {
            if now.since(oldest.key().made) <= lifetime {
                return;
            }
            oldest.remove();
        }
    }
}

impl Window {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = if behind < WINDOW { 1_u64 << behind } else { return false };
        let fresh = self.used & bit == 0;
        self.used |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_mins(5);

    fn nonce(made: u64) -> NonceId {
        NonceId { made: WallTime(made), maker: 1, number: made }
    }

    #[test]
    fn each_count_counts_once_in_any_order_within_the_window() {
        let mut windows = Windows::new();
        let mut take = |count| windows.take(nonce(1), count, WallTime(1), LIFETIME);
        assert!(take(1) && take(3) && take(2));
        assert!(!take(1) && !take(2) && !take(3));
        assert!(take(300), "more than a byte can hold");
        assert!(take(300 - WINDOW + 1) && !take(300 - WINDOW), "the window ends");
        assert!(take(u32::MAX) && !take(u32::MAX) && take(u32::MAX - 1) && !take(300));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_safely() {
        let mut windows = Windows { limit: 3, ..Windows::new() };
        let now = WallTime(10);
        for made in 1..=4 {
            assert!(windows.take(nonce(made), 1, now, LIFETIME));
        }
        assert_eq!(windows.len(), 3);
        assert!(!windows.take(nonce(1), 2, now, LIFETIME), "forgotten: it might be a replay");
        assert!(windows.take(nonce(2), 2, now, LIFETIME));
    }

    #[test]
    fn old_nonces_leave_the_table() {
        let mut windows = Windows::new();
        assert!(windows.take(nonce(1), 1, WallTime(1), LIFETIME));
        assert!(windows.take(nonce(400_000), 1, WallTime(400_000), LIFETIME));
        assert_eq!(windows.len(), 1);
    }
}
