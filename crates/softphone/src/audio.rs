//! Known audio: G.711 payloads that carry their position, so that any one of them can be checked bit for bit.
//!
//! Quiet noise (at most about -30 dBm0), since a person may hear it. Knows no packet and no socket.

use media_core::g711::Law;

/// Octets in a 20 ms packet of G.711.
pub const PAYLOAD_BYTES: usize = 160;
/// Octets that carry the position: a nibble each.
const POSITION_BYTES: usize = 8;
/// Below this a payload proves nothing.
const SHORTEST: usize = 2 * POSITION_BYTES;

/// The code word of sign (bit 7), segment (bits 6-4) and mantissa (bits 3-0): as ITU-T G.711 inverts them.
fn word(law: Law, magnitude: u8) -> u8 {
    match law {
        Law::Ulaw => !magnitude,
        Law::Alaw => magnitude ^ 0xd5,
    }
}

/// The endless stream of payloads of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAudio {
    seed: u64,
}

impl KnownAudio {
    /// The stream that everybody with this seed sends.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The payload at `position`, counted in packets from 0.
    pub fn payload(self, law: Law, position: u32) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        self.fill(law, position, &mut payload);
        payload
    }

    /// The position of a payload of this stream; none when it differs in any bit from what the stream has there.
    pub fn position_of(self, law: Law, payload: &[u8]) -> Option<u32> {
        if payload.len() < SHORTEST || payload.len() > PAYLOAD_BYTES {
            return None;
        }
        let nibbles = payload.iter().take(POSITION_BYTES).map(|b| word(law, 0) ^ b);
        let position = nibbles.fold(0u32, |sum, nibble| (sum << 4) | u32::from(nibble & 0x0f));
        let expected = self.payload(law, position);
        (expected.get(..payload.len()) == Some(payload)).then_some(position)
    }

    fn fill(self, law: Law, position: u32, payload: &mut [u8; PAYLOAD_BYTES]) {
        let (head, noise) = payload.split_at_mut(POSITION_BYTES);
        for (index, byte) in (0u32..).zip(head) {
            let shift = 28 - 4 * index;
            *byte = word(law, u8::try_from((position >> shift) & 0x0f).unwrap_or(0));
        }
        let mut state =
            self.seed ^ (u64::from(position) << 32 | u64::from(position)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for chunk in noise.chunks_mut(8) {
            for (byte, random) in chunk.iter_mut().zip(split_mix(&mut state).to_le_bytes()) {
                // Any sign and mantissa, the three lowest of eight segments.
                let segment = ((random >> 4) & 0x07) % 3;
                *byte = word(law, (random & 0x80) | (segment << 4) | (random & 0x0f));
            }
        }
    }
}

/// One step of `SplitMix64`: a fixed, portable sequence for a seed.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_its_position_and_no_changed_bit_passes() {
        for law in [Law::Ulaw, Law::Alaw] {
            let audio = KnownAudio::new(7);
            for position in [0, 1, 49, 50, 65_536, u32::MAX] {
                let payload = audio.payload(law, position);
                assert_eq!(audio.position_of(law, &payload), Some(position));
                for bit in 0..PAYLOAD_BYTES * 8 {
                    let mut changed = payload;
                    changed[bit / 8] ^= 1 << (bit % 8);
                    assert_ne!(audio.position_of(law, &changed), Some(position), "bit {bit} of {position}");
                }
            }
        }
    }

    #[test]
    fn streams_of_other_seeds_laws_and_positions_differ() {
        let audio = KnownAudio::new(7);
        assert_eq!(KnownAudio::new(8).position_of(Law::Ulaw, &audio.payload(Law::Ulaw, 3)), None);
        assert_eq!(audio.position_of(Law::Alaw, &audio.payload(Law::Ulaw, 3)), None);
        assert_ne!(audio.payload(Law::Ulaw, 3), audio.payload(Law::Ulaw, 4));
        assert_eq!(audio.position_of(Law::Ulaw, &[]), None);
        assert_eq!(audio.position_of(Law::Ulaw, &[0xff; PAYLOAD_BYTES]), None);
    }

    #[test]
    fn it_is_quiet() {
        // Segment 2 of mu-law ends at 33 * 8 - 33 of 8159: -31 dB of full scale.
        for position in 0..50 {
            let payload = KnownAudio::new(1).payload(Law::Ulaw, position);
            assert!(payload.iter().all(|word| (!word >> 4) & 0x07 <= 2));
        }
    }
}
