//! Offer and answer of one call, turned into what its stream must do. SDP itself is media-core's.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use media_core::g711::Law;
use media_core::sdp::Direction as SdpDirection;
use media_core::ua::{Agreed, AudioEnd};

use crate::error::PhoneError;
use crate::media::{Direction, Plan};

/// The media type of SDP.
pub(crate) const SDP: &str = "application/sdp";

/// Our end of a call's session.
#[derive(Debug)]
pub(crate) struct Session {
    end: AudioEnd,
}

impl Session {
    /// An end that receives at `rtp`, or says so.
    pub(crate) fn new(id: u64, rtp: SocketAddr, laws: &[Law]) -> Self {
        // RFC 4566 wants a number that many implementations read as signed.
        Self { end: AudioEnd::new(id >> 1, rtp.ip(), rtp.port(), laws) }
    }

    /// An offer, on hold or not.
    pub(crate) fn offer(&mut self, hold: bool) -> Bytes {
        self.end.offer(wanted(hold)).into()
    }

    /// What the far side's answer to our last offer settles.
    pub(crate) fn accept(&mut self, answer: &[u8], source: IpAddr) -> Result<Plan, PhoneError> {
        self.end.accept_answer(answer, source).map(|agreed| plan(&agreed)).map_err(|e| sdp_error(&e))
    }

    /// Our answer to an offer, and what it settles.
    pub(crate) fn answer(
        &mut self,
        offer: &[u8],
        source: IpAddr,
        hold: bool,
    ) -> Result<(Bytes, Plan), PhoneError> {
        let answered = self.end.answer(offer, source, wanted(hold));
        answered.map(|(body, agreed)| (body.into(), plan(&agreed))).map_err(|e| sdp_error(&e))
    }
}

fn wanted(hold: bool) -> SdpDirection {
    if hold { SdpDirection::SendOnly } else { SdpDirection::SendRecv }
}

fn sdp_error(error: &impl std::fmt::Display) -> PhoneError {
    PhoneError::Sdp { reason: error.to_string() }
}

fn plan(agreed: &Agreed) -> Plan {
    Plan {
        remote: agreed.rtp,
        remote_rtcp: agreed.rtcp,
        law: agreed.law,
        payload_type: agreed.payload_type,
        direction: Direction { send: agreed.sends, receive: agreed.receives },
    }
}
