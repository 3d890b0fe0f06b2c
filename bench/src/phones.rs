//! The phones: each sends a packet every 20 ms and takes what comes.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use media_core::rtp::{HEADER_BYTES, Header};

const FRAME: Duration = Duration::from_millis(20);
/// The phones are spread over a frame in so many steps.
const STEPS: usize = 20;
const PACKET: usize = 172;
/// Latencies are counted in buckets of 10 us.
const BUCKET_US: usize = 10;

/// The phones of all calls: caller, callee, caller, callee ...
pub(crate) struct Phones {
    pub(crate) sockets: Vec<UdpSocket>,
    sequence: u16,
    started: Instant,
}

/// What became of the packets of one run.
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    latencies: Vec<u64>,
}

impl Outcome {
    /// The latency that so many of a hundred packets did not exceed.
    pub(crate) fn latency(&self, percent: u64) -> Duration {
        let mut left = self.received * percent / 100;
        let bucket = self.latencies.iter().position(|count| {
            let found = left < *count;
            left = left.saturating_sub(*count);
            found
        });
        Duration::from_micros((bucket.unwrap_or(self.latencies.len()) * BUCKET_US) as u64)
    }
}

impl Phones {
    pub(crate) fn bind(calls: u16) -> Result<Self> {
        let bind = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets = (0..calls * 2).map(bind).collect::<Result<_>>().context("bind the phones")?;
        Ok(Self { sockets, sequence: 0, started: Instant::now() })
    }

    pub(crate) fn connect(&mut self, relay: &[SocketAddr]) -> Result<()> {
        ensure!(relay.len() == self.sockets.len(), "a port of the relay per phone");
        for (socket, port) in self.sockets.iter().zip(relay) {
            socket.connect(port)?;
        }
        Ok(())
    }

    /// Sends for `length`, then takes what is still under way.
    pub(crate) fn run(&mut self, length: Duration) -> Result<Outcome> {
        let mut outcome = Outcome { sent: 0, received: 0, latencies: vec![0; 10_000] };
        let step = FRAME / u32::try_from(STEPS)?;
        let began = Instant::now();
        let steps = u32::try_from(length.as_micros() / step.as_micros())?;
        for n in 0..steps {
            let due = began + step * n;
            while Instant::now() < due {
                self.receive(&mut outcome, n as usize);
                let left = due.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(Duration::from_micros(200)));
            }
            self.send(&mut outcome, n as usize)?;
        }
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            (0..STEPS).for_each(|n| self.receive(&mut outcome, n));
            std::thread::sleep(step);
        }
        Ok(outcome)
    }

    fn send(&mut self, outcome: &mut Outcome, step: usize) -> Result<()> {
        if step.is_multiple_of(STEPS) {
            self.sequence = self.sequence.wrapping_add(1);
        }
        let mut packet = [0; PACKET];
        for (index, socket) in self.sockets.iter().enumerate().skip(step % STEPS).step_by(STEPS) {
            let header = Header {
                marker: false,
                payload_type: 0,
                sequence: self.sequence,
                timestamp: u32::from(self.sequence) * 160,
                ssrc: u32::try_from(index)?,
            };
            packet[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            let now = u64::try_from(self.started.elapsed().as_nanos())?;
            packet[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&now.to_ne_bytes());
            // A refused packet is one that the relay could not have taken; it counts as lost.
            let _ = socket.send(&packet);
            outcome.sent += 1;
        }
        Ok(())
    }

    /// Takes what came for the phones whose partner sent in this step or the one before.
    fn receive(&self, outcome: &mut Outcome, step: usize) {
        for offset in [STEPS - 2, STEPS - 1, 0, 1] {
            let first = (step + offset) % STEPS;
            for socket in self.sockets.iter().skip(first).step_by(STEPS) {
                self.drain(socket, outcome);
            }
        }
    }

    fn drain(&self, socket: &UdpSocket, outcome: &mut Outcome) {
        let mut packet = [0; PACKET + 1];
        while let Ok(PACKET) = socket.recv(&mut packet) {
            outcome.received += 1;
            let mut sent = [0; 8];
            sent.copy_from_slice(&packet[HEADER_BYTES..HEADER_BYTES + 8]);
            let took = self.started.elapsed().saturating_sub(Duration::from_nanos(u64::from_ne_bytes(sent)));
            let bucket = usize::try_from(took.as_micros()).unwrap_or(usize::MAX) / BUCKET_US;
            let last = outcome.latencies.len() - 1;
            outcome.latencies[bucket.min(last)] += 1;
        }
    }
}
