//! Bodies of which we are the end: a prompt, the echo, or a softphone.

use super::direction::{answered, name};
use super::rewrite::Place;
use super::{Body, BodyError, Layout, Section, layout::refused};
use crate::g711::Law;
use crate::sdp::address::InAddress;
use crate::sdp::{Codec, Description, Direction, Line, Media, MediaLine};

/// An answer of our own and what it settles.
#[derive(Debug, Clone)]
pub struct LocalAnswer {
    /// The body; its `o=` line is still to be stamped.
    pub description: Description,
    /// The codecs in it, with the offer's payload types: one law, and telephone events when offered.
    pub codecs: Vec<Codec>,
    /// The law.
    pub law: Law,
    /// Our direction.
    pub direction: Direction,
}

/// Answers `offer` with the first law of the offer's order that `laws` names; one codec alone, so that what comes
/// needs no second look and can be joined to anybody who takes it.
pub fn answer_locally(
    offer: &Body,
    place: Place,
    laws: &[Law],
    wants: Direction,
) -> Result<LocalAnswer, BodyError> {
    let speech =
        offer.codecs().iter().find_map(|c| c.law().filter(|law| laws.contains(law)).map(|law| (law, c)));
    let (law, speech) = speech.ok_or(BodyError::NotAcceptable("neither PCMU nor PCMA is offered"))?;
    let events = offer.codecs().iter().find(|c| c.is_telephone_event() && c.clock_rate == speech.clock_rate);
    let codecs: Vec<Codec> = std::iter::once(speech).chain(events).cloned().collect();
    let direction = answered(offer.direction(), wants);
    let fmtp = |t| offer.audio().and_then(|audio| audio.fmtp(t)).map(str::to_owned);
    let description = body(offer.layout(), place, &codecs, fmtp, direction);
    Ok(LocalAnswer { description, codecs, law, direction })
}

/// An offer of `laws` in their order, and telephone events as payload type 101.
pub fn local_offer(
    layout: &Layout,
    place: Place,
    laws: &[Law],
    direction: Direction,
) -> (Description, Vec<Codec>) {
    let speech = laws.iter().map(|law| codec(law.payload_type(), law.name()));
    let codecs: Vec<Codec> = speech.chain([codec(101, "telephone-event")]).collect();
    let description = body(layout, place, &codecs, |_| Some("0-16".to_owned()), direction);
    (description, codecs)
}

fn codec(payload_type: u8, name: &str) -> Codec {
    Codec { payload_type, name: name.to_owned(), clock_rate: crate::g711::CLOCK_RATE, channels: 1 }
}

fn body(
    layout: &Layout,
    place: Place,
    codecs: &[Codec],
    fmtp: impl Fn(u8) -> Option<String>,
    direction: Direction,
) -> Description {
    let address = InAddress(place.address);
    let session = vec![
        Line::own(b'v', 0),
        Line::own(b'o', format_args!("- 0 0 {address}")),
        Line::own(b's', "-"),
        Line::own(b'c', address),
        Line::own(b't', "0 0"),
    ];
    let section = |section: &Section| match section {
        Section::Audio { protocol } => audio(protocol, place.port, codecs, &fmtp, direction),
        Section::Refused { kind, protocol, format } => {
            Media { line: refused(kind, protocol, format), lines: Vec::new() }
        }
    };
    Description { session, media: layout.sections().iter().map(section).collect() }
}

fn audio(
    protocol: &str,
    port: u16,
    codecs: &[Codec],
    fmtp: &impl Fn(u8) -> Option<String>,
    direction: Direction,
) -> Media {
    let formats = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    let line =
        MediaLine { kind: "audio".to_owned(), port, count: None, protocol: protocol.to_owned(), formats };
    let mut lines = Vec::new();
    for codec in codecs {
        let t = codec.payload_type;
        lines.push(Line::own(b'a', format_args!("rtpmap:{t} {codec}")));
        if let Some(parameters) = fmtp(t).filter(|_| codec.is_telephone_event()) {
            lines.push(Line::own(b'a', format_args!("fmtp:{t} {parameters}")));
        }
    }
    lines.push(Line::own(b'a', "ptime:20"));
    lines.push(Line::own(b'a', name(direction)));
    Media { line, lines }
}
