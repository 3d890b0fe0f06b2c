//! Digest authentication (RFC 7616 and RFC 8760; RFC 2617 peers are understood): the calculation both sides share.
//!
//! Knows no users: whoever asks brings `H(user:realm:password)`.

mod client;
mod credentials;
mod server;
mod window;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512_256};

pub use client::{Challenge, DigestError, Login, Secret, respond};
pub use server::{Authenticator, NONCE_LIFETIME, Rejection, Verdict};

use crate::mac::hex;

/// A digest algorithm, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// MD5, for phones that know nothing better.
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-512/256.
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
}

impl DigestAlgorithm {
    /// The token in a header field.
    pub fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The algorithm with this token, in any case; `None` for one we do not know, `-sess` ones among them.
    pub fn parse(token: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256]
            .into_iter()
            .find(|a| a.token().eq_ignore_ascii_case(token))
    }

    /// The hash of `parts` joined by colons, in hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => hash_with::<Md5>(parts),
            Self::Sha256 => hash_with::<Sha256>(parts),
            Self::Sha512_256 => hash_with::<Sha512_256>(parts),
        }
    }
}

fn hash_with<D: Digest>(parts: &[&str]) -> String {
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(hash.finalize().as_ref())
}

/// `H(user:realm:password)`: as good as the password for this realm, and as secret.
pub fn ha1(algorithm: DigestAlgorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hash(&[user, realm, password])
}

/// What a response is calculated from, besides the secret (RFC 7616 section 3.4.1).
struct Exchange<'a> {
    algorithm: DigestAlgorithm,
    nonce: &'a str,
    /// `nc` as written, `cnonce` and `qop`; absent in RFC 2069's way.
    protection: Option<(&'a str, &'a str, &'a str)>,
    method: &'a str,
    uri: &'a str,
}

impl Exchange<'_> {
    fn response(&self, ha1: &str) -> String {
        let ha2 = self.algorithm.hash(&[self.method, self.uri]);
        match self.protection {
            Some((nc, cnonce, qop)) => self.algorithm.hash(&[ha1, self.nonce, nc, cnonce, qop, &ha2]),
            None => self.algorithm.hash(&[ha1, self.nonce, &ha2]),
        }
    }
}

#[cfg(test)]
mod tests;
