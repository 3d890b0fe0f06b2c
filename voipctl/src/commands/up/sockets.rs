//! Looks before anything is started whether the addresses and ports of a plan can be had.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

/// What cannot be had, and the mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// `--address` names another machine.
    #[error("--address {0} is not an address of this machine: `ip -br address` shows those that are")]
    NotOurs(IpAddr),
    /// `--address` names no machine.
    #[error("--address {0} cannot be dialled by a phone: give an address of this machine")]
    NotDialable(IpAddr),
    /// Another program has it.
    #[error("port {port}/{protocol} on {address} is taken: stop the program that has it, or change {field}")]
    Taken {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Field that says so, with its place.
        field: String,
    },
    /// The system refuses it.
    #[error("port {port}/{protocol} on {address} cannot be used ({source}): change {field}")]
    Refused {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
        /// Field that says so, with its place.
        field: String,
    },
}

/// Whether sockets can be bound to `address`, and phones can dial it.
pub(crate) fn check_address(address: IpAddr) -> Result<(), SocketError> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(SocketError::NotDialable(address));
    }
    UdpSocket::bind((address, 0)).map(drop).map_err(|_| SocketError::NotOurs(address))
}

/// Whether `socket` is free for UDP.
pub(crate) fn check_udp(socket: SocketAddr, field: &str) -> Result<(), SocketError> {
    UdpSocket::bind(socket).map(drop).map_err(|source| refusal(socket, "UDP", source, field))
}

/// Whether `socket` is free for TCP.
pub(crate) fn check_tcp(socket: SocketAddr, field: &str) -> Result<(), SocketError> {
    TcpListener::bind(socket).map(drop).map_err(|source| refusal(socket, "TCP", source, field))
}

fn refusal(socket: SocketAddr, protocol: &'static str, source: io::Error, field: &str) -> SocketError {
    let (address, port, field) = (socket.ip(), socket.port(), field.to_owned());
    if source.kind() == io::ErrorKind::AddrInUse {
        SocketError::Taken { protocol, address, port, field }
    } else {
        SocketError::Refused { protocol, address, port, source, field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_field_that_asks_for_it() {
        let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let message = check_udp(taken, "spec.signaling.listeners[0].port").unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "port {}/UDP on 127.0.0.1 is taken: stop the program that has it, or change \
                 spec.signaling.listeners[0].port",
                taken.port()
            )
        );
        drop(holder);
        check_udp(taken, "x").unwrap();
    }

    #[test]
    fn only_addresses_of_this_machine_that_can_be_dialled_will_do() {
        check_address([127, 0, 0, 1].into()).unwrap();
        // TEST-NET-3 (RFC 5737) is nobody's.
        assert!(matches!(check_address([203, 0, 113, 7].into()), Err(SocketError::NotOurs(_))));
        assert!(matches!(check_address([0, 0, 0, 0].into()), Err(SocketError::NotDialable(_))));
    }
}
