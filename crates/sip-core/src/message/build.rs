//! Writes messages: new ones, responses, and changed copies that keep what nobody changed.

use std::fmt::{self, Write};

use bytes::Bytes;

use super::index::{self, BuiltStart};
use super::{Message, Span, Start};
use crate::header::Header;
use crate::method::Method;
use crate::status::StatusCode;

/// A piece of text: in the message that is edited, in the builder, or a constant.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Original(Span),
    Written(Span),
    Constant(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum StartPieces {
    Request { method: Piece, uri: Piece },
    Response { status: StatusCode, reason: Piece },
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    header: Header,
    name: Piece,
    value: Piece,
}

/// A message in the making. Line ends in values become spaces, so that no value can add a header field.
#[derive(Debug, Clone)]
pub struct MessageBuilder {
    original: Bytes,
    written: Vec<u8>,
    start: StartPieces,
    entries: Vec<Entry>,
    body: Bytes,
}

/// Room for the values that are added to an ordinary message.
const USUAL_WRITTEN: usize = 256;

impl MessageBuilder {
    pub(super) fn request(method: &Method, uri: &impl fmt::Display) -> Self {
        let mut builder = Self::empty(Bytes::new(), StatusCode::OK);
        let method = builder.write(method);
        let uri = builder.write(uri);
        builder.start = StartPieces::Request { method, uri };
        builder
    }

    pub(super) fn response_to(request: &Message, status: StatusCode) -> Self {
        let mut builder = Self::empty(request.bytes.clone(), status);
        let in_dialog = may_create_dialog(status, &request.method());
        for line in &request.lines {
            let copied = match line.header {
                Header::Via | Header::From | Header::To | Header::CallId | Header::CSeq => true,
                // Section 8.2.6.1: a 100 repeats the Timestamp.
                Header::Timestamp => status == StatusCode::TRYING,
                Header::RecordRoute => in_dialog,
                _ => false,
            };
            if copied {
                builder.entries.push(Entry::of(*line));
            }
        }
        builder
    }

    pub(super) fn edit(message: &Message) -> Self {
        let start = match message.start {
            Start::Request { method, uri } => {
                StartPieces::Request { method: Piece::Original(method), uri: Piece::Original(uri) }
            }
            Start::Response { status, reason } => {
                StartPieces::Response { status, reason: Piece::Original(reason) }
            }
        };
        Self {
            original: message.bytes.clone(),
            written: Vec::with_capacity(USUAL_WRITTEN),
            start,
            entries: message.lines.iter().map(|line| Entry::of(*line)).collect(),
            body: message.body_bytes(),
        }
    }

    fn empty(original: Bytes, status: StatusCode) -> Self {
        Self {
            original,
            written: Vec::with_capacity(USUAL_WRITTEN),
            start: StartPieces::Response { status, reason: Piece::Constant(status.default_reason()) },
            entries: Vec::with_capacity(16),
            body: Bytes::new(),
        }
    }

    /// Adds a header field at the end.
    pub fn header(mut self, name: Header, value: impl fmt::Display) -> Self {
        let value = self.write(&value);
        self.entries.push(Entry::new(name, value));
        self
    }

    /// Adds a header field with bytes as its value, such as one that was received.
    pub fn header_bytes(mut self, name: Header, value: &[u8]) -> Self {
        let value = self.write_bytes(value);
        self.entries.push(Entry::new(name, value));
        self
    }

    /// Adds a header field whose name is known only now. A name that is no token is left out.
    pub fn line(mut self, name: &[u8], value: &[u8]) -> Self {
        if index::is_method(name) {
            let header = Header::known(name).unwrap_or(Header::Other(""));
            let name = self.write_bytes(name);
            let value = self.write_bytes(value);
            self.entries.push(Entry { header, name, value });
        }
        self
    }

    /// Adds a header field before all others of its name, at the top when there is none.
    pub fn prepend(mut self, name: Header, value: impl fmt::Display) -> Self {
        let value = self.write(&value);
        let at = self.position(name).unwrap_or(0);
        self.entries.insert(at, Entry::new(name, value));
        self
    }

    /// Removes all `name` and adds one in place of the first.
    pub fn replace(mut self, name: Header, value: impl fmt::Display) -> Self {
        let value = self.write(&value);
        let at = self.position(name);
        let before = self.entries.len();
        self = self.remove(name);
        let at = at.filter(|_| self.entries.len() < before).unwrap_or(self.entries.len());
        self.entries.insert(at, Entry::new(name, value));
        self
    }

    /// Removes all `name`.
    pub fn remove(mut self, name: Header) -> Self {
        let name = name.resolved();
        let entries = std::mem::take(&mut self.entries);
        self.entries = entries.into_iter().filter(|entry| !self.is_named(entry, name)).collect();
        self
    }

    /// Replaces the first element of the first `name`, which may be a list, and keeps the other elements.
    pub(crate) fn replace_first_element(mut self, name: Header, value: impl fmt::Display) -> Self {
        let Some(at) = self.position(name) else { return self.header(name, value) };
        let old = self.entries.get(at).map(|entry| self.piece(entry.value).to_vec()).unwrap_or_default();
        let (_, rest) = crate::syntax::split_once(&old, b',');
        let value = match rest {
            Some(rest) => self.write(&format_args!("{value}, {}", String::from_utf8_lossy(rest).trim())),
            None => self.write(&value),
        };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.value = value;
        }
        self
    }

    /// Gives To a tag; leaves one that has a tag.
    #[allow(clippy::wrong_self_convention)] // "To" is the field.
    pub fn to_tag(mut self, tag: &str) -> Self {
        let Some(at) = self.position(Header::To) else { return self };
        let old = self.entries.get(at).map(|entry| self.piece(entry.value).to_vec()).unwrap_or_default();
        if crate::name_addr::tag_of(&old).is_some() {
            return self;
        }
        let mut value = old;
        value.extend_from_slice(b";tag=");
        value.extend_from_slice(tag.as_bytes());
        let value = self.write_bytes(&value);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.value = value;
        }
        self
    }

    /// Sets the body and its Content-Type.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self = self.replace(Header::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// Removes body and Content-Type.
    pub fn no_body(mut self) -> Self {
        self = self.remove(Header::ContentType);
        self.body = Bytes::new();
        self
    }

    /// Sets the Request-URI; nothing in a response.
    pub fn uri(mut self, uri: &impl fmt::Display) -> Self {
        let written = self.write(uri);
        if let StartPieces::Request { uri, .. } = &mut self.start {
            *uri = written;
        }
        self
    }

    /// Sets the reason phrase; nothing in a request.
    pub fn reason(mut self, phrase: &str) -> Self {
        let written = self.write(&phrase);
        if let StartPieces::Response { reason, .. } = &mut self.start {
            *reason = written;
        }
        self
    }

    /// Whether a header field of this name is there.
    pub fn has(&self, name: Header) -> bool {
        self.position(name).is_some()
    }

    /// Writes the message. `Content-Length` is always the last field and always true.
    pub fn build(self) -> Message {
        let mut out = Vec::with_capacity(self.original.len() + self.written.len() + self.body.len() + 64);
        let start = self.write_start(&mut out);
        let mut lines = Vec::with_capacity(self.entries.len() + 1);
        for entry in self.entries.iter().filter(|entry| entry.header != Header::ContentLength) {
            let from = out.len();
            let (name, value) = (self.piece(entry.name), self.piece(entry.value));
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
            lines.push(index::built_line(entry.header, from, name.len(), value.len()));
        }
        let from = out.len();
        let name = Header::ContentLength.as_str();
        out.extend_from_slice(format!("{name}: {}", self.body.len()).as_bytes());
        lines.push(index::built_line(
            Header::ContentLength,
            from,
            name.len(),
            out.len() - from - name.len() - 2,
        ));
        out.extend_from_slice(b"\r\n\r\n");
        let body = out.len();
        out.extend_from_slice(&self.body);
        index::built(out.into(), &start, lines, body)
    }

    fn write_start(&self, out: &mut Vec<u8>) -> BuiltStart {
        match self.start {
            StartPieces::Request { method, uri } => {
                let (method, uri) = (self.piece(method), self.piece(uri));
                out.extend_from_slice(method);
                out.push(b' ');
                out.extend_from_slice(uri);
                out.extend_from_slice(b" SIP/2.0\r\n");
                BuiltStart::Request { method: method.len(), uri: uri.len() }
            }
            StartPieces::Response { status, reason } => {
                let reason = self.piece(reason);
                out.extend_from_slice(format!("SIP/2.0 {status} ").as_bytes());
                out.extend_from_slice(reason);
                out.extend_from_slice(b"\r\n");
                BuiltStart::Response { status, reason: reason.len() }
            }
        }
    }

    fn position(&self, name: Header) -> Option<usize> {
        let name = name.resolved();
        self.entries.iter().position(|entry| self.is_named(entry, name))
    }

    fn is_named(&self, entry: &Entry, name: Header) -> bool {
        match name {
            Header::Other(text) => {
                matches!(entry.header, Header::Other(_))
                    && self.piece(entry.name).eq_ignore_ascii_case(text.as_bytes())
            }
            known => entry.header == known,
        }
    }

    fn piece(&self, piece: Piece) -> &[u8] {
        let (source, span): (&[u8], Span) = match piece {
            Piece::Original(span) => (&self.original, span),
            Piece::Written(span) => (&self.written, span),
            Piece::Constant(text) => return text.as_bytes(),
        };
        source.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn write(&mut self, value: &impl fmt::Display) -> Piece {
        let from = self.written.len();
        // Writing to memory does not fail, and a `Display` that does has written what it could.
        let _ = write!(Sink(&mut self.written), "{value}");
        self.finish(from)
    }

    fn write_bytes(&mut self, value: &[u8]) -> Piece {
        let from = self.written.len();
        self.written.extend_from_slice(value);
        self.finish(from)
    }

    fn finish(&mut self, from: usize) -> Piece {
        for byte in self.written.iter_mut().skip(from).filter(|b| **b == b'\r' || **b == b'\n') {
            *byte = b' ';
        }
        // What a reader would trim is not part of the value.
        let value = self.written.get(from..).unwrap_or_default();
        let start = from + (value.len() - value.trim_ascii_start().len());
        let end = start + value.trim_ascii().len();
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Piece::Written(Span { start: narrow(start), end: narrow(end) })
    }
}

impl Entry {
    fn new(header: Header, value: Piece) -> Self {
        let header = header.resolved();
        Self { header, name: Piece::Constant(header.as_str()), value }
    }

    fn of(line: super::Line) -> Self {
        Self { header: line.header, name: Piece::Original(line.name), value: Piece::Original(line.value) }
    }
}

struct Sink<'a>(&'a mut Vec<u8>);

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Whether a response to `method` with this status carries the route set (section 12.1.1, RFC 6665 section 4.4.1).
fn may_create_dialog(status: StatusCode, method: &Method) -> bool {
    let creates = matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
    creates && status > StatusCode::TRYING && status < StatusCode::MULTIPLE_CHOICES
}

#[cfg(test)]
mod tests;
