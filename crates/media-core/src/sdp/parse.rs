//! Bytes to [`Description`], within limits, with the line and the reason when it is none.

use std::fmt;

use thiserror::Error;

use super::{Connection, Description, Line, MAX_LINES, MAX_MEDIA, MAX_SDP_BYTES, Media, MediaLine, Origin};

/// A body that is no SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("SDP line {line}: {problem}")]
pub struct SdpError {
    /// Number of the line, from 1; that after the last when something is missing.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The body is larger than [`MAX_SDP_BYTES`].
    TooLarge,
    /// It has more than [`MAX_LINES`] lines.
    TooManyLines,
    /// It has more than [`MAX_MEDIA`] media sections.
    TooManyMedia,
    /// It does not begin with a lower-case letter and `=`.
    NoType,
    /// It holds NUL or a carriage return that ends no line.
    ForbiddenByte,
    /// The first line is not `v=0`.
    Version,
    /// An `o=` line without its six fields, with a foreign network type, or behind `m=`.
    Origin,
    /// There is no `o=` line, or a second one.
    OriginCount,
    /// A `c=` line without its three fields, or with an address that is none.
    Connection,
    /// An `m=` line without kind, port, protocol and format.
    Media,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than 16 KiB",
            Self::TooManyLines => "too many lines",
            Self::TooManyMedia => "too many media sections",
            Self::NoType => "it does not begin with a lower-case letter and '='",
            Self::ForbiddenByte => "NUL or a carriage return inside the line",
            Self::Version => "the body does not begin with v=0",
            Self::Origin => "o= is not 'user id version IN IP4|IP6 address'",
            Self::OriginCount => "the body needs exactly one o= line",
            Self::Connection => "c= is not 'IN IP4|IP6 address'",
            Self::Media => "m= is not 'kind port protocol formats'",
        })
    }
}

pub(super) fn description(body: &[u8]) -> Result<Description, SdpError> {
    if body.len() > MAX_SDP_BYTES {
        return Err(SdpError { line: 1, problem: Problem::TooLarge });
    }
    let mut description = Description { session: Vec::new(), media: Vec::new() };
    let mut number = 0;
    for raw in trim_end(body).split(|b| *b == b'\n') {
        number += 1;
        add(&mut description, number, raw).map_err(|problem| SdpError { line: number, problem })?;
    }
    match description.session.iter().filter(|line| line.kind == b'o').count() {
        1 => Ok(description),
        _ => Err(SdpError { line: number + 1, problem: Problem::OriginCount }),
    }
}

/// Blank lines behind the last are left by gateways that count a final CR LF twice.
fn trim_end(body: &[u8]) -> &[u8] {
    let end = body.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    body.get(..end).unwrap_or(body)
}

fn add(description: &mut Description, number: usize, raw: &[u8]) -> Result<(), Problem> {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let [kind, b'=', value @ ..] = raw else { return Err(first_or(number, Problem::NoType)) };
    if number > MAX_LINES {
        return Err(Problem::TooManyLines);
    }
    if (number == 1) != (*kind == b'v') || (number == 1 && value.trim_ascii() != b"0") {
        return Err(Problem::Version);
    }
    if !kind.is_ascii_lowercase() {
        return Err(Problem::NoType);
    }
    let line = Line::new(*kind, value).ok_or(Problem::ForbiddenByte)?;
    if *kind == b'm' {
        if description.media.len() == MAX_MEDIA {
            return Err(Problem::TooManyMedia);
        }
        let line = line.text().and_then(media_line).ok_or(Problem::Media)?;
        description.media.push(Media { line, lines: Vec::new() });
        return Ok(());
    }
    check(&line, description.media.is_empty())?;
    description.media.last_mut().map_or(&mut description.session, |media| &mut media.lines).push(line);
    Ok(())
}

/// What does not even begin as a line is, in the first one, no SDP at all.
fn first_or(number: usize, problem: Problem) -> Problem {
    if number == 1 { Problem::Version } else { problem }
}

fn check(line: &Line, in_session: bool) -> Result<(), Problem> {
    match line.kind {
        b'o' if in_session => line.text().and_then(Origin::parse).map(|_| ()).ok_or(Problem::Origin),
        b'o' => Err(Problem::Origin),
        b'c' => line.text().and_then(Connection::parse).map(|_| ()).ok_or(Problem::Connection),
        _ => Ok(()),
    }
}

fn media_line(text: &str) -> Option<MediaLine> {
    let mut words = text.split_ascii_whitespace();
    let kind = words.next()?.to_owned();
    let port = words.next()?;
    let (port, count) = match port.split_once('/') {
        Some((port, count)) => (port, Some(count.parse().ok()?)),
        None => (port, None),
    };
    let line = MediaLine {
        kind,
        port: port.parse().ok()?,
        count,
        protocol: words.next()?.to_owned(),
        formats: words.map(str::to_owned).collect(),
    };
    (!line.formats.is_empty()).then_some(line)
}
