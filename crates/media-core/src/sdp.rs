//! SDP bodies (RFC 8866), line by line: what is not understood is kept, in its place.
//!
//! It must not know what an offer or an answer is. Reading is strict where we would have to guess (addresses,
//! ports) and tolerant elsewhere: bare line feeds, lines out of order, `s=` and `t=` left out.

use std::fmt;

pub(crate) mod address;
mod attribute;
mod codec;
mod parse;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use address::{Connection, Host, Origin};
pub use attribute::RtcpAttribute;
pub use codec::Codec;
pub use parse::{Problem, SdpError};
pub use voip_contract::media::{Direction, MAX_SDP_BYTES};

/// Most lines in a body.
pub const MAX_LINES: usize = 1_000;
/// Most `m=` lines in a body.
pub const MAX_MEDIA: usize = 32;

/// One line that is no `m=` line.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    kind: u8,
    value: Vec<u8>,
}

impl Line {
    /// `kind=value`; none when `kind` is no lower-case letter or `value` holds NUL, CR or LF.
    pub fn new(kind: u8, value: impl Into<Vec<u8>>) -> Option<Self> {
        let value = value.into();
        let clean = !value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
        (kind.is_ascii_lowercase() && clean).then_some(Self { kind, value })
    }

    /// A line of ours, whose text is known to be clean.
    pub(crate) fn own(kind: u8, value: impl fmt::Display) -> Self {
        Self { kind, value: value.to_string().into_bytes() }
    }

    /// The letter before `=`.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// What follows `=`.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// What follows `=`, when it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", char::from(self.kind), self.value.escape_ascii())
    }
}

/// An `m=` line (RFC 8866 section 5.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video`, ...
    pub kind: String,
    /// Port; 0: refused or disabled.
    pub port: u16,
    /// Number of ports, when stated.
    pub count: Option<u16>,
    /// `RTP/AVP`, `RTP/SAVPF`, ...
    pub protocol: String,
    /// Payload types, or what the protocol uses.
    pub formats: Vec<String>,
}

impl fmt::Display for MediaLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.port)?;
        if let Some(count) = self.count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))
    }
}

/// An `m=` line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The `m=` line.
    pub line: MediaLine,
    /// The lines after it.
    pub lines: Vec<Line>,
}

/// A whole body. It has `v=0` and one well-formed `o=` line; every `c=` line is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The lines before the first `m=`.
    pub session: Vec<Line>,
    /// The media sections in order.
    pub media: Vec<Media>,
}

impl Description {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        parse::description(body)
    }

    /// The body, with CR LF after each line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut put = |kind: u8, value: &[u8]| {
            out.extend([kind, b'=']);
            out.extend(value);
            out.extend(b"\r\n");
        };
        self.session.iter().for_each(|line| put(line.kind, &line.value));
        for media in &self.media {
            put(b'm', media.line.to_string().as_bytes());
            media.lines.iter().for_each(|line| put(line.kind, &line.value));
        }
        out
    }

    /// The `o=` line.
    pub fn origin(&self) -> Option<Origin<'_>> {
        self.session.iter().find(|line| line.kind == b'o').and_then(|line| Origin::parse(line.text()?))
    }

    /// The `c=` line that holds for `media`: its own, else the session's.
    pub fn connection(&self, media: &Media) -> Option<Connection> {
        let of = |lines: &[Line]| {
            lines.iter().find(|line| line.kind == b'c').and_then(|l| Connection::parse(l.text()?))
        };
        of(&media.lines).or_else(|| of(&self.session))
    }

    /// The direction that holds for `media`: its own, else the session's, else both ways.
    pub fn direction(&self, media: &Media) -> Direction {
        let of = |lines: &[Line]| attribute::all(lines).find_map(|(name, _)| attribute::direction(name));
        of(&media.lines).or_else(|| of(&self.session)).unwrap_or(Direction::SendRecv)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}
