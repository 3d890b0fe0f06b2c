//! RTCP: what we say of the far side's packets, and what it says of ours (RFC 3550 section 6).

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use media_core::rtcp::{self, ReceiverReport, ReportBlock, RtcpPacket, SenderInfo, SenderReport};

use super::Plan;
use super::worker::{BURST, Worker};

/// NTP counts from 1900 (RFC 5905).
const NTP_OFFSET_S: u64 = 2_208_988_800;

/// What the last sender report of the far side said, for our report on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeardReport {
    middle: u32,
    at: Instant,
}

impl Worker {
    pub(super) fn receive_rtcp(&mut self) {
        let mut buffer = [0; 2048];
        for _ in 0..BURST {
            let length = match self.sockets.rtcp.recv_from(&mut buffer) {
                Ok((length, _)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            self.shared.lock().rtcp.received += 1;
            for packet in rtcp::parse(buffer.get(..length).unwrap_or_default()).map_while(Result::ok) {
                self.heard(&packet);
            }
        }
    }

    fn heard(&mut self, packet: &RtcpPacket<'_>) {
        let blocks = match packet {
            RtcpPacket::Sender { info, blocks, .. } => {
                self.heard = Some(HeardReport { middle: middle(info.ntp), at: Instant::now() });
                blocks
            }
            RtcpPacket::Receiver { blocks, .. } => blocks,
            _ => return,
        };
        for block in blocks.iter().filter(|block| block.ssrc == self.header.ssrc) {
            self.note_far_side(&block);
        }
    }

    fn note_far_side(&self, block: &ReportBlock) {
        let mut state = self.shared.lock();
        state.rtcp.far_lost = Some(block.cumulative_lost);
        state.rtcp.far_jitter = Some(block.jitter);
        if block.last_sender_report != 0 {
            let taken =
                middle(ntp_now()).wrapping_sub(block.last_sender_report).wrapping_sub(block.delay_since_last);
            // Clock granularity can make it negative; then it is no measure.
            if taken < 1 << 31 {
                let us = u64::from(taken).saturating_mul(1_000_000) >> 16;
                state.rtcp.round_trip_us = u32::try_from(us).ok();
            }
        }
    }

    /// Sends SR or RR, at the end with BYE.
    pub(super) fn send_report(&mut self, plan: Option<Plan>, bye: bool) {
        let Some(plan) = plan else { return };
        let (mut block, sent) = {
            let mut state = self.shared.lock();
            state.rtcp.sent += 1;
            (state.inbound.reception.report(), state.sent)
        };
        if let (Some(block), Some(heard)) = (&mut block, self.heard) {
            block.last_sender_report = heard.middle;
            let delay = heard.at.elapsed().as_micros().saturating_mul(65_536) / 1_000_000;
            block.delay_since_last = u32::try_from(delay).unwrap_or(u32::MAX);
        }
        let cname = format!("{:08x}@softphone", self.header.ssrc);
        let (ssrc, cname) = (self.header.ssrc, cname.as_str());
        let mut out = Vec::with_capacity(128);
        if sent.packets > 0 {
            let packets = u32::try_from(sent.packets & 0xffff_ffff).unwrap_or(0);
            let bytes = self.payload_bytes;
            let info = SenderInfo { ntp: ntp_now(), timestamp: self.header.timestamp, packets, bytes };
            SenderReport { ssrc, info, block, cname }.write(&mut out);
        } else {
            ReceiverReport { ssrc, block, cname }.write(&mut out);
        }
        if bye {
            rtcp::write_bye(ssrc, &mut out);
        }
        let _ = self.sockets.rtcp.send_to(&out, plan.remote_rtcp);
    }
}

fn ntp_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs().wrapping_add(NTP_OFFSET_S)) << 32) | fraction
}

/// The middle 32 bits of an NTP time.
fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or(0)
}
