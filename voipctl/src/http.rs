//! Asks sip-node over HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// sip-node is on this machine: what takes longer is not going to come.
const PATIENCE: Duration = Duration::from_secs(2);
/// Through an API server and a kubelet.
const PATIENCE_FAR: Duration = Duration::from_secs(10);

/// sip-node did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Not reached, or not in time.
    #[error("sip-node does not answer on {address}: {source}")]
    NoAnswer {
        /// Its HTTP address.
        address: SocketAddr,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The token is another.
    #[error(
        "sip-node on {address} refuses the token: was its Secret replaced a moment ago? Try again in a minute"
    )]
    Refused {
        /// Its HTTP address.
        address: SocketAddr,
    },
    /// The answer makes no sense.
    #[error("sip-node on {address} answers {path} in a form that this voipctl does not know: {reason}")]
    Unknown {
        /// Its HTTP address.
        address: SocketAddr,
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        reason: io::Error,
    },
}

/// `GET path` from a sip-node on this machine; none when there is no such thing (404).
pub(crate) fn get<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Result<Option<T>, HttpError> {
    ask(address, path, None, PATIENCE)
}

/// `GET path` from a sip-node elsewhere that asks for a token; none as above.
pub(crate) fn get_with_token<T: DeserializeOwned>(
    address: SocketAddr,
    path: &str,
    token: &str,
) -> Result<Option<T>, HttpError> {
    ask(address, path, Some(token), PATIENCE_FAR)
}

fn ask<T: DeserializeOwned>(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    patience: Duration,
) -> Result<Option<T>, HttpError> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(patience)).proxy(None).build().into();
    let mut request = agent.get(format!("http://{address}{path}"));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut response = match request.call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(404)) => return Ok(None),
        Err(ureq::Error::StatusCode(401)) => return Err(HttpError::Refused { address }),
        Err(source) => return Err(HttpError::NoAnswer { address, source: Box::new(source) }),
    };
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|source| HttpError::NoAnswer { address, source: Box::new(source) })?;
    serde_json::from_str(&text).map(Some).map_err(|error| HttpError::Unknown {
        address,
        path: path.to_owned(),
        reason: error.into(),
    })
}
