//! Writes reports and BYE, each as a whole compound: report, CNAME, and BYE where asked (RFC 3550 section 6.1).

use super::{BYE, DESCRIPTION, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SenderInfo};

/// Longest CNAME that is written, in bytes.
const MAX_CNAME: usize = 255;
const SDES_CNAME: u8 = 1;

/// A sender report on one stream of ours.
#[derive(Debug, Clone, Copy)]
pub struct SenderReport<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we sent.
    pub info: SenderInfo,
    /// What we received, if anything.
    pub block: Option<ReportBlock>,
    /// Our canonical name; cut at 255 bytes.
    pub cname: &'a str,
}

impl SenderReport<'_> {
    /// The compound SR + SDES, after what `out` holds already.
    pub fn write(&self, out: &mut Vec<u8>) {
        let blocks = u8::from(self.block.is_some());
        head(out, blocks, SENDER_REPORT, 6 + 6 * u16::from(blocks));
        let SenderInfo { ntp, timestamp, packets, bytes } = self.info;
        out.extend(self.ssrc.to_be_bytes());
        out.extend(ntp.to_be_bytes());
        words(out, &[timestamp, packets, bytes]);
        block(out, self.block);
        description(out, self.ssrc, self.cname);
    }
}

/// A receiver report of somebody who sends nothing.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverReport<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we received, if anything.
    pub block: Option<ReportBlock>,
    /// Our canonical name; cut at 255 bytes.
    pub cname: &'a str,
}

impl ReceiverReport<'_> {
    /// The compound RR + SDES, after what `out` holds already.
    pub fn write(&self, out: &mut Vec<u8>) {
        let blocks = u8::from(self.block.is_some());
        head(out, blocks, RECEIVER_REPORT, 1 + 6 * u16::from(blocks));
        out.extend(self.ssrc.to_be_bytes());
        block(out, self.block);
        description(out, self.ssrc, self.cname);
    }
}

/// A BYE of one source, to follow a report in the same compound (section 6.6).
pub fn write_bye(ssrc: u32, out: &mut Vec<u8>) {
    head(out, 1, BYE, 1);
    out.extend(ssrc.to_be_bytes());
}

fn head(out: &mut Vec<u8>, count: u8, packet_type: u8, words_after: u16) {
    out.extend([0x80 | count, packet_type]);
    out.extend(words_after.to_be_bytes());
}

fn block(out: &mut Vec<u8>, block: Option<ReportBlock>) {
    let Some(block) = block else { return };
    let lost = block.cumulative_lost.min(ReportBlock::MAX_LOST);
    let loss = (u32::from(block.fraction_lost) << 24) | lost;
    words(out, &[block.ssrc, loss, block.highest_sequence, block.jitter]);
    words(out, &[block.last_sender_report, block.delay_since_last]);
}

fn description(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = cname.as_bytes().get(..MAX_CNAME).unwrap_or(cname.as_bytes());
    // Item header, text, and at least one zero that ends the chunk, up to a whole word.
    let items = (2 + cname.len() + 1).next_multiple_of(4);
    head(out, 1, DESCRIPTION, 1 + u16::try_from(items / 4).unwrap_or(0));
    out.extend(ssrc.to_be_bytes());
    out.extend([SDES_CNAME, u8::try_from(cname.len()).unwrap_or(0)]);
    out.extend(cname);
    out.extend(std::iter::repeat_n(0, items - 2 - cname.len()));
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend(word.to_be_bytes());
    }
}
