//! The side that is asked: picks the best challenge of a 401 or 407 and answers it.

use std::fmt::Write;

use super::credentials::DigestParams;
use super::{DigestAlgorithm, Exchange, ha1};
use crate::header::Header;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::syntax::quote;

/// Why a challenge cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The response is neither 401 nor 407.
    #[error("the response is no challenge")]
    NotAChallenge,
    /// No Digest challenge with an algorithm and a quality of protection that we know, and a secret for it.
    #[error("no digest challenge that can be answered")]
    NothingSupported,
}

/// How a user proves who it is.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// The password.
    Password(&'a str),
    /// `H(user:realm:password)` for the algorithms for which it is known.
    Ha1(&'a [(DigestAlgorithm, String)]),
}

/// A user and its secret.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// User name.
    pub user: &'a str,
    /// Secret.
    pub secret: Secret<'a>,
}

impl Login<'_> {
    fn knows(&self, algorithm: DigestAlgorithm) -> bool {
        match self.secret {
            Secret::Password(_) => true,
            Secret::Ha1(known) => known.iter().any(|(a, _)| *a == algorithm),
        }
    }

    fn ha1(&self, algorithm: DigestAlgorithm, realm: &str) -> Option<String> {
        match self.secret {
            Secret::Password(password) => Some(ha1(algorithm, self.user, realm, password)),
            Secret::Ha1(known) => {
                known.iter().find(|(a, _)| *a == algorithm).map(|(_, secret)| secret.clone())
            }
        }
    }
}

/// A challenge to be answered, again and again with rising counts until the server says it is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Where the answer goes: `Authorization` or `Proxy-Authorization`.
    pub header: Header,
    /// Algorithm.
    pub algorithm: DigestAlgorithm,
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// Whether the server only wants a new nonce: the secret was right.
    pub stale: bool,
    opaque: Option<String>,
    protected: bool,
}

impl Challenge {
    /// The strongest challenge of a 401 or 407 that `login` can answer.
    pub fn strongest(response: &Message, login: &Login<'_>) -> Result<Self, DigestError> {
        let (asked, header) = match response.status() {
            Some(StatusCode::UNAUTHORIZED) => (Header::WwwAuthenticate, Header::Authorization),
            Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                (Header::ProxyAuthenticate, Header::ProxyAuthorization)
            }
            _ => return Err(DigestError::NotAChallenge),
        };
        let offered = response.headers(asked).filter_map(|value| Self::parse(value, header));
        offered
            .filter(|challenge| login.knows(challenge.algorithm))
            .max_by_key(|challenge| challenge.algorithm)
            .ok_or(DigestError::NothingSupported)
    }

    fn parse(value: &[u8], header: Header) -> Option<Self> {
        let params = DigestParams::parse(value)?;
        let algorithm = params.get("algorithm").map_or(Some(DigestAlgorithm::Md5), DigestAlgorithm::parse)?;
        let protected = match params.get("qop") {
            None => false,
            Some(offered) if offered.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
        };
        Some(Self {
            header,
            algorithm,
            realm: params.get("realm")?.to_owned(),
            nonce: params.get("nonce")?.to_owned(),
            stale: params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            opaque: params.get("opaque").map(str::to_owned),
            protected,
        })
    }

    /// The credentials for a request. `uri` is its Request-URI; `count` starts at 1 and rises with every request that
    /// uses this challenge; `cnonce` must not be foreseen.
    pub fn answer(
        &self,
        method: &Method,
        uri: &str,
        login: &Login<'_>,
        cnonce: &str,
        count: u32,
    ) -> Result<String, DigestError> {
        let ha1 = login.ha1(self.algorithm, &self.realm).ok_or(DigestError::NothingSupported)?;
        let nc = format!("{count:08x}");
        let protection = self.protected.then_some((nc.as_str(), cnonce, "auth"));
        let nonce = &self.nonce;
        let exchange =
            Exchange { algorithm: self.algorithm, nonce, protection, method: method.as_str(), uri };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            quote(login.user),
            quote(&self.realm),
            quote(nonce),
            quote(uri),
            exchange.response(&ha1),
            self.algorithm.token(),
        );
        if self.protected {
            // Writing to memory does not fail.
            let _ = write!(value, ", qop=auth, nc={nc}, cnonce={}", quote(cnonce));
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque={}", quote(opaque));
        }
        Ok(value)
    }
}

/// Answers the strongest challenge of a 401 or 407 once: the header field to add to the request.
pub fn respond(
    response: &Message,
    method: &Method,
    uri: &str,
    login: &Login<'_>,
    cnonce: &str,
    count: u32,
) -> Result<(Header, String), DigestError> {
    let challenge = Challenge::strongest(response, login)?;
    let value = challenge.answer(method, uri, login, cnonce, count)?;
    Ok((challenge.header, value))
}
