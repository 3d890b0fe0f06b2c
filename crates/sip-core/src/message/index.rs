//! Finds the parts of a message in one pass, with one allocation.

use bytes::{Buf, Bytes, BytesMut};

use super::{Line, Malformed, Message, ParseError, Span, Start, framing};
use crate::header::Header;
use crate::method::Method;
use crate::status::StatusCode;
use crate::syntax;

/// The largest message that is read: what a UDP datagram can carry.
pub const MAX_BYTES: usize = 65_535;
/// The most header fields that are read.
pub const MAX_HEADERS: usize = 256;
/// Room for the header fields of an ordinary INVITE.
const USUAL_HEADERS: usize = 24;

/// Indexes one datagram.
pub(super) fn datagram(mut bytes: Bytes) -> Result<Message, Malformed> {
    let refuse = |error| Malformed { error, message: None };
    let begin =
        bytes.iter().position(|b| *b != b'\r' && *b != b'\n').ok_or_else(|| refuse(ParseError::Empty))?;
    bytes.advance(begin);
    if bytes.len() > MAX_BYTES {
        return Err(refuse(ParseError::TooLarge));
    }
    let mut lines = Vec::with_capacity(USUAL_HEADERS);
    let mut head = head(&bytes, &mut lines).map_err(refuse)?;
    if head.end == Err(HeadError::Folded) {
        bytes = unfolded(&bytes);
        lines.clear();
        head = self::head(&bytes, &mut lines).map_err(refuse)?;
    }
    let body = head.end.unwrap_or(bytes.len());
    let mut message = Message { bytes, start: head.start, lines, body: narrow(body) };
    match head.defect.map_or_else(|| body_length(&message, head.end), Err) {
        Ok(length) => {
            message.bytes.truncate(body.saturating_add(length));
            Ok(message)
        }
        Err(error) => Err(Malformed { error, message: Some(message) }),
    }
}

/// What was found up to the body.
struct Head {
    start: Start,
    /// What is wrong with the start line, although it can be told what it is.
    defect: Option<ParseError>,
    /// Where the body begins.
    end: Result<usize, HeadError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadError {
    /// A header line is folded: the bytes must be unfolded first.
    Folded,
    Bad(ParseError),
}

fn head(bytes: &[u8], lines: &mut Vec<Line>) -> Result<Head, ParseError> {
    let mut scan = Scan { bytes, at: 0 };
    let (start, defect) = start_line(&mut scan)?;
    let end = header_lines(&mut scan, lines).map(|()| scan.at);
    Ok(Head { start, defect, end })
}

fn body_length(message: &Message, head: Result<usize, HeadError>) -> Result<usize, ParseError> {
    let body = head.map_err(|error| match error {
        HeadError::Bad(error) => error,
        HeadError::Folded => ParseError::HeaderLine,
    })?;
    let declared = framing::declared(message.headers(Header::ContentLength))?;
    framing::in_datagram(declared, message.bytes.len().saturating_sub(body))
}

/// Folded lines joined: a line end followed by white space becomes white space of the same length (section 7.3.1).
fn unfolded(bytes: &[u8]) -> Bytes {
    let mut copy = BytesMut::from(bytes);
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let end = from + found;
        from = end + 1;
        match bytes.get(from) {
            Some(b' ' | b'\t') => {
                let first = end.saturating_sub(usize::from(end > 0 && bytes.get(end - 1) == Some(&b'\r')));
                if let Some(line_end) = copy.get_mut(first..=end) {
                    line_end.fill(b' ');
                }
            }
            Some(b'\n') | None => break,
            Some(b'\r') if bytes.get(from + 1) == Some(&b'\n') => break,
            Some(_) => {}
        }
    }
    copy.freeze()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    /// The next line without its end; `None` when no line end follows, or a carriage return stands alone.
    fn line(&mut self) -> Option<(usize, usize)> {
        let from = self.at;
        let end = from + memchr::memchr2(b'\r', b'\n', self.bytes.get(from..)?)?;
        let next = match self.bytes.get(end)? {
            b'\r' if self.bytes.get(end + 1) == Some(&b'\n') => end + 2,
            b'\r' => return None,
            _ => end + 1,
        };
        self.at = next;
        Some((from, end))
    }

    fn slice(&self, from: usize, end: usize) -> &[u8] {
        self.bytes.get(from..end).unwrap_or_default()
    }
}

/// An offset within [`MAX_BYTES`].
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn span(start: usize, end: usize) -> Span {
    Span { start: narrow(start), end: narrow(end) }
}

/// The start line, and what is wrong with it although it can be told what it is.
fn start_line(scan: &mut Scan<'_>) -> Result<(Start, Option<ParseError>), ParseError> {
    let (from, end) = scan.line().ok_or(ParseError::StartLine)?;
    let line = scan.slice(from, end);
    if line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(line, from).ok_or(ParseError::StartLine);
    }
    request_line(line, from).ok_or(ParseError::StartLine)
}

/// `SIP/2.0 SP code SP reason`.
fn status_line(line: &[u8], from: usize) -> Option<(Start, Option<ParseError>)> {
    let defect = (!line.get(..8)?.eq_ignore_ascii_case(b"SIP/2.0 ")).then_some(ParseError::Version);
    let after = line.iter().position(|b| *b == b' ')? + 1;
    let code = line.get(after..after + 3)?;
    let status = StatusCode::new(u16::try_from(syntax::number(code)?).ok()?).ok()?;
    let rest = after + 3;
    // The space after the code belongs there even without a reason; who leaves it out is understood all the same.
    let reason = match line.get(rest) {
        None => rest,
        Some(b' ') => rest + 1,
        Some(_) => return None,
    };
    Some((Start::Response { status, reason: span(from + reason, from + line.len()) }, defect))
}

/// `method SP uri SP SIP/2.0`. A URI with white space in it, or too much white space, is a defect that can be
/// answered.
fn request_line(line: &[u8], from: usize) -> Option<(Start, Option<ParseError>)> {
    let first = memchr::memchr(b' ', line)?;
    let last = memchr::memrchr(b' ', line.trim_ascii_end())?;
    let method = line.get(..first)?;
    if !syntax::is_token(method) {
        return None;
    }
    let uri = line.get(first + 1..last).unwrap_or_default();
    let version = line.get(last + 1..)?;
    let defect = if version.len() < 4 || !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
        return None;
    } else if uri.is_empty() || uri.iter().any(u8::is_ascii_whitespace) {
        Some(ParseError::StartLine)
    } else if version.eq_ignore_ascii_case(b"SIP/2.0") {
        None
    } else if version.trim_ascii_end().eq_ignore_ascii_case(b"SIP/2.0") {
        Some(ParseError::StartLine)
    } else {
        Some(ParseError::Version)
    };
    let start = Start::Request {
        method: span(from, from + first),
        uri: span(from + first + 1, from + last.max(first + 1)),
    };
    Some((start, defect))
}

/// Header lines up to the empty one.
fn header_lines(scan: &mut Scan<'_>, lines: &mut Vec<Line>) -> Result<(), HeadError> {
    loop {
        let (from, end) = scan.line().ok_or(HeadError::Bad(ParseError::HeaderLine))?;
        if from == end {
            return Ok(());
        }
        if matches!(scan.bytes.get(scan.at), Some(b' ' | b'\t')) {
            return Err(HeadError::Folded);
        }
        if lines.len() >= MAX_HEADERS {
            return Err(HeadError::Bad(ParseError::TooManyHeaders));
        }
        lines.push(header_line(scan.slice(from, end), from).ok_or(HeadError::Bad(ParseError::HeaderLine))?);
    }
}

fn header_line(line: &[u8], from: usize) -> Option<Line> {
    // Names are short: nothing faster than to look.
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    let header = match Header::known(name) {
        Some(known) => known,
        None if syntax::is_token(name) => Header::Other(""),
        None => return None,
    };
    let value = value.get(1..)?;
    let value = value.trim_ascii_start();
    let begin = from + line.len() - value.len();
    let end = begin + value.trim_ascii_end().len();
    Some(Line { header, name: span(from, from + name.len()), value: span(begin, end) })
}

/// Indexes what the builder wrote: the same pass, which cannot fail on it.
pub(super) fn built(bytes: Bytes, start: &BuiltStart, lines: Vec<Line>, body: usize) -> Message {
    let start = match *start {
        BuiltStart::Request { method, uri } => {
            Start::Request { method: span(0, method), uri: span(method + 1, method + 1 + uri) }
        }
        BuiltStart::Response { status, reason } => {
            Start::Response { status, reason: span("SIP/2.0 200 ".len(), "SIP/2.0 200 ".len() + reason) }
        }
    };
    Message { bytes, start, lines, body: narrow(body) }
}

/// Lengths of the parts of a start line just written.
pub(super) enum BuiltStart {
    Request { method: usize, uri: usize },
    Response { status: StatusCode, reason: usize },
}

/// One header line just written at `from`: `name: value`.
pub(super) fn built_line(header: Header, from: usize, name: usize, value: usize) -> Line {
    let begin = from + name + 2;
    Line { header, name: span(from, from + name), value: span(begin, begin + value) }
}

/// Whether `bytes` may be the method of a request line.
pub(super) fn is_method(bytes: &[u8]) -> bool {
    Method::parse(bytes).is_some()
}
