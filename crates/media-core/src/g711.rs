//! G.711: PCMU and PCMA (ITU-T G.711; RTP payload types 0 and 8 of RFC 3551), by arithmetic.

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Samples a second.
pub const CLOCK_RATE: u32 = 8_000;
/// Samples, and bytes, of a 20 ms frame.
pub const FRAME_SAMPLES: usize = 160;

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32_635;

/// One of the two companding laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Law {
    /// PCMU.
    Ulaw,
    /// PCMA.
    Alaw,
}

impl Law {
    /// The encoding name of RFC 3551.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ulaw => "PCMU",
            Self::Alaw => "PCMA",
        }
    }

    /// The static payload type of RFC 3551.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Ulaw => 0,
            Self::Alaw => 8,
        }
    }

    /// The octet for silence.
    pub fn silence(self) -> u8 {
        self.encode(0)
    }

    /// The octet for a 16-bit linear sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Ulaw => encode_ulaw(sample),
            Self::Alaw => encode_alaw(sample),
        }
    }

    /// The 16-bit linear sample of an octet.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Ulaw => decode_ulaw(octet),
            Self::Alaw => decode_alaw(octet),
        }
    }

    /// Encodes sample by sample into `octets`, as far as the shorter of both reaches.
    pub fn encode_into(self, samples: &[i16], octets: &mut [u8]) {
        for (octet, sample) in octets.iter_mut().zip(samples) {
            *octet = self.encode(*sample);
        }
    }

    /// Decodes octet by octet into `samples`, as far as the shorter of both reaches.
    pub fn decode_into(self, octets: &[u8], samples: &mut [i16]) {
        for (sample, octet) in samples.iter_mut().zip(octets) {
            *sample = self.decode(*octet);
        }
    }
}

/// Sign bit, three bits of segment, four bits of interval; all inverted on the wire (G.711 table 2).
fn encode_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(ULAW_CLIP) + ULAW_BIAS;
    // The bias makes bit 7 the lowest leading bit.
    let segment = magnitude.ilog2().saturating_sub(7);
    !(sign | (low_octet(segment) << 4) | interval(magnitude, segment + 3))
}

fn decode_ulaw(octet: u8) -> i16 {
    let octet = !octet;
    let segment = u32::from(octet >> 4) & 7;
    let magnitude = (((i32::from(octet & 0x0f) << 3) + ULAW_BIAS) << segment) - ULAW_BIAS;
    signed(magnitude, octet & 0x80 != 0)
}

/// As PCMU without bias, segments 0 and 1 equally wide, even bits inverted on the wire (G.711 table 1).
fn encode_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !i32::from(sample)) } else { (0x80, i32::from(sample)) };
    let segment = (magnitude | 0xff).ilog2().saturating_sub(7);
    (sign | (low_octet(segment) << 4) | interval(magnitude, segment.max(1) + 3)) ^ 0x55
}

fn decode_alaw(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let segment = u32::from(octet >> 4) & 7;
    let base = (i32::from(octet & 0x0f) << 4) + 8;
    let magnitude = if segment == 0 { base } else { (base + 0x100) << (segment - 1) };
    signed(magnitude, octet & 0x80 == 0)
}

fn interval(magnitude: i32, shift: u32) -> u8 {
    low_octet((magnitude.unsigned_abs() >> shift) & 0x0f)
}

/// The arguments never exceed seven bits.
fn low_octet(value: u32) -> u8 {
    let [.., low] = value.to_be_bytes();
    low
}

/// Magnitudes never exceed 32,256.
fn signed(magnitude: i32, negative: bool) -> i16 {
    let value = if negative { -magnitude } else { magnitude };
    i16::try_from(value).unwrap_or(if negative { i16::MIN } else { i16::MAX })
}
