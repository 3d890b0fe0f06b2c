//! An RTP end without SIP, for calls whose signaling somebody else does (SIPp).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media_core::g711::Law;

use super::stream::{Direction, MediaStream, Plan, StreamOptions};
use super::{Captured, MediaReport};
use crate::config::{Audio, Expect, expected};
use crate::error::PhoneError;

/// Receives and checks from the start, sends once it knows where. Ends, with its ports, when dropped.
pub struct RtpEnd {
    stream: MediaStream,
}

impl fmt::Debug for RtpEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpEnd").field("local", &self.local()).finish_non_exhaustive()
    }
}

impl RtpEnd {
    /// Opens an even RTP port and the RTCP port after it on `ip`; keeps up to `capture` datagrams.
    pub fn open(ip: IpAddr, audio: Audio, expect: Expect, capture: usize) -> Result<Self, PhoneError> {
        let failed = |source| PhoneError::Rtp { address: ip, source };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        let seed = u64::from_be_bytes(seed);
        let options =
            StreamOptions { audio, expect: expected(expect, audio), capture, began: Instant::now(), seed };
        MediaStream::open(ip, options).map(|stream| Self { stream }).map_err(failed)
    }

    /// Where it receives RTP.
    pub fn local(&self) -> SocketAddr {
        self.stream.local()
    }

    /// Sends to `remote` from now on, RTCP to the port after it.
    pub fn talk_to(&self, remote: SocketAddr, law: Law) {
        let remote_rtcp = SocketAddr::new(remote.ip(), remote.port().saturating_add(1));
        let direction = Direction { send: true, receive: true };
        self.stream.set_plan(Plan { remote, remote_rtcp, law, payload_type: law.payload_type(), direction });
    }

    /// What came of it so far.
    pub fn report(&self) -> MediaReport {
        self.stream.report()
    }

    /// The raw datagrams kept.
    pub fn captured(&self) -> Vec<Captured> {
        self.stream.captured()
    }

    /// Waits until `enough` of the report so far.
    pub fn wait(
        &self,
        timeout: Duration,
        enough: impl Fn(&MediaReport) -> bool,
    ) -> Result<MediaReport, PhoneError> {
        let missed = PhoneError::Waited { event: "such audio", after: timeout };
        self.stream.wait(timeout, enough).ok_or(missed)
    }
}
