use proptest::prelude::*;

use super::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 9,
    fraction_lost: 64,
    cumulative_lost: 3,
    highest_sequence: 70_000,
    jitter: 8,
    last_sender_report: 1,
    delay_since_last: 2,
};

fn read(bytes: &[u8]) -> Result<Vec<RtcpPacket<'_>>, RtcpError> {
    parse(bytes).collect()
}

#[test]
fn a_sender_report_is_followed_by_a_cname_and_reads_back() {
    let info = SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 5, packets: 6, bytes: 7 };
    let mut out = Vec::new();
    SenderReport { ssrc: 1, info, block: Some(BLOCK), cname: "a@b" }.write(&mut out);
    write_bye(1, &mut out);
    assert_eq!(out.len() % 4, 0);
    let packets = read(&out).unwrap();
    let RtcpPacket::Sender { ssrc: 1, info: read_info, blocks } = packets[0] else { panic!("{packets:?}") };
    assert_eq!(read_info, info);
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [BLOCK]);
    assert_eq!(packets[1], RtcpPacket::Description(&[0, 0, 0, 1, 1, 3, b'a', b'@', b'b', 0, 0, 0]));
    assert_eq!(packets[2], RtcpPacket::Bye { ssrcs: &[0, 0, 0, 1] });
}

#[test]
fn a_receiver_report_without_blocks_is_eight_bytes_before_its_cname() {
    let mut out = Vec::new();
    ReceiverReport { ssrc: 3, block: None, cname: "" }.write(&mut out);
    assert_eq!(out[..8], [0x80, 201, 0, 1, 0, 0, 0, 3]);
    assert_eq!(out[8..], [0x81, 202, 0, 2, 0, 0, 0, 3, 1, 0, 0, 0]);
}

#[test]
fn a_negative_count_of_lost_packets_reads_as_none() {
    let mut out = Vec::new();
    ReceiverReport { ssrc: 3, block: Some(BLOCK), cname: "x" }.write(&mut out);
    out[13..16].copy_from_slice(&[0xff, 0xff, 0xfe]);
    let RtcpPacket::Receiver { blocks, .. } = read(&out).unwrap()[0] else { panic!() };
    assert_eq!(blocks.iter().next().unwrap().cumulative_lost, 0);
}

#[test]
fn wrong_compounds_are_refused() {
    assert_eq!(read(&[]), Err(RtcpError::Truncated(0)));
    assert_eq!(read(&[0x40, 201, 0, 0]), Err(RtcpError::Version(1)));
    assert_eq!(read(&[0x80, 201, 0, 2, 0, 0, 0, 1]), Err(RtcpError::Truncated(0)));
    assert_eq!(read(&[0x81, 201, 0, 1, 0, 0, 0, 1]), Err(RtcpError::Counts(0)));
    assert_eq!(read(&[0x82, 203, 0, 1, 0, 0, 0, 1]), Err(RtcpError::Counts(0)));
    assert_eq!(read(&[0xa0, 201, 0, 1, 0, 0, 0, 3]), Err(RtcpError::Padding(0)));
    assert_eq!(read(&[0x80, 209, 0, 0].repeat(MAX_PACKETS + 1)), Err(RtcpError::TooMany));
}

#[test]
fn padding_of_the_last_packet_is_taken_off() {
    let bytes = [0xa0, 209, 0, 2, 7, 7, 7, 7, 0, 0, 0, 4];
    assert_eq!(read(&bytes), Ok(vec![RtcpPacket::Other { packet_type: 209, body: &[7, 7, 7, 7] }]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&bytes).count() <= MAX_PACKETS + 1);
    }

    #[test]
    fn packet_like_bytes_are_read_without_panic(packets in prop::collection::vec((0u8..64, 198u8..210, 0u8..20, prop::collection::vec(any::<u8>(), 0..80)), 0..6)) {
        let bytes: Vec<u8> = packets.into_iter().flat_map(|(bits, kind, words, body)| {
            [vec![0x80 | bits, kind, 0, words], body].concat()
        }).collect();
        for packet in parse(&bytes).flatten() {
            if let RtcpPacket::Sender { blocks, .. } | RtcpPacket::Receiver { blocks, .. } = packet {
                prop_assert!(blocks.iter().count() <= 31);
            }
        }
    }
}
