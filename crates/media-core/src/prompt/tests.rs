use super::*;
use crate::rtp::Packet;

const STREAM: OutgoingStream = OutgoingStream { ssrc: 7, sequence: u16::MAX, timestamp: u32::MAX - 159 };

fn play(player: &mut Player) -> Vec<(Header, Vec<u8>)> {
    let mut packet = [0; PACKET_BYTES];
    std::iter::from_fn(|| match player.step(&mut packet) {
        Step::Packet => {
            let packet = Packet::parse(&packet).unwrap();
            Some((packet.header, packet.payload.to_vec()))
        }
        Step::Finished => None,
    })
    .take(1000)
    .collect()
}

#[test]
fn a_prompt_is_cut_into_20_ms_packets_with_a_marker_on_the_first() {
    let prompt = Prompt::from_samples(&[1000; 400]);
    assert_eq!(prompt.frames(), 3);
    let packets = play(&mut Player::new(&prompt, Law::Ulaw, 0, 1, STREAM));
    let numbers: Vec<_> = packets.iter().map(|(h, _)| (h.marker, h.sequence, h.timestamp)).collect();
    assert_eq!(numbers, [(true, u16::MAX, u32::MAX - 159), (false, 0, 0), (false, 1, 160)]);
    let loud = Law::Ulaw.encode(1000);
    assert_eq!(packets[2].1, [vec![loud; 80], vec![0xff; 80]].concat());
}

#[test]
fn it_is_repeated_without_a_gap_and_then_finished_for_good() {
    let prompt = Prompt::from_samples(&[5; 320]);
    let mut player = Player::new(&prompt, Law::Alaw, 8, 3, STREAM);
    let packets = play(&mut player);
    assert_eq!(packets.len(), 6);
    assert_eq!(packets.iter().filter(|(h, _)| h.marker).count(), 1);
    assert!(packets.iter().all(|(h, p)| h.payload_type == 8 && p.len() == 160));
    assert_eq!(player.step(&mut [0; PACKET_BYTES]), Step::Finished);
}

#[test]
fn the_next_prompt_goes_on_with_the_numbers_of_the_last() {
    let prompt = Prompt::from_samples(&[5; 160]);
    let mut first = Player::new(&prompt, Law::Ulaw, 0, 1, STREAM);
    play(&mut first);
    let mut stream = first.stream();
    stream.skip_samples(800);
    let (header, _) = play(&mut Player::new(&prompt, Law::Ulaw, 0, 1, stream)).remove(0);
    assert_eq!((header.sequence, header.timestamp, header.ssrc), (0, 800, 7));
}

#[test]
fn an_empty_prompt_or_none_at_all_is_finished_at_once() {
    let empty = Prompt::from_samples(&[]);
    assert!(play(&mut Player::new(&empty, Law::Ulaw, 0, 5, STREAM)).is_empty());
    let prompt = Prompt::from_samples(&[1; 160]);
    assert!(play(&mut Player::new(&prompt, Law::Ulaw, 0, 0, STREAM)).is_empty());
}
