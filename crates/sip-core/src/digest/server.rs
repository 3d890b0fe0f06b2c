//! The side that asks: challenges whose nonces need no memory, and the check of what comes back.
//!
//! A nonce is its time, its maker, a number, and an HMAC over them: every process with the secret can verify it. The
//! only state is which nonce counts were used here. Unknown users cost and look the same as wrong passwords.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::credentials::DigestParams;
use super::window::{NonceId, Windows};
use super::{DigestAlgorithm, Exchange};
use crate::header::Header;
use crate::mac::{hex, hmac, unhex};
use crate::message::Message;
use crate::syntax::quote;
use crate::time::{Now, WallTime};

/// How long a nonce may be used.
pub const NONCE_LIFETIME: Duration = Duration::from_mins(5);
/// Bytes of the HMAC that are kept in a nonce.
const SEAL_BYTES: usize = 16;

/// What a request's credentials are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// None for this realm: challenge.
    Missing,
    /// The user knows the password, the nonce is too old, not ours, or was used with this count: challenge with
    /// `stale=true`, which makes a phone try again without asking its owner.
    Stale,
    /// Wrong: challenge, or refuse. The reason is for logs and metrics, never for the peer.
    Rejected(Rejection),
    /// Right.
    Accepted {
        /// Who it is.
        username: String,
    },
}

/// Why credentials were rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// They cannot be read, or lack something that the challenge asked for.
    Malformed,
    /// No such user, or the wrong password: on purpose not told apart.
    WrongPassword,
}

impl Rejection {
    /// A label for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongPassword => "wrong-password",
        }
    }
}

/// Challenges and verifies.
pub struct Authenticator {
    secret: [u8; 32],
    maker: u64,
    made: u64,
    windows: Windows,
}

impl Authenticator {
    /// With the secret that all processes of a cluster share, and this process' incarnation, which keeps their nonces
    /// apart.
    pub fn new(secret: [u8; 32], incarnation: u64) -> Self {
        Self { secret, maker: incarnation, made: 0, windows: Windows::new() }
    }

    /// Values for `WWW-Authenticate` or `Proxy-Authenticate`, one per algorithm in the given order (RFC 8760 section
    /// 2.4: the order is the preference).
    pub fn challenges(
        &mut self,
        now: Now,
        realm: &str,
        algorithms: &[DigestAlgorithm],
        stale: bool,
    ) -> Vec<String> {
        self.made = self.made.wrapping_add(1);
        let nonce = self.nonce(NonceId { made: now.wall, maker: self.maker, number: self.made });
        let realm = quote(realm);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &DigestAlgorithm| {
            let algorithm = algorithm.token();
            format!("Digest realm={realm}, nonce=\"{nonce}\", qop=\"auth\", algorithm={algorithm}{stale}")
        };
        algorithms.iter().map(challenge).collect()
    }

    /// Checks the Authorization or Proxy-Authorization of `request` for `realm`. `ha1` finds a user's
    /// `H(user:realm:password)`; `None` when there is no such user, or none for that algorithm.
    pub fn verify<S: AsRef<str>>(
        &mut self,
        now: Now,
        request: &Message,
        realm: &str,
        ha1: impl Fn(&str, DigestAlgorithm) -> Option<S>,
    ) -> Verdict {
        let lines = request.headers(Header::Authorization).chain(request.headers(Header::ProxyAuthorization));
        let mut credentials = lines.filter_map(DigestParams::parse).filter(|c| c.get("realm") == Some(realm));
        let Some(credentials) = credentials.next() else { return Verdict::Missing };
        match Credentials::of(&credentials) {
            Some(credentials) => self.judge(now, request, realm, &credentials, ha1),
            None => Verdict::Rejected(Rejection::Malformed),
        }
    }

    /// How many nonces are remembered.
    pub fn nonces(&self) -> usize {
        self.windows.len()
    }

    fn judge<S: AsRef<str>>(
        &mut self,
        now: Now,
        request: &Message,
        realm: &str,
        credentials: &Credentials<'_>,
        ha1: impl Fn(&str, DigestAlgorithm) -> Option<S>,
    ) -> Verdict {
        // That the credentials' uri is not the Request-URI is no failure: RFC 3261 section 22.4, item on RFC 2617's
        // check. Phones exist that leave the user out, and proxies change the Request-URI.
        let found = ha1(credentials.username, credentials.algorithm);
        let known = found.is_some();
        let secret = match found {
            Some(secret) => secret.as_ref().to_owned(),
            None => self.invented(credentials, realm),
        };
        let expected = credentials.exchange(request.method().as_str()).response(&secret);
        let given = credentials.response.to_ascii_lowercase();
        let right: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
        if !(right & known) {
            return Verdict::Rejected(Rejection::WrongPassword);
        }
        let Some(nonce) = self.opened(credentials.nonce) else { return Verdict::Stale };
        if now.wall.since(nonce.made) > NONCE_LIFETIME {
            return Verdict::Stale;
        }
        if !self.windows.take(nonce, credentials.count, now.wall, NONCE_LIFETIME) {
            return Verdict::Stale;
        }
        Verdict::Accepted { username: credentials.username.to_owned() }
    }

    /// A secret that nobody has, so that an unknown user costs as much as a known one.
    fn invented(&self, credentials: &Credentials<'_>, realm: &str) -> String {
        hex(&hmac(&self.secret, &[b"user", realm.as_bytes(), credentials.username.as_bytes()]))
    }

    fn nonce(&self, id: NonceId) -> String {
        let plain = plain(id);
        let seal = self.seal(&plain);
        hex(&plain) + &hex(&seal)
    }

    fn seal(&self, plain: &[u8]) -> [u8; SEAL_BYTES] {
        let mut seal = [0; SEAL_BYTES];
        for (to, from) in seal.iter_mut().zip(hmac(&self.secret, &[b"nonce", plain])) {
            *to = from;
        }
        seal
    }

    /// The id in a nonce that somebody with our secret made.
    fn opened(&self, nonce: &str) -> Option<NonceId> {
        let bytes = unhex(nonce)?;
        let (made, rest) = bytes.split_first_chunk::<8>()?;
        let (maker, rest) = rest.split_first_chunk::<8>()?;
        let (number, seal) = rest.split_first_chunk::<8>()?;
        let id = NonceId {
            made: WallTime(u64::from_be_bytes(*made)),
            maker: u64::from_be_bytes(*maker),
            number: u64::from_be_bytes(*number),
        };
        let ours: bool = self.seal(&plain(id)).ct_eq(seal).into();
        ours.then_some(id)
    }
}

fn plain(id: NonceId) -> Vec<u8> {
    [id.made.0.to_be_bytes(), id.maker.to_be_bytes(), id.number.to_be_bytes()].concat()
}

/// What must be in credentials that answer our challenge.
struct Credentials<'a> {
    username: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: DigestAlgorithm,
    qop: &'a str,
    cnonce: &'a str,
    nc: &'a str,
    count: u32,
}

impl<'a> Credentials<'a> {
    fn of(params: &'a DigestParams) -> Option<Self> {
        let nc = params.get("nc")?;
        let count = (nc.len() == 8).then(|| u32::from_str_radix(nc, 16).ok()).flatten()?;
        let qop = params.get("qop").filter(|qop| qop.eq_ignore_ascii_case("auth"))?;
        Some(Self {
            username: params.get("username")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            response: params.get("response")?,
            algorithm: params.get("algorithm").map_or(Some(DigestAlgorithm::Md5), DigestAlgorithm::parse)?,
            qop,
            cnonce: params.get("cnonce").filter(|cnonce| !cnonce.is_empty())?,
            nc,
            count,
        })
    }

    fn exchange(&self, method: &'a str) -> Exchange<'a> {
        let protection = Some((self.nc, self.cnonce, self.qop));
        Exchange { algorithm: self.algorithm, nonce: self.nonce, protection, method, uri: self.uri }
    }
}
