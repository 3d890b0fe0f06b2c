//! The thread: sends on a fixed grid of 20 ms, receives in between.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::rtp::Header;

use super::reports::HeardReport;
use super::{Farewell, Plan, Shared, StreamOptions};
use crate::audio::{KnownAudio, PAYLOAD_BYTES};
use crate::config::Audio;
use crate::wake::{Woken, wait_readable};

/// Packet time of what is sent.
const TICK: Duration = Duration::from_millis(20);
/// Its samples.
const TICK_SAMPLES: u32 = 160;
/// Behind the grid by more than this, the grid is laid anew instead of sending a burst.
const MOST_BEHIND: Duration = Duration::from_millis(200);
/// Datagrams taken per socket before the clock is looked at again.
pub(super) const BURST: usize = 32;
/// When the first report is sent, and how far apart the others are: half to one and a half times the second (RFC 3550
/// section 6.3.1).
const FIRST_REPORT: Duration = Duration::from_millis(500);
const REPORT_INTERVAL: Duration = Duration::from_millis(2500);

/// What it waits for.
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    pub(super) woken: Woken,
}

/// Everything that only the thread touches.
pub(super) struct Worker {
    pub(super) sockets: Sockets,
    options: StreamOptions,
    pub(super) shared: Arc<Shared>,
    /// Of the next packet.
    pub(super) header: Header,
    /// In the known audio.
    position: u32,
    pub(super) payload_bytes: u32,
    talking: bool,
    random: u64,
    next_report: Instant,
    pub(super) heard: Option<HeardReport>,
}

impl Worker {
    pub(super) fn new(sockets: Sockets, options: StreamOptions, shared: Arc<Shared>) -> Self {
        let [s0, s1, t0, t1, ssrc @ ..] = options.seed.to_be_bytes();
        let header = Header {
            marker: true,
            payload_type: 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t1, s0, t0, s1]),
            ssrc: u32::from_be_bytes(ssrc),
        };
        Self {
            sockets,
            shared,
            header,
            position: 0,
            payload_bytes: 0,
            talking: false,
            random: options.seed | 1,
            next_report: Instant::now() + FIRST_REPORT,
            heard: None,
            options,
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let mut tick = Instant::now();
        loop {
            self.receive_rtp();
            self.receive_rtcp();
            let (plan, stop) = {
                let state = self.shared.lock();
                (state.plan, state.stop)
            };
            if let Some(farewell) = stop {
                return self.end(plan, farewell);
            }
            let now = Instant::now();
            if now >= tick {
                self.tick(now, plan);
                tick = next_tick(tick, now);
                self.shared.changed.notify_all();
            }
            let Sockets { rtp, rtcp, woken } = &self.sockets;
            let wait = tick.saturating_duration_since(Instant::now());
            wait_readable(&[rtp.as_fd(), rtcp.as_fd(), woken.as_fd()], Some(wait));
        }
    }

    fn end(&mut self, plan: Option<Plan>, farewell: Farewell) {
        if farewell == Farewell::Bye {
            self.send_report(plan, true);
        }
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
    }

    fn tick(&mut self, now: Instant, plan: Option<Plan>) {
        self.send_audio(plan);
        if now >= self.next_report {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let spread = Duration::from_millis((self.random >> 33) % 2500);
            self.next_report = now + REPORT_INTERVAL / 2 + spread;
            self.send_report(plan, false);
        }
        // Media time goes on while nothing is sent.
        self.header.timestamp = self.header.timestamp.wrapping_add(TICK_SAMPLES);
    }

    fn send_audio(&mut self, plan: Option<Plan>) {
        let sending = plan.filter(|plan| plan.direction.send);
        let (Some(plan), Audio::Known(seed)) = (sending, self.options.audio) else {
            self.talking &= sending.is_some();
            return;
        };
        let payload = KnownAudio::new(seed).payload(plan.law, self.position);
        self.position = self.position.wrapping_add(1);
        self.send_packet(&plan, plan.payload_type, &payload);
    }

    fn send_packet(&mut self, plan: &Plan, payload_type: u8, payload: &[u8]) {
        self.header.payload_type = payload_type;
        self.header.marker = !std::mem::replace(&mut self.talking, true);
        let mut packet = [0; 12 + 4 * PAYLOAD_BYTES];
        let Some(length) = self.header.write(payload, &mut packet) else { return };
        self.header.sequence = self.header.sequence.wrapping_add(1);
        // A refused or lost packet was sent all the same: the far side's report tells.
        let _ = self.sockets.rtp.send_to(packet.get(..length).unwrap_or_default(), plan.remote);
        self.payload_bytes = self.payload_bytes.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        self.shared.lock().sent.add(length);
    }

    fn receive_rtp(&mut self) {
        let mut buffer = [0; 2048];
        for _ in 0..BURST {
            let (length, from) = match self.sockets.rtp.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // ICMP of an earlier packet.
                Err(_) => continue,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let at = self.options.began.elapsed();
            let (packet, plan) = {
                let mut state = self.shared.lock();
                (state.inbound.datagram(at, from, bytes), state.plan)
            };
            if self.options.audio == Audio::Echo
                && let (Some(packet), Some(plan)) = (packet, plan.filter(|plan| plan.direction.send))
            {
                self.send_packet(&plan, packet.header.payload_type, packet.payload);
            }
        }
    }
}

fn next_tick(tick: Instant, now: Instant) -> Instant {
    let next = tick + TICK;
    if now.saturating_duration_since(next) > MOST_BEHIND { now + TICK } else { next }
}
