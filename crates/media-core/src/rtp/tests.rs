use proptest::prelude::*;

use super::*;

const HEADER: Header =
    Header { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 0xdead_beef, ssrc: 7 };

#[test]
fn the_fixed_header_has_the_layout_of_section_5_1() {
    let bytes = [0x80, 0x88, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 7];
    assert_eq!(HEADER.to_bytes(), bytes);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.header, packet.payload, packet.csrcs), (HEADER, &[][..], &[][..]));
}

#[test]
fn csrcs_extension_and_padding_are_taken_off_the_payload() {
    let mut bytes = HEADER.to_bytes().to_vec();
    bytes[0] = 0x80 | 0x20 | 0x10 | 2;
    bytes.extend([1, 1, 1, 1, 2, 2, 2, 2]);
    bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
    bytes.extend(*b"voice\0\0\x03");
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.csrcs, [1, 1, 1, 1, 2, 2, 2, 2]);
    assert_eq!(packet.extension, Some(Extension { profile: 0xbede, data: &[9, 9, 9, 9] }));
    assert_eq!(packet.payload, b"voice");
}

#[test]
fn what_lies_about_its_length_is_refused() {
    let cases: [(u8, &[u8], RtpError); 5] = [
        (0x40, &[], RtpError::Version(1)),
        (0x81, &[1, 1, 1], RtpError::Truncated { bytes: 15, part: "CSRC list" }),
        (0x90, &[0, 0, 0, 2, 1, 1, 1, 1], RtpError::Truncated { bytes: 20, part: "extension" }),
        (0xa0, &[1, 4], RtpError::Padding(4)),
        (0xa0, &[1, 0], RtpError::Padding(0)),
    ];
    for (first, rest, error) in cases {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] = first;
        bytes.extend(rest);
        assert_eq!(Packet::parse(&bytes), Err(error));
    }
    assert_eq!(Packet::parse(&[0x80; 11]), Err(RtpError::Truncated { bytes: 11, part: "header" }));
}

#[test]
fn a_packet_that_does_not_fit_is_not_written() {
    let mut out = [0; 16];
    assert_eq!(HEADER.write(b"12345", &mut out), None);
    assert_eq!(HEADER.write(b"1234", &mut out), Some(16));
}

#[test]
fn kinds_are_told_by_the_ranges_of_rfc_7983() {
    let datagram = |first: u8, second: u8| {
        let mut bytes = [0; 12];
        bytes[..2].copy_from_slice(&[first, second]);
        classify(&bytes)
    };
    assert_eq!(datagram(0, 1), Kind::Stun);
    assert_eq!(datagram(22, 254), Kind::Dtls);
    assert_eq!(datagram(0x80, 0), Kind::Rtp);
    assert_eq!(datagram(0x80, 0x80 | 0x6f), Kind::Rtp);
    assert_eq!(datagram(0x81, 200), Kind::Rtcp);
    assert_eq!(datagram(64, 0), Kind::Other);
    assert_eq!(classify(&[]), Kind::Other);
    assert_eq!(classify(&[0x80, 0, 1]), Kind::Other);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = classify(&bytes);
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert!(packet.payload.len() + HEADER_BYTES <= bytes.len());
        }
    }

    #[test]
    fn what_is_written_is_read(marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32, payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut out = [0; 100];
        let length = header.write(&payload, &mut out).unwrap();
        let packet = Packet::parse(&out[..length]).unwrap();
        prop_assert_eq!((packet.header, packet.payload), (header, &payload[..]));
    }
}
