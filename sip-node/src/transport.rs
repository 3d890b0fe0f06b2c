//! Sockets of the decision thread: one UDP socket per listener, and the wake-up from everybody else.
//!
//! Nothing here blocks but [`wait`], and nothing here knows SIP.

mod udp;
mod wake;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) use udp::{Sent, TransportCounters, UdpListener};
pub(crate) use wake::{Sleeper, Waker, pair as wake_pair};

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Somebody else has the port.
    #[error("port {} is taken ({address}, {what})", address.port())]
    Taken {
        /// Where.
        address: SocketAddr,
        /// Which listener.
        what: String,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({what}): {source}")]
    Failed {
        /// Where.
        address: SocketAddr,
        /// Which listener.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

impl BindError {
    /// Of an attempt to open `what` at `address`.
    pub(crate) fn new(address: SocketAddr, what: impl Into<String>, source: std::io::Error) -> Self {
        let what = what.into();
        if source.kind() == std::io::ErrorKind::AddrInUse {
            Self::Taken { address, what }
        } else {
            Self::Failed { address, what, source }
        }
    }
}

/// Sleeps until a listener has something, somebody woke us, or `limit` has passed. May return early.
pub(crate) fn wait(listeners: &[UdpListener], sleeper: &Sleeper, limit: Duration) {
    let sockets = listeners.iter().map(|listener| PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
    let mut descriptors: Vec<_> =
        sockets.chain([PollFd::from_borrowed_fd(sleeper.as_fd(), PollFlags::IN)]).collect();
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // An interruption or any other failure is an early return: the caller looks at everything anyway.
    let _ = poll(&mut descriptors, Some(&limit));
}
