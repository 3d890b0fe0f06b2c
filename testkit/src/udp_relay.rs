//! A UDP relay that loses, doubles and delays packets as a seed says, for tests on loopback.
//!
//! Everything that reaches it goes to its target, except what the target sends: that goes to whom it heard last.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How bad the path to the target is. The way back is perfect.
#[derive(Debug, Clone, Copy)]
pub struct Badness {
    /// Which packets suffer: equal seeds treat the n-th packet alike.
    pub seed: u64,
    /// Lost, per thousand.
    pub loss_per_mille: u32,
    /// Sent twice, per thousand of those not lost.
    pub duplicate_per_mille: u32,
    /// Each is delayed by a random time up to this, so they may overtake each other.
    pub jitter: Duration,
}

impl Default for Badness {
    fn default() -> Self {
        Self { seed: 1, loss_per_mille: 0, duplicate_per_mille: 0, jitter: Duration::ZERO }
    }
}

/// What a relay has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Packets sent on to the target, each once.
    pub passed: u64,
    /// Packets lost on purpose.
    pub lost: u64,
    /// Packets sent on twice.
    pub duplicated: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    duplicated: AtomicU64,
}

/// A running relay; ends when dropped.
#[derive(Debug)]
pub struct UdpRelay {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl UdpRelay {
    /// A relay to `target` on a free port of the target's host.
    pub fn start(target: SocketAddr, badness: Badness) -> io::Result<Self> {
        let socket = UdpSocket::bind((target.ip(), 0))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::default());
        let worker = Worker::new(socket, target, badness, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("udp-relay".into()).spawn(move || worker.run())?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where to send what should reach the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Counts {
            passed: read(&self.shared.passed),
            lost: read(&self.shared.lost),
            duplicated: read(&self.shared.duplicated),
        }
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How often a silent relay looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);
/// Delayed packets that are kept; beyond it they go at once.
const MOST_DELAYED: usize = 4096;

struct Worker {
    socket: UdpSocket,
    target: SocketAddr,
    badness: Badness,
    shared: Arc<Shared>,
    random: u64,
    heard: Option<SocketAddr>,
    delayed: BTreeMap<(Instant, u64), Vec<u8>>,
    sequence: u64,
}

impl Worker {
    fn new(socket: UdpSocket, target: SocketAddr, badness: Badness, shared: Arc<Shared>) -> Self {
        let random = badness.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { socket, target, badness, shared, random, heard: None, delayed: BTreeMap::new(), sequence: 0 }
    }

    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.send_due();
            let wait = self.delayed.first_key_value().map_or(LOOK, |((due, _), _)| {
                due.saturating_duration_since(Instant::now()).clamp(Duration::from_micros(100), LOOK)
            });
            if self.socket.set_read_timeout(Some(wait)).is_err() {
                return;
            }
            // Errors are time-outs, or ICMP of a peer that has gone: neither ends the relay.
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.pass(&buffer[..length], from);
            }
        }
    }

    fn pass(&mut self, bytes: &[u8], from: SocketAddr) {
        if from == self.target {
            if let Some(peer) = self.heard {
                let _ = self.socket.send_to(bytes, peer);
            }
            return;
        }
        self.heard = Some(from);
        if self.hits(self.badness.loss_per_mille) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.later(bytes);
        if self.hits(self.badness.duplicate_per_mille) {
            self.later(bytes);
            self.shared.duplicated.fetch_add(1, Ordering::Relaxed);
        }
        // Last and released: who sees a packet counted sees all of it counted.
        self.shared.passed.fetch_add(1, Ordering::Release);
    }

    fn later(&mut self, bytes: &[u8]) {
        let jitter = u64::try_from(self.badness.jitter.as_micros()).unwrap_or(u64::MAX);
        if jitter == 0 || self.delayed.len() >= MOST_DELAYED {
            let _ = self.socket.send_to(bytes, self.target);
            return;
        }
        let delay = Duration::from_micros(self.next() % jitter.saturating_add(1));
        self.sequence += 1;
        self.delayed.insert((Instant::now() + delay, self.sequence), bytes.to_vec());
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let bytes = entry.remove();
            let _ = self.socket.send_to(&bytes, self.target);
        }
    }

    fn hits(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.next() % 1000 < u64::from(per_mille)
    }

    /// xorshift64*: small, and the same everywhere.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    /// Sends 500 numbered packets through and returns how often each arrived.
    fn through(badness: Badness) -> (Vec<u32>, Counts) {
        let (sender, target) = (socket(), socket());
        let relay = UdpRelay::start(target.local_addr().unwrap(), badness).unwrap();
        let mut seen = vec![0; 500];
        let mut received = 0;
        let mut buffer = [0; 16];
        for number in 0..500u32 {
            sender.send_to(&number.to_be_bytes(), relay.address()).unwrap();
            // One in flight at a time: nothing but the relay can lose or reorder.
            let arrived = |c: Counts| c.passed + c.lost == u64::from(number) + 1;
            let deadline = Instant::now() + Duration::from_secs(5);
            while !arrived(relay.counts()) {
                assert!(Instant::now() < deadline, "the relay stands still");
                std::thread::yield_now();
            }
            let counts = relay.counts();
            while received < counts.passed + counts.duplicated {
                let (length, _) = target.recv_from(&mut buffer).unwrap();
                assert_eq!(length, 4);
                seen[u32::from_be_bytes(buffer[..4].try_into().unwrap()) as usize] += 1;
                received += 1;
            }
        }
        (seen, relay.counts())
    }

    #[test]
    fn a_perfect_relay_passes_everything_once() {
        let (seen, counts) = through(Badness::default());
        assert!(seen.iter().all(|times| *times == 1));
        assert_eq!(counts, Counts { passed: 500, lost: 0, duplicated: 0 });
    }

    #[test]
    fn loss_and_duplication_are_counted_and_follow_the_seed() {
        let bad = Badness { seed: 5, loss_per_mille: 200, duplicate_per_mille: 100, ..Badness::default() };
        let (seen, counts) = through(bad);
        assert!((50..200).contains(&counts.lost), "{counts:?}");
        assert_eq!(seen.iter().filter(|times| **times == 0).count() as u64, counts.lost);
        assert_eq!(seen.iter().filter(|times| **times == 2).count() as u64, counts.duplicated);
        assert_eq!(through(bad).0, seen, "the same seed treats the same packets alike");
    }

    #[test]
    fn the_way_back_leads_to_whom_was_heard() {
        let (sender, target) = (socket(), socket());
        let relay = UdpRelay::start(target.local_addr().unwrap(), Badness::default()).unwrap();
        sender.send_to(b"ping", relay.address()).unwrap();
        let mut buffer = [0; 16];
        let (_, from) = target.recv_from(&mut buffer).unwrap();
        target.send_to(b"pong", from).unwrap();
        let (length, from) = sender.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"pong"[..], relay.address()));
    }
}
