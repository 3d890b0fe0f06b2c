//! A SIP message: its bytes, and an index of where its parts are (RFC 3261 section 7).
//!
//! Fields are decoded when asked for, so that whatever nobody asks for survives as it came: unknown fields, order,
//! compact names, bytes that are not UTF-8. Only folds are resolved (section 7.3.1). Knows no transaction.

mod build;
mod fields;
mod framing;
mod index;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

pub use build::MessageBuilder;
pub use fields::{CSeq, Contacts};
pub use index::{MAX_BYTES, MAX_HEADERS};

use crate::header::Header;
use crate::method::Method;
use crate::status::StatusCode;
use crate::syntax;
use crate::uri::Uri;

/// Why bytes are no message, or a field is not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 3.5.1).
    #[error("empty message")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error("message too large")]
    TooLarge,
    /// More than [`MAX_HEADERS`] header fields.
    #[error("too many header fields")]
    TooManyHeaders,
    /// Neither a request line nor a status line.
    #[error("bad start line")]
    StartLine,
    /// Another version of SIP than 2.0.
    #[error("SIP version not supported")]
    Version,
    /// A line that is no header field, or no empty line after the last one.
    #[error("bad header line")]
    HeaderLine,
    /// `Content-Length` is no number, contradicts itself, or exceeds what came.
    #[error("bad Content-Length")]
    ContentLength,
    /// A field that every message must have is not there.
    #[error("missing {0}")]
    Missing(Header),
    /// A field that can stand once is there twice.
    #[error("more than one {0}")]
    Repeated(Header),
    /// A field cannot be decoded.
    #[error("bad {0}")]
    Field(Header),
    /// The Request-URI cannot be decoded.
    #[error("bad Request-URI")]
    RequestUri,
    /// `CSeq` names another method than the request line.
    #[error("CSeq method does not match")]
    MethodMismatch,
}

/// Bytes that are no good message.
#[derive(Debug, Clone)]
pub struct Malformed {
    /// What is wrong.
    pub error: ParseError,
    /// What could be read of it: enough to answer, perhaps.
    pub message: Option<Message>,
}

/// A piece of the message's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Request { method: Span, uri: Span },
    Response { status: StatusCode, reason: Span },
}

/// One header field. `Other("")` stands for a name that is not known; the name itself is in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    header: Header,
    name: Span,
    value: Span,
}

/// A request or a response. Cheap to clone: the bytes are shared.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    lines: Vec<Line>,
    body: u32,
}

impl Message {
    /// Parses one datagram. Line ends before it are skipped; what exceeds `Content-Length` is dropped (RFC 3261
    /// section 18.3). Says nothing about the fields: see [`Message::validate`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, ParseError> {
        Self::examine(bytes.into()).map_err(|malformed| malformed.error)
    }

    /// As [`Message::parse`], but what could be read of a bad message comes with the error.
    pub fn examine(bytes: Bytes) -> Result<Self, Malformed> {
        index::datagram(bytes)
    }

    /// Starts a request. Call-ID, `CSeq`, From, To and Max-Forwards are the caller's to add.
    // By value: callers name the method on the spot.
    #[allow(clippy::needless_pass_by_value)]
    pub fn request(method: Method, uri: &impl fmt::Display) -> MessageBuilder {
        MessageBuilder::request(&method, uri)
    }

    /// Starts a response: Via, From, To, Call-ID and `CSeq` are copied, and Record-Route when the response may create a
    /// dialog (sections 8.2.6.2 and 12.1.1).
    pub fn response_to(request: &Self, status: StatusCode) -> MessageBuilder {
        MessageBuilder::response_to(request, status)
    }

    /// Starts a copy, to be changed.
    pub fn edit(&self) -> MessageBuilder {
        MessageBuilder::edit(self)
    }

    /// The message on the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// Whether it is a response.
    pub fn is_response(&self) -> bool {
        !self.is_request()
    }

    /// The method: of the request line, or of `CSeq` for a response. A message whose method cannot be read has the
    /// method `Other("")`.
    pub fn method(&self) -> Method {
        let known = match self.start {
            Start::Request { method, .. } => Method::parse(self.slice(method)),
            Start::Response { .. } => self.cseq().ok().map(|cseq| cseq.method),
        };
        known.unwrap_or_else(|| Method::Other("".into()))
    }

    /// The status of a response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason_phrase(&self) -> Cow<'_, str> {
        match self.start {
            Start::Response { reason, .. } => String::from_utf8_lossy(self.slice(reason)),
            Start::Request { .. } => Cow::Borrowed(""),
        }
    }

    /// The Request-URI; an error for a response too.
    pub fn request_uri(&self) -> Result<Uri, ParseError> {
        Uri::parse(self.request_uri_text().ok_or(ParseError::RequestUri)?).map_err(|_| ParseError::RequestUri)
    }

    /// The Request-URI as written.
    pub fn request_uri_text(&self) -> Option<&str> {
        match self.start {
            Start::Request { uri, .. } => std::str::from_utf8(self.slice(uri)).ok(),
            Start::Response { .. } => None,
        }
    }

    /// The value of the first `name`.
    pub fn header(&self, name: Header) -> Option<&[u8]> {
        self.headers(name).next()
    }

    /// The values of every `name`, one per line.
    pub fn headers(&self, name: Header) -> impl Iterator<Item = &[u8]> {
        let name = name.resolved();
        self.lines.iter().filter(move |line| self.is_named(line, name)).map(|line| self.slice(line.value))
    }

    /// The elements of every `name`, where its lines are comma-separated lists.
    pub fn list(&self, name: Header) -> impl Iterator<Item = &[u8]> {
        self.headers(name).flat_map(syntax::elements)
    }

    /// The value of the first `name` as text; bytes that are not UTF-8 become replacement characters.
    pub fn text(&self, name: Header) -> Option<Cow<'_, str>> {
        self.header(name).map(String::from_utf8_lossy)
    }

    /// Whether a comma-separated list such as Supported or Allow holds `token`, in any case.
    pub fn lists(&self, name: Header, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Names and values of all header fields as written, in order.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.slice(line.name), self.slice(line.value)))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body as usize..).unwrap_or_default()
    }

    /// The body, shared with the message.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.bytes.len().min(self.body as usize)..)
    }

    fn is_named(&self, line: &Line, name: Header) -> bool {
        match name {
            Header::Other(text) => {
                matches!(line.header, Header::Other(_))
                    && self.slice(line.name).eq_ignore_ascii_case(text.as_bytes())
            }
            known => line.header == known,
        }
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

/// The bytes are the message.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

/// The start line only: fields may hold credentials and numbers.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Start::Request { .. } => write!(f, "Message({}, {} bytes)", self.method(), self.bytes.len()),
            Start::Response { status, .. } => {
                write!(f, "Message({status} to {}, {} bytes)", self.method(), self.bytes.len())
            }
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
