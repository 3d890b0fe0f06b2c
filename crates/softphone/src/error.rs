//! What can go wrong with a phone, said so that a user can act on it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::call::EndReason;

/// Why something did not happen.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The SIP socket.
    #[error("cannot open the SIP socket on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No pair of free ports for RTP and RTCP, or their thread did not start.
    #[error("cannot open RTP ports on {address}: {source}")]
    Rtp {
        /// Where.
        address: std::net::IpAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread did not start, or the operating system gave no randomness.
    #[error("cannot start the phone: {source}")]
    Start {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name or number that fits in no SIP URI.
    #[error("{text:?} cannot be called: {reason}")]
    BadTarget {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server said nothing.
    #[error("{server} did not answer {request} within {} ms", after.as_millis())]
    NoAnswer {
        /// Who.
        server: SocketAddr,
        /// What was asked.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The request could not be sent.
    #[error("{request} could not be sent to {server}")]
    Unreachable {
        /// Where to.
        server: SocketAddr,
        /// What.
        request: String,
    },
    /// Challenged again after an answer to its challenge.
    #[error(
        "{server} refused the credentials for {request} ({status} after they were sent): wrong user or password"
    )]
    WrongCredentials {
        /// Who.
        server: SocketAddr,
        /// What was asked.
        request: String,
        /// 401 or 407.
        status: u16,
    },
    /// A challenge that cannot be answered.
    #[error("{server} challenged {request} ({status}) in a way that cannot be answered: {reason}")]
    Challenge {
        /// Who.
        server: SocketAddr,
        /// What was asked.
        request: String,
        /// 401 or 407.
        status: u16,
        /// What is missing.
        reason: String,
    },
    /// A final failure.
    #[error("{request} was refused: {status} {phrase}")]
    Refused {
        /// What was asked.
        request: String,
        /// Final status, 300 to 699.
        status: u16,
        /// Reason phrase.
        phrase: String,
    },
    /// The call ended before what was waited for.
    #[error("the call ended: {0}")]
    Ended(EndReason),
    /// It did not happen in time.
    #[error("no {event} within {} ms", after.as_millis())]
    Waited {
        /// What was waited for.
        event: &'static str,
        /// How long.
        after: Duration,
    },
    /// Not possible in the call's state.
    #[error("cannot {action} a call that is {state}")]
    State {
        /// What was asked.
        action: &'static str,
        /// The call's state.
        state: &'static str,
    },
    /// The far side's SDP, or ours, does not fit.
    #[error("SDP: {reason}")]
    Sdp {
        /// What is wrong.
        reason: String,
    },
    /// The phone has been shut down, or does not keep up with its commands.
    #[error("the phone is gone or overloaded")]
    Gone,
}

impl PhoneError {
    /// The SIP status behind it, if there is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::WrongCredentials { status, .. }
            | Self::Challenge { status, .. }
            | Self::Refused { status, .. } => Some(*status),
            Self::Ended(reason) => reason.status,
            _ => None,
        }
    }
}
