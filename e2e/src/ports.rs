//! Port numbers that no other test uses at the same time, in this process or another.

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

/// RTP and control ports of one block.
const RTP_PORTS: u16 = 512;
/// Above what examples/quickstart.yaml uses, which the README test runs as it stands.
const FIRST_RTP: u16 = 17408;
const FIRST_SIP: u16 = 15000;
const FIRST_GUARD: u16 = 14000;
/// SIP ports of one block: the cluster's own and those of foreign phones.
const SIP_PORTS: u16 = 8;
/// As many as fit below the control ports of the quick start.
const BLOCKS: u16 = 24;

/// A block of port numbers, ours until dropped.
pub struct Block {
    number: u16,
    /// Bound for as long as the block is ours: that is what keeps others out.
    _guard: TcpListener,
}

impl Block {
    /// Takes a free block; waits for one when tests hold them all.
    pub fn take() -> Self {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            for number in 0..BLOCKS {
                let Ok(guard) = TcpListener::bind(("127.0.0.1", FIRST_GUARD + number)) else { continue };
                let block = Self { number, _guard: guard };
                if UdpSocket::bind(("127.0.0.1", block.sip(0))).is_ok() {
                    return block;
                }
            }
            assert!(Instant::now() < deadline, "no block of ports became free");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The `nth` SIP port, 0 to 7; 0 is the cluster's.
    pub fn sip(&self, nth: u16) -> u16 {
        assert!(nth < SIP_PORTS, "a block has {SIP_PORTS} SIP ports");
        FIRST_SIP + self.number * SIP_PORTS + nth
    }

    /// First and last port for `network.portRange`.
    pub fn rtp(&self) -> (u16, u16) {
        let first = FIRST_RTP + self.number * RTP_PORTS;
        (first, first + RTP_PORTS - 1)
    }
}
