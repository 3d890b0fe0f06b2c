//! Asks sip-node over HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// sip-node is on this machine: what takes longer is not going to come.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// `GET path`; none when there is no such thing (404).
pub(crate) fn get<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Result<Option<T>, HttpError> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build().into();
    let mut response = match agent.get(format!("http://{address}{path}")).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(404)) => return Ok(None),
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
