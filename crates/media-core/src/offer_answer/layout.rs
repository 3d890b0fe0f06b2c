//! The media sections of one leg, in the order in which its offers and answers list them (RFC 3264 section 8).

use serde::{Deserialize, Serialize};

use crate::sdp::{Description, MediaLine};

/// One section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Section {
    /// The audio that is carried.
    Audio {
        /// Its protocol, which answers must repeat.
        protocol: String,
    },
    /// One that is refused: listed with port 0.
    Refused {
        /// `video`, `image`, ...
        kind: String,
        /// Its protocol.
        protocol: String,
        /// Its first format, as a section has at least one.
        format: String,
    },
}

/// All sections of a leg; exactly one is audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout(Vec<Section>);

impl Default for Layout {
    /// That of a leg that was offered audio alone.
    fn default() -> Self {
        Self(vec![Section::Audio { protocol: "RTP/AVP".to_owned() }])
    }
}

impl Layout {
    /// That of a leg whose offer has its audio at `audio`.
    pub(super) fn of_offer(offer: &Description, audio: usize) -> Self {
        let section = |(index, media): (usize, &crate::sdp::Media)| {
            let line = &media.line;
            let protocol = line.protocol.clone();
            if index == audio {
                return Section::Audio { protocol };
            }
            let format = line.formats.first().cloned().unwrap_or_else(|| "0".to_owned());
            Section::Refused { kind: line.kind.clone(), protocol, format }
        };
        Self(offer.media.iter().enumerate().map(section).collect())
    }

    /// The sections.
    pub fn sections(&self) -> &[Section] {
        &self.0
    }

    /// Where the audio is.
    pub fn audio(&self) -> usize {
        self.0.iter().position(|section| matches!(section, Section::Audio { .. })).unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Section {
    pub(super) fn kind(&self) -> &str {
        match self {
            Self::Audio { .. } => "audio",
            Self::Refused { kind, .. } => kind,
        }
    }
}

/// The line of a refused section.
pub(super) fn refused(kind: &str, protocol: &str, format: &str) -> MediaLine {
    MediaLine {
        kind: kind.to_owned(),
        port: 0,
        count: None,
        protocol: protocol.to_owned(),
        formats: vec![format.to_owned()],
    }
}
