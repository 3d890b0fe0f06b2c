//! Prompts, encoded once, and the player that cuts them into RTP packets of 20 ms.
//!
//! It must not know files (media-node reads them) or clocks: whoever calls [`Player::step`] does so every 20 ms.

use std::sync::Arc;

use crate::g711::{FRAME_SAMPLES, Law};
use crate::rtp::{HEADER_BYTES, Header};

#[cfg(test)]
mod tests;

/// Bytes of a packet that a [`Player`] produces.
pub const PACKET_BYTES: usize = HEADER_BYTES + FRAME_SAMPLES;

/// A prompt in both laws, a whole number of 20 ms frames. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    ulaw: Arc<[u8]>,
    alaw: Arc<[u8]>,
}

impl Prompt {
    /// Encodes 8 kHz mono samples; the last frame is filled up with silence.
    pub fn from_samples(samples: &[i16]) -> Self {
        Self { ulaw: encode(Law::Ulaw, samples), alaw: encode(Law::Alaw, samples) }
    }

    /// The octets in `law`.
    pub fn octets(&self, law: Law) -> &Arc<[u8]> {
        match law {
            Law::Ulaw => &self.ulaw,
            Law::Alaw => &self.alaw,
        }
    }

    /// How many packets one playing takes.
    pub fn frames(&self) -> usize {
        self.ulaw.len() / FRAME_SAMPLES
    }
}

fn encode(law: Law, samples: &[i16]) -> Arc<[u8]> {
    let mut octets = vec![law.silence(); samples.len().next_multiple_of(FRAME_SAMPLES)];
    law.encode_into(samples, &mut octets);
    octets.into()
}

/// The numbers of an RTP stream that we send; they go on from prompt to prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingStream {
    /// Its source; random.
    pub ssrc: u32,
    /// Sequence number of the next packet; random at first.
    pub sequence: u16,
    /// Timestamp of the next packet; random at first.
    pub timestamp: u32,
}

impl OutgoingStream {
    /// Skips time in which nothing was sent, so that the receiver does not take it for loss or jitter.
    pub fn skip_samples(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// The header of the next packet, whose payload lasts `samples`.
    pub fn next_header(&mut self, payload_type: u8, marker: bool, samples: u32) -> Header {
        let Self { ssrc, sequence, timestamp } = *self;
        self.sequence = sequence.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(samples);
        Header { marker, payload_type, sequence, timestamp, ssrc }
    }
}

/// What a step brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A packet was written.
    Packet,
    /// The prompt has been played as often as asked; nothing was written.
    Finished,
}

/// Plays one prompt to one leg. Allocates nothing after it was made.
#[derive(Debug, Clone)]
pub struct Player {
    octets: Arc<[u8]>,
    payload_type: u8,
    position: usize,
    left: u32,
    begun: bool,
    stream: OutgoingStream,
}

impl Player {
    /// Will play `prompt` `repeat` times in `law` as `payload_type`, going on with the numbers of `stream`.
    pub fn new(prompt: &Prompt, law: Law, payload_type: u8, repeat: u32, stream: OutgoingStream) -> Self {
        let octets = Arc::clone(prompt.octets(law));
        let left = if octets.is_empty() { 0 } else { repeat };
        Self { octets, payload_type, position: 0, left, begun: false, stream }
    }

    /// Writes the packet of the next 20 ms; the marker is set on the first (RFC 3551 section 4.1).
    pub fn step(&mut self, packet: &mut [u8; PACKET_BYTES]) -> Step {
        if self.left == 0 {
            return Step::Finished;
        }
        let end = self.position.saturating_add(FRAME_SAMPLES);
        let Some(frame) = self.octets.get(self.position..end) else { return Step::Finished };
        let header = self.stream.next_header(self.payload_type, !self.begun, 160);
        if header.write(frame, packet).is_none() {
            return Step::Finished;
        }
        self.begun = true;
        self.position = end;
        if end >= self.octets.len() {
            self.position = 0;
            self.left -= 1;
        }
        Step::Packet
    }

    /// The numbers with which the next player of this leg goes on.
    pub fn stream(&self) -> OutgoingStream {
        self.stream
    }
}
