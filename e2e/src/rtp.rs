//! An RTP end of our own, for peers that cannot check payloads.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of an RTP header without CSRC and extension.
const HEADER: usize = 12;
/// G.711 samples in 20 ms.
const PAYLOAD: usize = 160;

/// A socket that sends numbered packets of known content and remembers what comes.
pub struct RtpEnd {
    socket: UdpSocket,
    seed: u8,
}

impl RtpEnd {
    /// An end whose payloads are told by `seed`, on an even port of loopback that the system picks.
    pub fn new(seed: u8) -> Self {
        loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
            if socket.local_addr().expect("a bound socket has an address").port().is_multiple_of(2) {
                socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket takes a time-out");
                return Self { socket, seed };
            }
        }
    }

    /// Its port, for an SDP body.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket has an address").port()
    }

    /// The payload that an end with `seed` sends as packet `number`.
    pub fn payload(seed: u8, number: u16) -> [u8; PAYLOAD] {
        let [high, low] = number.to_be_bytes();
        let mut payload = [0; PAYLOAD];
        for (index, byte) in payload.iter_mut().enumerate() {
            let position = u8::try_from(index).expect("160 fits a byte");
            *byte = position.wrapping_mul(31) ^ seed ^ low.rotate_left(3) ^ high;
        }
        payload
    }

    /// Sends packets 0 to `count` - 1 to `to`, 20 ms apart, and meanwhile collects the payloads that come, by
    /// sequence number.
    pub fn exchange(&self, to: SocketAddr, count: u16) -> Vec<(u16, Vec<u8>)> {
        let mut heard = Vec::new();
        let start = Instant::now();
        for number in 0..count {
            let mut packet = vec![0x80, 0];
            packet.extend(number.to_be_bytes());
            packet.extend((u32::from(number) * 160).to_be_bytes());
            packet.extend([self.seed, 0, 0, 1]);
            packet.extend(Self::payload(self.seed, number));
            self.socket.send_to(&packet, to).expect("loopback takes a packet");
            self.listen_until(start + Duration::from_millis(20) * u32::from(number + 1), &mut heard);
        }
        self.listen_until(Instant::now() + Duration::from_millis(200), &mut heard);
        heard
    }

    fn listen_until(&self, end: Instant, heard: &mut Vec<(u16, Vec<u8>)>) {
        let mut buffer = [0; 2048];
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.socket.set_read_timeout(Some(left)).expect("a socket takes a time-out");
            if let Ok(length) = self.socket.recv(&mut buffer)
                && length > HEADER
            {
                heard.push((u16::from_be_bytes([buffer[2], buffer[3]]), buffer[HEADER..length].to_vec()));
            }
        }
    }
}
