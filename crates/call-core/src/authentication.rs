//! Who sends a request: digest (RFC 3261 section 22, RFC 8760). Every INVITE and REGISTER outside a dialog is
//! challenged with 401: a B2BUA is a user agent server to its callers. Requests inside a dialog are known by its tags,
//! which nobody can guess.
//!
//! An unknown user, a user who is disabled and a wrong password are answered alike.

use std::sync::Arc;

use sip_core::{DigestAlgorithm, Header, Message, Method, StatusCode, Verdict};
use voip_contract::config::{self, UserDocument};

use crate::config::Directory;
use crate::requests::Refusal;
use crate::turn::Turn;

/// The user who sent `request`, or how it is refused.
pub(crate) fn authenticate(turn: &mut Turn, request: &Message) -> Result<Arc<UserDocument>, Refusal> {
    let directory = &turn.core.directory;
    let ha1 = |user: &str, algorithm| ha1(directory, user, algorithm);
    let verdict = turn.core.authenticator.verify(turn.now, request, &directory.realm, ha1);
    let (reason, stale) = match verdict {
        Verdict::Accepted { username } => return identity(turn, request, &username),
        Verdict::Missing => ("no-credentials", false),
        Verdict::Stale => ("stale-nonce", true),
        Verdict::Rejected(_) => ("bad-credentials", false),
    };
    Err(challenge(turn, reason, stale))
}

fn challenge(turn: &mut Turn, reason: &'static str, stale: bool) -> Refusal {
    let algorithms: Vec<DigestAlgorithm> =
        turn.core.directory.algorithms.iter().map(|a| to_sip(*a)).collect();
    let realm = turn.core.directory.realm.clone();
    let challenges = turn.core.authenticator.challenges(turn.now, &realm, &algorithms, stale);
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, reason);
    challenges.into_iter().fold(refusal, |refusal, value| refusal.with(Header::WwwAuthenticate, value))
}

/// The user, who must be the one whom the request speaks for: From of an INVITE, To of a REGISTER.
fn identity(turn: &mut Turn, request: &Message, username: &str) -> Result<Arc<UserDocument>, Refusal> {
    let Some(user) = turn.core.directory.user(username).cloned() else {
        return Err(challenge(turn, "bad-credentials", false));
    };
    let claimed = if request.method() == Method::Register { request.to() } else { request.from() };
    let same = claimed.is_ok_and(|claimed| claimed.uri.username().as_deref() == Some(username));
    if same { Ok(user) } else { Err(Refusal::new(StatusCode::FORBIDDEN, "other-identity")) }
}

/// H(user:realm:password), for algorithms that we offer and users who may.
fn ha1<'a>(directory: &'a Directory, user: &str, algorithm: DigestAlgorithm) -> Option<&'a str> {
    let algorithm = directory.algorithms.iter().copied().find(|offered| to_sip(*offered) == algorithm)?;
    let user = directory.user(user).filter(|user| user.enabled)?;
    user.ha1.get(&algorithm).map(String::as_str)
}

fn to_sip(algorithm: config::DigestAlgorithm) -> DigestAlgorithm {
    match algorithm {
        config::DigestAlgorithm::Sha512_256 => DigestAlgorithm::Sha512_256,
        config::DigestAlgorithm::Sha256 => DigestAlgorithm::Sha256,
        config::DigestAlgorithm::Md5 => DigestAlgorithm::Md5,
    }
}
