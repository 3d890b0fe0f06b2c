//! Codecs as `a=rtpmap` names them (RFC 8866 section 6.6) and as RFC 3551 assigns them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::g711::Law;

/// A payload type with its meaning in one body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name as the body writes it.
    pub name: String,
    /// Clock rate, Hz.
    pub clock_rate: u32,
    /// Channels; 1 when not stated.
    pub channels: u8,
}

impl Codec {
    /// `name/rate[/channels]`.
    pub(super) fn parse(payload_type: u8, map: &str) -> Option<Self> {
        let mut parts = map.trim().split('/');
        let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
        let clock_rate = parts.next()?.trim().parse().ok().filter(|rate| *rate > 0)?;
        let channels = parts.next().map_or(Some(1), |c| c.trim().parse().ok())?;
        Some(Self { payload_type, name, clock_rate, channels })
    }

    /// RFC 3551 table 4, as far as telephones use it.
    pub(super) fn assigned(payload_type: u8) -> Option<Self> {
        let name = match payload_type {
            0 => "PCMU",
            3 => "GSM",
            4 => "G723",
            8 => "PCMA",
            9 => "G722",
            13 => "CN",
            15 => "G728",
            18 => "G729",
            _ => return None,
        };
        Some(Self { payload_type, name: name.to_owned(), clock_rate: 8_000, channels: 1 })
    }

    /// The same coding, whatever its payload type: encoding names know no case.
    pub fn is_same_coding(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// Telephone events and comfort noise go along with speech but are none.
    pub fn is_speech(&self) -> bool {
        !self.is_telephone_event()
            && !self.name.eq_ignore_ascii_case("CN")
            && !self.name.eq_ignore_ascii_case("red")
    }

    /// RFC 4733.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// The law, when it is G.711.
    pub fn law(&self) -> Option<Law> {
        let is = |law: &Law| self.name.eq_ignore_ascii_case(law.name());
        [Law::Ulaw, Law::Alaw].into_iter().find(is).filter(|_| self.clock_rate == 8_000 && self.channels == 1)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        if self.channels > 1 { write!(f, "/{}", self.channels) } else { Ok(()) }
    }
}
