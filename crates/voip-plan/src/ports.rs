//! Port numbers: ranges, what is never leased, and how many a call needs.

use std::fmt;

use serde::Serialize;

/// First and last port of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, included.
    pub last: u16,
}

impl PortRange {
    /// From `first` to `last`, both included.
    pub const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// How many ports it has.
    pub fn count(self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(u32::from(self.first))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Ports that something of a node or of Kubernetes uses everywhere: SIP, kubelet and kube-proxy, VXLAN, Geneve, Flannel, `WireGuard`,
/// Cilium's tunnels, `MetalLB`.
pub const RESERVED_PORTS: [PortRange; 8] = [
    PortRange::new(4789, 4789),
    PortRange::new(5060, 5061),
    PortRange::new(6081, 6081),
    PortRange::new(7946, 7946),
    PortRange::new(8472, 8472),
    PortRange::new(10248, 10259),
    PortRange::new(51820, 51821),
    PortRange::new(51871, 51871),
];

/// Ranges that differ from world to world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedPorts {
    /// Ports of Services of type NodePort.
    pub node_ports: Option<PortRange>,
    /// Ports that the kernel gives to sockets that ask for none.
    pub ephemeral: Option<PortRange>,
}

impl Default for ReservedPorts {
    /// The defaults of Kubernetes and of Linux.
    fn default() -> Self {
        Self { node_ports: Some(PortRange::new(30000, 32767)), ephemeral: Some(PortRange::new(32768, 60999)) }
    }
}

/// RTP and RTCP ports for `calls` relayed calls: two legs, two ports each, a tenth to spare, rounded up to 64.
pub fn ports_for_calls(calls: u32) -> u32 {
    let tenths = calls.saturating_mul(44);
    tenths.div_ceil(10).next_multiple_of(64)
}

/// Calls for which `ports` are planned.
pub(crate) fn calls_for_ports(ports: u32) -> u32 {
    ports.saturating_mul(10) / 44
}

/// Taken port numbers: disjoint half-open intervals in order. 65,536 as an end needs more than a u16.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(Vec<(u32, u32)>);

impl Taken {
    /// Marks the ports; whether they were free does not matter.
    pub(crate) fn insert(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        let from = self.0.partition_point(|taken| taken.1 < start);
        let to = self.0.partition_point(|taken| taken.0 <= end);
        let touching = self.0.get(from..to).unwrap_or_default();
        let start = touching.first().map_or(start, |taken| taken.0.min(start));
        let end = touching.last().map_or(end, |taken| taken.1.max(end));
        self.0.splice(from..to, [(start, end)]);
    }

    /// Marks the ports free.
    pub(crate) fn remove(&mut self, start: u32, end: u32) {
        let from = self.0.partition_point(|taken| taken.1 <= start);
        let to = self.0.partition_point(|taken| taken.0 < end);
        let touching = self.0.get(from..to).unwrap_or_default();
        let before = touching.first().filter(|taken| taken.0 < start).map(|taken| (taken.0, start));
        let after = touching.last().filter(|taken| taken.1 > end).map(|taken| (end, taken.1));
        self.0.splice(from..to, before.into_iter().chain(after));
    }

    pub(crate) fn insert_range(&mut self, range: PortRange) {
        self.insert(u32::from(range.first), u32::from(range.last) + 1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for &(start, end) in &other.0 {
            self.insert(start, end);
        }
    }

    pub(crate) fn is_free(&self, start: u32, end: u32) -> bool {
        let at = self.0.partition_point(|taken| taken.1 <= start);
        self.0.get(at).is_none_or(|taken| taken.0 >= end)
    }

    /// Free intervals inside `range`, in order.
    pub(crate) fn gaps(&self, range: PortRange) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        let (first, end) = (u32::from(range.first), u32::from(range.last) + 1);
        let before = std::iter::once(first).chain(self.0.iter().map(move |taken| taken.1.clamp(first, end)));
        let after = self.0.iter().map(move |taken| taken.0.clamp(first, end)).chain(std::iter::once(end));
        let gaps: Vec<(u32, u32)> = before.zip(after).filter(|(start, end)| start < end).collect();
        gaps.into_iter()
    }

    /// The lowest even start of `length` free ports.
    pub(crate) fn lowest(&self, range: PortRange, length: u32) -> Option<u32> {
        let fits = |(start, end): (u32, u32)| {
            let start = start.next_multiple_of(2);
            (start.saturating_add(length) <= end).then_some(start)
        };
        self.gaps(range).find_map(fits)
    }

    /// The highest even start of `length` free ports.
    pub(crate) fn highest(&self, range: PortRange, length: u32) -> Option<u32> {
        let fits = |(start, end): (u32, u32)| {
            let at = end.checked_sub(length)? & !1;
            (at >= start).then_some(at)
        };
        self.gaps(range).rev().find_map(fits)
    }

    /// How many ports of `range` are free.
    pub(crate) fn free(&self, range: PortRange) -> u32 {
        self.gaps(range).map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against an array of booleans.
        #[test]
        fn taken_agrees_with_an_array(
            changes in prop::collection::vec((any::<bool>(), 0..200u32, 0..40u32), 0..30),
            (first, count, length) in (0..200u16, 1..60u16, 1..20u32),
        ) {
            let mut taken = Taken::default();
            let mut array = [false; 512];
            for (insert, start, length) in changes {
                if insert { taken.insert(start, start + length) } else { taken.remove(start, start + length) }
                array[start as usize..(start + length) as usize].fill(insert);
            }
            let range = PortRange::new(first, first + count);
            let inside: Vec<usize> = (usize::from(range.first)..=usize::from(range.last)).collect();
            let free = inside.iter().filter(|port| !array[**port]).count();
            prop_assert_eq!(taken.free(range) as usize, free);
            let fits = |start: &&usize| {
                let end = **start + length as usize;
                start.is_multiple_of(2) && end <= usize::from(range.last) + 1 && array[**start..end].iter().all(|taken| !taken)
            };
            prop_assert_eq!(taken.lowest(range, length).map(|start| start as usize), inside.iter().find(fits).copied());
            prop_assert_eq!(taken.highest(range, length).map(|start| start as usize), inside.iter().rev().find(fits).copied());
            prop_assert_eq!(taken.is_free(u32::from(first), u32::from(first) + length), array[usize::from(first)..][..length as usize].iter().all(|taken| !taken));
        }
    }
}
