//! Our own `o=` lines (RFC 3264 section 8): one session id per leg, a version that rises when the content changes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::sdp::{Description, Line, address::InAddress};

/// What identifies the session that one leg sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalOrigin {
    id: u64,
    version: u64,
    /// Fingerprint of the last body that was sent.
    sent: Option<u64>,
}

impl LocalOrigin {
    /// `id` tells this session from all others of the address; versions start at 1.
    pub fn new(id: u64) -> Self {
        // Phones that read it as a signed 64-bit number exist.
        Self { id: id >> 1, version: 0, sent: None }
    }

    /// The version of the last body.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Replaces the `o=` line of a body that is about to be sent.
    pub fn stamp(&mut self, description: &mut Description, address: IpAddr) {
        let address = InAddress(address);
        let mut place = |value: String| {
            let line = Line::own(b'o', value);
            match description.session.iter_mut().find(|line| line.kind() == b'o') {
                Some(origin) => *origin = line,
                None => description.session.push(line),
            }
        };
        place(format!("- {} 0 {address}", self.id));
        let content = fingerprint(description);
        if self.sent != Some(content) {
            self.version = self.version.saturating_add(1);
            self.sent = Some(content);
        }
        let value = format!("- {} {} {address}", self.id, self.version);
        if let Some(origin) = description.session.iter_mut().find(|line| line.kind() == b'o') {
            *origin = Line::own(b'o', value);
        }
    }
}

/// FNV-1a over the body without the session version: the same in every build, as snapshots need it.
pub fn fingerprint(description: &Description) -> u64 {
    let mut hash = Fnv::default();
    let origin = description.origin();
    for line in &description.session {
        hash.add(&[line.kind()]);
        match origin.filter(|_| line.kind() == b'o') {
            Some(origin) => {
                hash.part(origin.username.as_bytes());
                hash.part(origin.session_id.as_bytes());
                hash.part(origin.address.as_bytes());
            }
            None => hash.part(line.value()),
        }
    }
    for media in &description.media {
        hash.part(media.line.to_string().as_bytes());
        for line in &media.lines {
            hash.add(&[line.kind()]);
            hash.part(line.value());
        }
    }
    hash.0
}

/// A number for `parts` that is the same in every build.
pub(crate) fn fingerprint_of(parts: &[&[u8]]) -> u64 {
    let mut hash = Fnv::default();
    for part in parts {
        hash.part(part);
    }
    hash.0
}

/// Fowler, Noll, Vo: 64 bits, variant 1a.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// With an end mark, so that parts cannot run into each other.
    fn part(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.add(b"\n");
    }
}
