//! One UDP socket of a leg: who may send to it, and where to send.
//!
//! It must not know what the datagrams hold. Nothing here allocates or blocks.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use media_core::latch::{DEFAULT_SILENCE, Latch, LatchPolicy, Verdict};

/// Whether a socket is connected to its peer once that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// RTP: a connected socket costs 14 % less per packet, and the kernel checks the source.
    Connected,
    /// RTCP: one report in five seconds is not worth a system call to connect.
    Unconnected,
}

/// What came of one attempt to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes from the peer.
    Packet(usize),
    /// A datagram from somebody else.
    Foreign,
    /// Nothing was queued.
    Nothing,
}

/// What came of one attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is on its way.
    Yes,
    /// Nobody has said yet where to.
    NoPeer,
    /// The socket's queue is full.
    QueueFull,
    /// The system refused.
    Error,
}

/// A socket that was bound before it came here.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    style: Style,
    latch: Option<Latch>,
    connected: bool,
    /// Connected, but what was queued before may come from anybody.
    mixed: bool,
}

impl Port {
    pub(super) fn new(socket: UdpSocket, style: Style) -> Self {
        Self { socket, style, latch: None, connected: false, mixed: false }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Signaling has said (again) where the peer is.
    pub(super) fn set_policy(&mut self, now: Duration, policy: LatchPolicy) {
        match &mut self.latch {
            Some(latch) => latch.renew(now, policy),
            None => self.latch = Some(Latch::new(now, policy, DEFAULT_SILENCE)),
        }
        self.unconnect();
    }

    /// Unconnects from a peer that has been silent, for it may go on from another port.
    pub(super) fn notice_silence(&mut self, now: Duration) {
        if self.connected && self.latch.as_ref().is_some_and(|latch| latch.is_silent(now)) {
            self.unconnect();
        }
    }

    /// Whether everything that is received is certainly the peer's.
    #[inline]
    pub(super) fn is_sure(&self) -> bool {
        self.connected && !self.mixed
    }

    /// Takes one datagram.
    #[inline]
    pub(super) fn receive(&mut self, now: Duration, buffer: &mut [u8]) -> Received {
        if self.is_sure() {
            return self.receive_connected(now, buffer);
        }
        let (bytes, source) = match retry(|| self.socket.recv_from(buffer)) {
            Ok(received) => received,
            Err(error) => {
                self.mixed &= error != ErrorKind::WouldBlock;
                return Received::Nothing;
            }
        };
        let verdict = self.latch.as_mut().map_or(Verdict::Refuse, |latch| latch.accept(now, source));
        match verdict {
            Verdict::Refuse => return Received::Foreign,
            Verdict::AcceptAndConnect(_) => self.connect(source),
            Verdict::Accept if !self.connected => self.connect(source),
            Verdict::Accept => {}
        }
        Received::Packet(bytes)
    }

    #[inline]
    fn receive_connected(&mut self, now: Duration, buffer: &mut [u8]) -> Received {
        match retry(|| self.socket.recv(buffer)) {
            Ok(bytes) => {
                if let Some(latch) = &mut self.latch {
                    latch.heard(now);
                }
                Received::Packet(bytes)
            }
            Err(_) => Received::Nothing,
        }
    }

    /// Sends to the peer.
    #[inline]
    pub(super) fn send(&self, packet: &[u8]) -> Sent {
        let sent = if self.connected {
            retry(|| self.socket.send(packet))
        } else {
            let Some(latch) = &self.latch else { return Sent::NoPeer };
            let destination = latch.destination();
            if destination.port() == 0 || destination.ip().is_unspecified() {
                return Sent::NoPeer;
            }
            retry(|| self.socket.send_to(packet, destination))
        };
        match sent {
            Ok(_) => Sent::Yes,
            Err(ErrorKind::WouldBlock) => Sent::QueueFull,
            Err(_) => Sent::Error,
        }
    }

    fn connect(&mut self, peer: SocketAddr) {
        if self.style == Style::Connected {
            self.connected = self.socket.connect(peer).is_ok();
            self.mixed = self.connected;
        }
    }

    /// The address to which it was bound stays, as it was bound by name (`SOCK_BINDADDR_LOCK`).
    fn unconnect(&mut self) {
        if self.connected {
            self.connected = rustix::net::connect_unspec(&self.socket).is_err();
            self.mixed = self.connected;
        }
    }
}

/// Repeats a call that reported an old ICMP error (the peer's port was closed) or a signal in place of its own
/// result. Two errors can be pending: one from our last packet, one that came meanwhile.
#[inline]
fn retry<T>(mut call: impl FnMut() -> std::io::Result<T>) -> Result<T, ErrorKind> {
    for _ in 0..3 {
        match call().map_err(|error| error.kind()) {
            Err(ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {}
            other => return other,
        }
    }
    Err(ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests;
