use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[test]
fn only_whole_pairs_with_an_even_rtp_port_are_handed_out() {
    let mut pool = PortPool::new(40_001, 40_006);
    let pairs: Vec<_> = std::iter::from_fn(|| pool.take()).map(|p| (p.rtp(), p.rtcp())).collect();
    assert_eq!(pairs, [(40_002, 40_003), (40_004, 40_005)]);
}

#[test]
fn odd_ranges_at_the_edges_hold_nothing_or_the_last_pair() {
    assert_eq!(PortPool::new(65_535, 65_535).capacity(), 0);
    assert_eq!(PortPool::new(0, 1).capacity(), 0);
    assert_eq!(PortPool::new(10, 9).capacity(), 0);
    assert_eq!(PortPool::new(65_534, 65_535).take().map(PortPair::rtcp), Some(65_535));
}

#[test]
fn a_released_pair_waits_behind_all_others() {
    let mut pool = PortPool::new(100, 105);
    let first = pool.take().unwrap();
    assert!(pool.release(first));
    assert_eq!([pool.take(), pool.take(), pool.take()].map(|p| p.unwrap().rtp()), [102, 104, 100]);
    assert_eq!(pool.take(), None);
}

#[test]
fn a_pair_is_released_once() {
    let mut pool = PortPool::new(100, 103);
    let pair = pool.take().unwrap();
    assert!(pool.release(pair));
    assert!(!pool.release(pair));
    assert!(!pool.release(PortPair::new(200).unwrap()));
}

#[test]
fn a_foreign_port_takes_its_pair_out_even_after_use() {
    let mut pool = PortPool::new(100, 105);
    let taken = pool.take().unwrap();
    assert!(pool.mark_foreign(taken.rtcp()) && pool.mark_foreign(102) && !pool.mark_foreign(103));
    assert_eq!((pool.capacity(), pool.in_use(), pool.foreign()), (1, 1, 2));
    assert!(pool.release(taken));
    assert_eq!(pool.take().map(PortPair::rtp), Some(104));
    assert_eq!(pool.take(), None);
}

#[test]
fn a_foreign_pair_can_be_had_back_once_at_the_very_end_too() {
    let mut pool = PortPool::new(65_532, 65_535);
    assert!(pool.mark_foreign(65_535));
    assert_eq!(pool.foreign_pairs().map(PortPair::rtp).collect::<Vec<_>>(), [65_534]);
    let pair = PortPair::new(65_534).unwrap();
    assert!(pool.reclaim(pair) && !pool.reclaim(pair));
    assert_eq!(
        [pool.take(), pool.take(), pool.take()].map(|p| p.map(PortPair::rtp)),
        [Some(65_532), Some(65_534), None]
    );
}

/// What the pool should be, without regard to cost.
#[derive(Default)]
struct Model {
    freed_at: BTreeMap<u16, usize>,
    taken: BTreeSet<u16>,
    foreign: BTreeSet<u16>,
}

impl Model {
    fn take(&mut self) -> Option<u16> {
        let free = self.freed_at.iter().filter(|(port, _)| !self.foreign.contains(port));
        let port = free.min_by_key(|(_, at)| **at).map(|(port, _)| *port)?;
        self.freed_at.remove(&port);
        self.taken.insert(port);
        Some(port)
    }
}

proptest! {
    #[test]
    fn it_behaves_as_the_naive_model(first in 90u16..110, length in 0u16..40, steps in prop::collection::vec((0u8..5, 80u16..160), 0..200)) {
        let last = first + length;
        let mut pool = PortPool::new(first, last);
        let mut model = Model::default();
        for port in (first..last).filter(|p| p % 2 == 0 && *p < last) {
            model.freed_at.insert(port, usize::from(port) - 1000_usize.min(usize::from(port)));
        }
        for (step, (kind, port)) in steps.into_iter().enumerate() {
            let even = port & !1;
            let ours = even >= first && even < last;
            match kind {
                0 | 1 => prop_assert_eq!(pool.take().map(PortPair::rtp), model.take()),
                2 => {
                    let was_taken = model.taken.remove(&even);
                    if was_taken {
                        model.freed_at.insert(even, step + 1000);
                    }
                    prop_assert_eq!(pool.release(PortPair::new(even).unwrap()), was_taken);
                }
                3 => prop_assert_eq!(pool.mark_foreign(port), ours && model.foreign.insert(even)),
                _ => {
                    let free = !model.taken.contains(&even) && model.foreign.remove(&even);
                    if free {
                        model.freed_at.insert(even, step + 1000);
                    }
                    prop_assert_eq!(pool.reclaim(PortPair::new(even).unwrap()), free);
                }
            }
            prop_assert_eq!(pool.in_use(), model.taken.len());
            prop_assert_eq!(pool.foreign(), model.foreign.len());
            let idle: Vec<_> = model.foreign.iter().copied().filter(|p| !model.taken.contains(p)).collect();
            prop_assert_eq!(pool.foreign_pairs().map(PortPair::rtp).collect::<Vec<_>>(), idle);
            prop_assert_eq!(pool.capacity() + pool.foreign(), model.freed_at.len() + model.taken.len());
        }
    }
}
