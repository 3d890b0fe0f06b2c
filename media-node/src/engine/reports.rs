//! RTCP of our own: for legs to which media-node itself is the other side (RFC 3550 section 6.4).
//!
//! Where two phones talk, their reports are passed on and ours would only disturb them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media_core::rtcp::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};

use super::leg::{Leg, Output};

const INTERVAL: Duration = Duration::from_secs(5);
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// RTP header in front of each payload; reports count payload only.
const HEADER: u64 = 12;

/// Half to one and a half intervals (section 6.3.5), spread by the random source number.
pub(super) fn first_interval(ssrc: u32) -> Duration {
    INTERVAL / 2 + INTERVAL * (ssrc % 1024) / 1024
}

/// Writes the leg's report to `out` if one is due and there is something to say. True: it is to be sent.
pub(super) fn write_due(leg: &mut Leg, now: Duration, cname: &str, out: &mut Vec<u8>) -> bool {
    if now < leg.report_due {
        return false;
    }
    leg.report_due = now + INTERVAL;
    out.clear();
    let sends = leg.sent_ours.packets > leg.reported_ours;
    leg.reported_ours = leg.sent_ours.packets;
    if sends {
        sender_report(leg, now, cname, out);
    } else if !matches!(leg.output, Output::To(_)) && leg.reception.packets() > 0 {
        let block = block(leg, now);
        ReceiverReport { ssrc: leg.stream.ssrc, block, cname }.write(out);
    }
    !out.is_empty()
}

fn sender_report(leg: &mut Leg, now: Duration, cname: &str, out: &mut Vec<u8>) {
    let (stream, at) = leg.own_stream();
    let info = SenderInfo {
        ntp: ntp_now(),
        timestamp: stream.timestamp.wrapping_add(samples_between(at, now)),
        packets: low_32(leg.sent_ours.packets),
        bytes: low_32(leg.sent_ours.bytes.wrapping_sub(leg.sent_ours.packets.wrapping_mul(HEADER))),
    };
    SenderReport { ssrc: stream.ssrc, info, block: block(leg, now), cname }.write(out);
}

/// Samples from `at`, which may lie ahead, to `now`.
fn samples_between(at: Duration, now: Duration) -> u32 {
    let samples = |span: Duration| low_32(u64::try_from(span.as_micros() / 125).unwrap_or(0));
    samples(now.saturating_sub(at)).wrapping_sub(samples(at.saturating_sub(now)))
}

fn block(leg: &mut Leg, now: Duration) -> Option<ReportBlock> {
    let mut block = leg.reception.report()?;
    if let Some(report) = leg.peer_report {
        block.last_sender_report = report.middle;
        let delay = now.saturating_sub(report.came).as_micros() * 65_536 / 1_000_000;
        block.delay_since_last = u32::try_from(delay).unwrap_or(u32::MAX);
    }
    Some(block)
}

/// Wall time as seconds since 1900 in the upper half, fractions in the lower (section 4).
fn ntp_now() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (unix.as_secs().wrapping_add(NTP_TO_UNIX) << 32) | fraction
}

/// Counts on the wire wrap.
#[expect(clippy::cast_possible_truncation, reason = "the wire holds the low 32 bits")]
fn low_32(count: u64) -> u32 {
    count as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_comes_after_half_to_one_and_a_half_intervals() {
        for ssrc in [0, 1, 1023, 0xdead_beef, u32::MAX] {
            let first = first_interval(ssrc);
            assert!(first >= INTERVAL / 2 && first <= INTERVAL * 3 / 2, "{ssrc:x}: {first:?}");
        }
    }

    #[test]
    fn wall_time_is_counted_from_1900() {
        let seconds = ntp_now() >> 32;
        assert!(seconds > NTP_TO_UNIX + 1_700_000_000, "{seconds}");
    }

    #[test]
    fn a_stream_may_stand_for_an_instant_ahead() {
        let (at, now) = (Duration::from_millis(120), Duration::from_millis(100));
        assert_eq!(samples_between(at, now), 0_u32.wrapping_sub(160));
        assert_eq!(samples_between(now, at), 160);
    }
}
