use std::net::{IpAddr, Ipv4Addr};

use super::*;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Bound by number, as in production: a port that the kernel chose is given up again by unconnecting.
fn socket() -> UdpSocket {
    let free = || UdpSocket::bind((LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let socket = (0..100).find_map(|_| UdpSocket::bind(free()).ok()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn port_for(peer: &UdpSocket) -> (Port, SocketAddr) {
    let socket = socket();
    let address = socket.local_addr().unwrap();
    let mut port = Port::new(socket, Style::Connected);
    port.set_policy(Duration::ZERO, LatchPolicy { signalled: peer.local_addr().unwrap(), source: LOCALHOST });
    (port, address)
}

/// Loopback delivers before `send` returns, so that nothing has to be awaited.
fn receive(port: &mut Port, at_ms: u64) -> Option<Vec<u8>> {
    let mut buffer = [0; 100];
    match port.receive(Duration::from_millis(at_ms), &mut buffer) {
        Received::Packet(bytes) => Some(buffer[..bytes].to_vec()),
        Received::Foreign | Received::Nothing => None,
    }
}

#[test]
fn nothing_is_taken_or_sent_before_the_peer_is_known() {
    let (peer, socket) = (peer(), socket());
    let address = socket.local_addr().unwrap();
    let mut port = Port::new(socket, Style::Connected);
    peer.send_to(b"early", address).unwrap();
    assert_eq!(port.receive(Duration::ZERO, &mut [0; 100]), Received::Foreign);
    assert_eq!(port.send(b"x"), Sent::NoPeer);
}

#[test]
fn what_others_queued_before_the_connect_is_refused() {
    let (friend, stranger) = (peer(), peer());
    let (mut port, address) = port_for(&friend);
    friend.send_to(b"one", address).unwrap();
    stranger.send_to(b"evil", address).unwrap();
    friend.send_to(b"two", address).unwrap();
    assert_eq!(receive(&mut port, 0), Some(b"one".to_vec()));
    assert!(port.connected && port.mixed);
    assert_eq!(port.receive(Duration::ZERO, &mut [0; 100]), Received::Foreign);
    assert_eq!(receive(&mut port, 0), Some(b"two".to_vec()));
    assert_eq!(port.receive(Duration::ZERO, &mut [0; 100]), Received::Nothing);
    assert!(!port.mixed, "the queue was seen empty");
    stranger.send_to(b"evil", address).unwrap();
    friend.send_to(b"three", address).unwrap();
    assert_eq!(receive(&mut port, 0), Some(b"three".to_vec()), "the kernel has dropped the stranger's");
}

#[test]
fn after_silence_the_same_host_is_heard_on_another_port() {
    let (first, second) = (peer(), peer());
    let (mut port, address) = port_for(&first);
    first.send_to(b"one", address).unwrap();
    assert_eq!(receive(&mut port, 0), Some(b"one".to_vec()));
    assert_eq!(receive(&mut port, 1), None);
    port.notice_silence(Duration::from_millis(500));
    assert!(port.connected, "half a second is no silence");
    port.notice_silence(Duration::from_secs(2));
    assert!(!port.connected);
    assert_eq!(port.socket.local_addr().unwrap(), address, "unconnecting keeps address and port");
    second.send_to(b"moved", address).unwrap();
    assert_eq!(receive(&mut port, 2_010), Some(b"moved".to_vec()));
    assert_eq!(port.send(b"hello"), Sent::Yes);
    let mut buffer = [0; 100];
    assert_eq!(second.recv(&mut buffer).unwrap(), 5);
}

#[test]
fn a_closed_peer_is_no_error() {
    let friend = peer();
    let (mut port, address) = port_for(&friend);
    friend.send_to(b"one", address).unwrap();
    assert!(receive(&mut port, 0).is_some());
    let back = friend.local_addr().unwrap();
    drop(friend);
    assert_eq!(port.send(b"x"), Sent::Yes);
    assert_eq!(port.send(b"x"), Sent::Yes, "the ICMP error of the first is no error of the second");
    assert_eq!(receive(&mut port, 1), None);
    let friend = UdpSocket::bind(back).unwrap();
    friend.send_to(b"back", address).unwrap();
    assert_eq!(receive(&mut port, 2), Some(b"back".to_vec()));
}
