//! A UDP listener: non-blocking, with large buffers, owned by the decision thread.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::sockopt;

use super::BindError;

/// Datagrams taken from one socket before timers and other queues have their turn.
const BURST: usize = 64;
/// Wanted for both kernel buffers; the kernel gives what its limits allow.
const KERNEL_BUFFER: usize = 8 << 20;
/// Largest UDP payload, and one byte to spare.
const LARGEST: usize = 65_536;

/// What the transports counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TransportCounters {
    /// Datagrams received.
    pub(crate) received: u64,
    /// Datagrams sent.
    pub(crate) sent: u64,
    /// Datagrams that the kernel did not take because its buffer was full: as if lost on the way.
    pub(crate) send_dropped: u64,
    /// Datagrams that could not be sent at all.
    pub(crate) send_failed: u64,
    /// Errors while receiving.
    pub(crate) receive_failed: u64,
}

/// A bound socket.
#[derive(Debug)]
pub(crate) struct UdpListener {
    socket: UdpSocket,
    buffer: Box<[u8]>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Handed to the kernel, or lost as the network may lose it.
    Yes,
    /// The far end cannot be reached from here.
    Unreachable,
}

impl UdpListener {
    /// Binds `address`. Without `SO_REUSEADDR`: a port that is taken must be noticed, not shared.
    pub(crate) fn bind(address: SocketAddr, name: &str) -> Result<Self, BindError> {
        let failed = |source| BindError::new(address, format!("listener {name}, UDP"), source);
        let socket = UdpSocket::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        // Best effort: bursts are lost sooner with smaller buffers, that is all.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&socket, KERNEL_BUFFER);
        Ok(Self { socket, buffer: vec![0; LARGEST].into_boxed_slice() })
    }

    /// Hands at most [`BURST`] datagrams that are waiting to `take`. True when more may be waiting.
    pub(crate) fn receive(
        &mut self,
        counters: &mut TransportCounters,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> bool {
        for _ in 0..BURST {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, remote)) => {
                    counters.received += 1;
                    take(remote, self.buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => counters.receive_failed += 1,
            }
        }
        true
    }

    /// Sends one datagram.
    pub(crate) fn send(&self, counters: &mut TransportCounters, remote: SocketAddr, bytes: &[u8]) -> Sent {
        match self.socket.send_to(bytes, remote) {
            Ok(_) => counters.sent += 1,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                counters.send_dropped += 1;
            }
            Err(_) => {
                counters.send_failed += 1;
                return Sent::Unreachable;
            }
        }
        Sent::Yes
    }
}

impl AsFd for UdpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> (UdpListener, SocketAddr) {
        let listener = UdpListener::bind("127.0.0.1:0".parse().unwrap(), "udp").unwrap();
        let address = listener.socket.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn a_taken_port_is_named() {
        let (_listener, address) = bound();
        let error = UdpListener::bind(address, "second").unwrap_err();
        assert!(matches!(error, BindError::Taken { .. }));
        assert!(error.to_string().contains(&format!("port {} is taken", address.port())), "{error}");
    }

    #[test]
    fn a_burst_is_bounded_and_the_rest_waits() {
        let (mut listener, address) = bound();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..=BURST {
            peer.send_to(b"x", address).unwrap();
        }
        let mut counters = TransportCounters::default();
        let mut seen = 0;
        assert!(listener.receive(&mut counters, |_, _| seen += 1));
        assert_eq!(seen, BURST);
        assert!(!listener.receive(&mut counters, |_, _| seen += 1));
        assert_eq!((seen, counters.received), (BURST + 1, BURST as u64 + 1));
    }

    #[test]
    fn the_largest_datagram_comes_whole() {
        let (mut listener, address) = bound();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(&vec![7; 65_507], address).unwrap();
        let mut lengths = Vec::new();
        listener.receive(&mut TransportCounters::default(), |_, bytes| lengths.push(bytes.len()));
        assert_eq!(lengths, [65_507]);
    }

    #[test]
    fn an_unreachable_peer_is_told_from_a_full_buffer() {
        let (listener, _) = bound();
        let mut counters = TransportCounters::default();
        let nowhere = "127.0.0.1:0".parse().unwrap();
        assert_eq!(listener.send(&mut counters, nowhere, b"x"), Sent::Unreachable);
        assert_eq!(counters.send_failed, 1);
    }
}
