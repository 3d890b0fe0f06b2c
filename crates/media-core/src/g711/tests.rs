use super::*;

/// The positive decision values of a law's 128 intervals and its output values, built from the segments of
/// G.711 tables 1a and 2a as (first decision value, step), scaled to 16 bits.
fn table(law: Law) -> Vec<(i32, i32, i32)> {
    let mut rows = Vec::new();
    for segment in 0..8 {
        let (start, step) = match (law, segment) {
            (Law::Alaw, 0) => (0, 16),
            (Law::Alaw, s) => (256 << (s - 1), 16 << (s - 1)),
            // 14 bits: 0, 31, 95, 223, ... and steps 2, 4, 8, ...; the first interval is half as wide.
            (Law::Ulaw, s) => (((33 << s) - 33) * 4 - (1 << s) * 4, 8 << s),
        };
        for interval in 0..16 {
            let low = start + interval * step;
            rows.push((low, low + step, low + step / 2));
        }
    }
    rows
}

fn wire(law: Law, negative: bool, row: usize) -> u8 {
    let row = u8::try_from(row).unwrap();
    match (law, negative) {
        (Law::Ulaw, false) => !row,
        (Law::Ulaw, true) => !(row | 0x80),
        (Law::Alaw, false) => (row | 0x80) ^ 0x55,
        (Law::Alaw, true) => row ^ 0x55,
    }
}

#[test]
fn every_octet_decodes_to_the_middle_of_its_interval() {
    for law in [Law::Ulaw, Law::Alaw] {
        for (row, (.., middle)) in table(law).into_iter().enumerate() {
            assert_eq!(i32::from(law.decode(wire(law, false, row))), middle, "{law:?} +{row}");
            assert_eq!(i32::from(law.decode(wire(law, true, row))), -middle, "{law:?} -{row}");
        }
    }
}

#[test]
fn every_sample_is_encoded_as_the_interval_it_lies_in() {
    for law in [Law::Ulaw, Law::Alaw] {
        let table = table(law);
        for sample in i16::MIN..=i16::MAX {
            let value = i32::from(sample);
            let negative = value < 0;
            // A-law has no zero: -1 is the first negative value. A decision value belongs upwards.
            let magnitude = if law == Law::Alaw && negative { -value - 1 } else { value.abs() };
            let row =
                table.iter().position(|(low, high, _)| (*low..*high).contains(&magnitude)).unwrap_or(127);
            assert_eq!(law.encode(sample), wire(law, negative, row), "{law:?} {sample}");
        }
    }
}

#[test]
fn decoding_and_encoding_again_changes_no_octet_but_negative_zero() {
    for law in [Law::Ulaw, Law::Alaw] {
        for octet in 0..=255 {
            let again = law.encode(law.decode(octet));
            assert!(
                again == octet || (law == Law::Ulaw && octet == 0x7f && again == 0xff),
                "{law:?} {octet:#x}"
            );
        }
    }
}

#[test]
fn silence_and_full_scale_are_the_octets_that_the_tables_name() {
    assert_eq!([Law::Ulaw.silence(), Law::Alaw.silence()], [0xff, 0xd5]);
    assert_eq!([Law::Ulaw.encode(i16::MAX), Law::Ulaw.encode(i16::MIN)], [0x80, 0x00]);
    assert_eq!([Law::Alaw.encode(i16::MAX), Law::Alaw.encode(i16::MIN)], [0xaa, 0x2a]);
}

#[test]
fn slices_are_converted_as_far_as_both_reach() {
    let mut octets = [0; 3];
    Law::Ulaw.encode_into(&[0, 0], &mut octets);
    assert_eq!(octets, [0xff, 0xff, 0]);
    let mut samples = [1; 2];
    Law::Alaw.decode_into(&[0xd5, 0xd5, 0xd5], &mut samples);
    assert_eq!(samples, [8, 8]);
}
