//! A world that does not change is not written to, and times change only with a status.

use proptest::prelude::*;
use voip_api::{LoadStatus, VoipClusterStatus};

use super::reasons::{CASES, spoilt};
use super::*;

proptest! {
    /// Whatever is wrong, and however long it lasts: the second time says the same.
    #[test]
    fn the_same_world_says_the_same(
        chosen in prop::collection::vec(0..CASES.len(), 0..4),
        earlier in prop::option::of(0..CASES.len()),
        later_ms in 0..10_000_000_u64,
        (calls, registrations) in (0..500_u32, 0..500_u32),
    ) {
        let before = earlier.map_or_else(VoipClusterStatus::default, |case| spoilt(&CASES[case]).status(&VoipClusterStatus::default()));
        let mut world = healthy();
        for case in &chosen {
            (CASES[*case].spoil)(&mut world);
        }
        if let Some(report) = world.observed.reports.get_mut("office-sip-1-x") {
            (report.calls, report.registrations) = (calls, registrations);
        }
        let first = world.status(&before);
        world.observed.now_ms += later_ms;
        prop_assert_eq!(&world.status(&first), &first);
    }
}

#[test]
fn a_transition_takes_the_time_of_the_round_and_nothing_else_does() {
    let mut world = healthy();
    let first = world.status(&VoipClusterStatus::default());
    world.observed.now_ms += 60_000;
    world.observed.service = None;
    let second = world.status(&first);
    for (old, new) in first.conditions.iter().zip(&second.conditions) {
        let same = old.status == new.status;
        assert_eq!(old.last_transition_time == new.last_transition_time, same, "{}", new.type_);
    }
    assert_eq!(condition(&second, "AddressesResolved").0, "False");
}

/// The load that is said after one of `before`, `since` milliseconds after the last write.
fn load(before: (u32, u32), now: (u32, u32), since: Option<u64>) -> (u32, u32) {
    let mut world = healthy();
    (world.sip_report().calls, world.sip_report().registrations) = now;
    world.load_written_ms = since.map(|since| world.observed.now_ms - since);
    let before = LoadStatus { active_calls: before.0, registrations: before.1 };
    let after = world.status(&VoipClusterStatus { load: before, ..VoipClusterStatus::default() }).load;
    (after.active_calls, after.registrations)
}

#[test]
fn load_is_written_for_a_twentieth_or_from_and_to_nothing() {
    assert_eq!(load((100, 100), (104, 96), None), (100, 100));
    assert_eq!(load((100, 100), (105, 96), None), (105, 96));
    assert_eq!(load((100, 100), (96, 95), None), (96, 95));
    assert_eq!(load((0, 0), (0, 1), None), (0, 1));
    assert_eq!(load((1, 7), (0, 7), None), (0, 7));
}

#[test]
fn load_is_written_once_a_minute() {
    assert_eq!(load((0, 0), (50, 0), Some(59_999)), (0, 0));
    assert_eq!(load((0, 0), (50, 0), Some(60_000)), (50, 0));
}

#[test]
fn a_sip_node_that_says_nothing_changes_no_load() {
    let mut world = healthy();
    world.observed.reports.clear();
    let load = LoadStatus { active_calls: 3, registrations: 2 };
    let before = VoipClusterStatus { load: load.clone(), ..VoipClusterStatus::default() };
    assert_eq!(world.status(&before).load, load);
    // It crashes again and again: nobody may call, and nothing must wait for its calls.
    world.observed.signaling.as_mut().unwrap().ready = 0;
    assert_eq!(world.status(&before).load, LoadStatus::default());
    world.observed.signaling = None;
    assert_eq!(world.status(&before).load, LoadStatus::default());
}
