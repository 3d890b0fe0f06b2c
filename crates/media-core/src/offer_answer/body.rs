//! Reads an offer or an answer: which section is the audio, where its sender wants it, what it says.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use voip_contract::media::SdpFacts;

use super::direction::{self, receives, sends};
use super::{BodyError, Layout, fingerprint};
use crate::sdp::{Codec, Description, Direction, Host, Media};

/// An offer or answer whose audio we can carry.
#[derive(Debug, Clone)]
pub struct Body {
    pub(super) description: Description,
    audio: usize,
    layout: Layout,
    codecs: Vec<Codec>,
    direction: Direction,
}

/// What the sender of a body wants for its audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Where it receives RTP. The host its signaling comes from stands in for a name and for an unspecified address.
    pub rtp: SocketAddr,
    /// Where it receives RTCP.
    pub rtcp: SocketAddr,
    /// As it states, with hold by address made explicit.
    pub direction: Direction,
    /// Codecs with its payload types, in its order.
    pub codecs: Vec<Codec>,
    /// Milliseconds of audio that it likes in a packet.
    pub ptime_ms: Option<u32>,
}

impl Body {
    /// Reads an offer. `known` is the layout of its leg so far: its audio stays where it was as long as it can.
    pub fn offer(bytes: &[u8], known: Option<&Layout>) -> Result<Self, BodyError> {
        let description = Description::parse(bytes)?;
        if known.is_some_and(|known| description.media.len() < known.len()) {
            return Err(BodyError::NotAcceptable("the offer has fewer media sections than the last"));
        }
        let kept = known.map(Layout::audio);
        let carried = |index: &usize| description.media.get(*index).is_some_and(is_carried);
        let audio = kept.into_iter().chain(0..description.media.len()).find(carried);
        let audio = audio.ok_or_else(|| BodyError::NotAcceptable(why_none(&description.media)))?;
        let layout = Layout::of_offer(&description, audio);
        Self::with_audio(description, audio, layout)
    }

    /// Reads the answer to an offer with `layout` and the codecs `offered`.
    pub fn answer(bytes: &[u8], layout: &Layout, offered: &[Codec]) -> Result<Self, BodyError> {
        let description = Description::parse(bytes)?;
        if description.media.len() != layout.len() {
            return Err(BodyError::Misfit("it has another number of media sections"));
        }
        let mut pairs = description.media.iter().zip(layout.sections());
        if pairs.any(|(media, section)| media.line.kind != section.kind()) {
            return Err(BodyError::Misfit("its media sections are of other kinds or in another order"));
        }
        let audio = layout.audio();
        match description.media.get(audio) {
            Some(media) if media.line.port == 0 => {
                return Err(BodyError::NotAcceptable("the audio was refused"));
            }
            Some(media) if is_carried(media) => {}
            _ => return Err(BodyError::Misfit("its audio has another protocol")),
        }
        let body = Self::with_audio(description, audio, layout.clone())?;
        let was_offered =
            |codec: &&Codec| codec.is_speech() && offered.iter().any(|o| o.is_same_coding(codec));
        match body.codecs.iter().find(was_offered) {
            Some(_) => Ok(body),
            None => Err(BodyError::Misfit("it names no codec that was offered")),
        }
    }

    fn with_audio(description: Description, audio: usize, layout: Layout) -> Result<Self, BodyError> {
        let Some(media) = description.media.get(audio) else {
            return Err(BodyError::NotAcceptable("there is no audio"));
        };
        let codecs = media.codecs();
        if !codecs.iter().any(Codec::is_speech) {
            return Err(BodyError::NotAcceptable("the audio names no codec"));
        }
        let Some(connection) = description.connection(media) else {
            return Err(BodyError::NotAcceptable("the audio has no c= line"));
        };
        if matches!(connection.host, Host::Address(address) if address.is_multicast()) {
            return Err(BodyError::NotAcceptable("multicast audio"));
        }
        let stated = description.direction(media);
        let direction = direction::of(sends(stated), receives(stated) && !connection.is_unspecified());
        Ok(Self { description, audio, layout, codecs, direction })
    }

    /// The layout of its sender's leg from here on.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its codecs in preference order.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// Direction of the audio; hold by address counts as receiving nothing.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The audio section.
    pub fn audio(&self) -> Option<&Media> {
        self.description.media.get(self.audio)
    }

    /// Tells this body from others of the same sender, but for the session version.
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.description)
    }

    /// The facts for signaling; `last` is the fingerprint of the sender's last body.
    pub fn facts(&self, last: Option<u64>) -> SdpFacts {
        let codecs = self.codecs.iter().map(ToString::to_string).collect();
        SdpFacts { direction: self.direction, codecs, changed: last != Some(self.fingerprint()) }
    }

    /// Where its sender wants the audio; `source` is the host its signaling comes from.
    pub fn remote(&self, source: IpAddr) -> Option<Remote> {
        let media = self.audio()?;
        let host = match self.description.connection(media)?.host {
            Host::Address(address) if !address.is_unspecified() => address,
            _ => source.to_canonical(),
        };
        let rtcp = match media.rtcp() {
            Some(rtcp) => {
                SocketAddr::new(rtcp.address.filter(|a| !a.is_unspecified()).unwrap_or(host), rtcp.port)
            }
            None => SocketAddr::new(host, media.line.port.checked_add(1).unwrap_or(media.line.port)),
        };
        Some(Remote {
            rtp: SocketAddr::new(host, media.line.port),
            rtcp,
            direction: self.direction,
            codecs: self.codecs.clone(),
            ptime_ms: media.ptime_ms(),
        })
    }
}

/// RFC 3551 and RFC 4585 without encryption.
fn is_carried(media: &Media) -> bool {
    let line = &media.line;
    line.kind == "audio" && line.port != 0 && matches!(line.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
}

fn why_none(media: &[Media]) -> &'static str {
    let active = media.iter().filter(|media| media.line.kind == "audio" && media.line.port != 0);
    match active.map(|media| media.line.protocol.contains("SAVP")).next() {
        None => "there is no audio",
        Some(true) => "all audio is encrypted, which is not supported yet",
        Some(false) => "the audio is not RTP",
    }
}
