use proptest::prelude::*;

use super::*;

fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
    Header { marker: false, payload_type: 0, sequence, timestamp, ssrc }
}

/// Receives `sequences` 20 ms apart, timestamps in step with the numbers.
fn receive(reception: &mut Reception, ssrc: u32, sequences: impl IntoIterator<Item = u16>) {
    for (n, sequence) in sequences.into_iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        reception.update(Duration::from_millis(u64::from(n) * 20), &packet(ssrc, sequence, n * 160), 172);
    }
}

#[test]
fn a_clean_stream_over_the_wrap_has_no_loss_and_no_jitter() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, (65_530..=65_535).chain(0..10));
    assert_eq!((reception.packets(), reception.lost(), reception.jitter_us()), (16, 0, 0));
    assert_eq!(reception.bytes(), 16 * 172);
    assert_eq!(reception.report().unwrap().highest_sequence, (1 << 16) + 9);
}

#[test]
fn what_never_came_is_lost_and_what_came_late_is_not() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [10, 11, 14, 13, 20]);
    assert_eq!(reception.lost(), 6);
    assert!((reception.loss_ratio() - 6.0 / 11.0).abs() < 1e-9);
}

#[test]
fn duplicates_never_make_the_loss_negative() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [10, 10, 10, 11, 11]);
    assert_eq!(reception.lost(), 0);
    assert_eq!(reception.report().unwrap().cumulative_lost, 0);
}

#[test]
fn a_packet_before_the_first_is_no_wrap() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [0, 65_535, 1, 2]);
    assert_eq!(reception.lost(), 0);
}

#[test]
fn a_new_ssrc_keeps_the_losses_of_the_last() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [1, 3]);
    receive(&mut reception, 2, [50_000, 50_002]);
    assert_eq!((reception.lost(), reception.restarts(), reception.packets()), (2, 1, 4));
}

#[test]
fn a_sender_that_jumps_began_anew_once_a_second_packet_confirms_it() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [100, 101, 40_000]);
    assert_eq!((reception.restarts(), reception.lost()), (0, 0));
    receive(&mut reception, 1, [40_001, 40_002]);
    assert_eq!((reception.restarts(), reception.lost()), (1, 0));
}

#[test]
fn jitter_follows_appendix_a_8() {
    let mut reception = Reception::new(8000);
    reception.update(Duration::from_millis(0), &packet(1, 1, 0), 172);
    // 16 ms late: 128 units, of which a sixteenth counts: 8 units, 1 ms.
    reception.update(Duration::from_millis(36), &packet(1, 2, 160), 172);
    assert_eq!(reception.jitter_us(), 1_000);
}

#[test]
fn packets_of_one_telephone_event_share_a_timestamp_and_are_no_jitter() {
    let mut reception = Reception::new(8000);
    for n in 0..10u16 {
        reception.update(Duration::from_millis(u64::from(n) * 20), &packet(1, n, 800), 16);
    }
    assert_eq!((reception.jitter_us(), reception.packets()), (0, 10));
}

#[test]
fn the_fraction_is_that_of_the_interval() {
    let mut reception = Reception::new(8000);
    receive(&mut reception, 1, [1, 2, 4]);
    assert_eq!(reception.report().unwrap().fraction_lost, 64);
    receive(&mut reception, 1, [5, 6]);
    let block = reception.report().unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost, block.ssrc), (0, 1, 1));
    assert_eq!(reception.report().unwrap().fraction_lost, 0);
}

proptest! {
    #[test]
    fn nothing_overflows(steps in prop::collection::vec((any::<u32>(), 0u32..3, any::<u16>(), any::<u32>()), 0..100), clock_rate: u32) {
        let mut reception = Reception::new(clock_rate);
        for (ms, ssrc, sequence, timestamp) in steps {
            reception.update(Duration::from_millis(u64::from(ms)), &packet(ssrc, sequence, timestamp), 172);
            reception.report();
            prop_assert!((0.0..=1.0).contains(&reception.loss_ratio()));
            reception.jitter_us();
        }
    }

    #[test]
    fn losses_are_counted_exactly_over_wraps(start: u16, lost in prop::collection::btree_set(1u32..400, 0..50)) {
        let mut reception = Reception::new(8000);
        let sent = (0..=400u32).filter(|n| !lost.contains(n));
        receive(&mut reception, 9, sent.map(|n| start.wrapping_add(u16::try_from(n).unwrap())));
        prop_assert_eq!(reception.lost(), lost.len() as u64);
    }
}
