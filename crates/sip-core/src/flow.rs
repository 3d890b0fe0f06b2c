//! Where bytes came from and where they go: a plain value, so that it can be stored beside a dialog.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A SIP transport (RFC 3261 section 18, RFC 7118).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams; transactions retransmit.
    Udp,
    /// Stream.
    Tcp,
    /// Stream over TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// Whether the transport delivers by itself, so that nothing is retransmitted (RFC 3261 section 17).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The token in a Via header.
    pub fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }
}

/// One of the listeners of this process, in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListenerId(pub u16);

/// A path to a peer: the local listener, the remote address and, for streams, which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// Which of our listeners.
    pub listener: ListenerId,
    /// Its transport.
    pub transport: Transport,
    /// The far end as the socket sees it.
    pub remote: SocketAddr,
    /// The connection, for stream transports; 0 on UDP.
    pub connection: u64,
}
