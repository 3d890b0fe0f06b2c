//! The thread of one call's RTP and RTCP: sends on a fixed grid of 20 ms, receives in between.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media_core::g711::Law;
use media_core::rtcp::{self, ReceiverReport, ReportBlock, RtcpPacket, SenderInfo, SenderReport};
use media_core::rtp::Header;
use media_core::statistics::Sent;

use super::inbound::Inbound;
use super::ports::{PortPair, bind_pair};
use super::{Captured, MediaReport, RtcpReport};
use crate::audio::{KnownAudio, PAYLOAD_BYTES};
use crate::config::Audio;
use crate::wake::{self, Waker, Woken, wait_readable};

/// Packet time of what is sent.
const TICK: Duration = Duration::from_millis(20);
/// Behind the grid by more than this, the grid is laid anew instead of sending a burst.
const MOST_BEHIND: Duration = Duration::from_millis(200);
/// Datagrams taken per socket before the clock is looked at again.
const BURST: usize = 32;
/// When the first report is sent, and how far apart the others are: half to one and a half times the second.
const FIRST_REPORT: Duration = Duration::from_millis(500);
const REPORT_INTERVAL: Duration = Duration::from_millis(2500);
/// NTP counts from 1900 (RFC 5905).
const NTP_OFFSET_S: u64 = 2_208_988_800;

/// What a stream does all its life.
#[derive(Debug, Clone)]
pub(crate) struct StreamOptions {
    /// What is sent.
    pub(crate) audio: Audio,
    /// What should come.
    pub(crate) expect: Option<KnownAudio>,
    /// Datagrams kept for tests.
    pub(crate) capture: usize,
    /// When the call began.
    pub(crate) began: Instant,
    /// Picks SSRC, first sequence number and timestamp.
    pub(crate) seed: u64,
}

/// Who may send, as offer and answer left it, from our point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Direction {
    /// We send.
    pub(crate) send: bool,
    /// The far side sends.
    pub(crate) receive: bool,
}

/// What offer and answer have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Where RTP goes.
    pub(crate) remote: SocketAddr,
    /// Where RTCP goes.
    pub(crate) remote_rtcp: SocketAddr,
    /// Codec.
    pub(crate) law: Law,
    /// Its payload type at the far side.
    pub(crate) payload_type: u8,
    /// Who sends.
    pub(crate) direction: Direction,
}

#[derive(Debug)]
struct State {
    plan: Option<Plan>,
    inbound: Inbound,
    sent: Sent,
    rtcp: RtcpReport,
    stop: Option<Farewell>,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// With a BYE by RTCP.
    Bye,
    /// Without a word.
    None,
}

/// A running stream. Ends, with its sockets, when dropped.
#[derive(Debug)]
pub(crate) struct MediaStream {
    local: SocketAddr,
    state: Arc<Mutex<State>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere leaves counters, nothing that could be half done.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MediaStream {
    /// Opens ports on `ip` and receives from now on.
    pub(crate) fn open(ip: IpAddr, options: StreamOptions) -> io::Result<Self> {
        let PortPair { rtp, rtcp } = bind_pair(ip)?;
        let local = rtp.local_addr()?;
        let inbound = Inbound::new(options.expect, options.capture);
        let state =
            State { plan: None, inbound, sent: Sent::default(), rtcp: RtcpReport::default(), stop: None };
        let state = Arc::new(Mutex::new(state));
        let (waker, woken) = wake::pair()?;
        let worker = Worker::new(Sockets { rtp, rtcp, woken }, options, Arc::clone(&state));
        let thread = std::thread::Builder::new().name("softphone-rtp".into()).spawn(move || worker.run())?;
        Ok(Self { local, state, waker, thread: Some(thread) })
    }

    /// Our RTP address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// From the next packet on.
    pub(crate) fn set_plan(&self, plan: Plan) {
        let mut state = lock(&self.state);
        let silent = |plan: Plan| !plan.direction.receive;
        if silent(plan) || state.plan.is_some_and(silent) {
            state.inbound.pause();
        }
        state.plan = Some(plan);
    }

    /// What came of it so far.
    pub(crate) fn report(&self) -> MediaReport {
        let state = lock(&self.state);
        let inbound = &state.inbound;
        MediaReport {
            sent: state.sent.packets,
            received: inbound.reception.packets(),
            lost: inbound.reception.lost(),
            duplicates: inbound.duplicates,
            jitter_ms: f64::from(inbound.reception.jitter_us()) / 1000.0,
            mos: inbound.mos(),
            matched: inbound.matched,
            mismatched: inbound.mismatched,
            matches: inbound.matches(),
            first_packet_ms: inbound.first.map(millis),
            longest_gap_ms: millis(inbound.longest_gap),
            restarts: inbound.reception.restarts(),
            refused: inbound.refused,
            rtcp: state.rtcp,
            codec: state.plan.map(|plan| plan.law.name()),
            local: self.local,
            remote: state.plan.map(|plan| plan.remote),
        }
    }

    /// The datagrams kept.
    pub(crate) fn captured(&self) -> Vec<Captured> {
        lock(&self.state).inbound.captured.clone()
    }

    /// Takes what has come, says what it has to say, closes the ports. Counters stay.
    pub(crate) fn stop(&mut self, farewell: Farewell) {
        lock(&self.state).stop.get_or_insert(farewell);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for MediaStream {
    fn drop(&mut self) {
        self.stop(Farewell::Bye);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What the last sender report of the far side said, for our report on it.
#[derive(Debug, Clone, Copy)]
struct HeardReport {
    middle: u32,
    at: Instant,
}

struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    woken: Woken,
}

struct Worker {
    sockets: Sockets,
    options: StreamOptions,
    state: Arc<Mutex<State>>,
    header: Header,
    position: u32,
    payload_bytes: u32,
    talking: bool,
    random: u64,
    next_report: Instant,
    heard: Option<HeardReport>,
}

impl Worker {
    fn new(sockets: Sockets, options: StreamOptions, state: Arc<Mutex<State>>) -> Self {
        let [a, b, c, d, e, f, g, h] = options.seed.to_be_bytes();
        let header = Header {
            marker: true,
            payload_type: 0,
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([e, g, f, h]),
            ssrc: u32::from_be_bytes([a, b, c, d]),
        };
        Self {
            sockets,
            state,
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

    fn run(mut self) {
        let mut tick = Instant::now();
        loop {
            self.receive_rtp();
            self.receive_rtcp();
            let (plan, stop) = {
                let state = lock(&self.state);
                (state.plan, state.stop)
            };
            match stop {
                Some(Farewell::Bye) => return self.send_report(plan, true),
                Some(Farewell::None) => return,
                None => {}
            }
            let now = Instant::now();
            if now >= tick {
                self.tick(now, plan);
                tick = next_tick(tick, now);
            }
            let Sockets { rtp, rtcp, woken } = &self.sockets;
            let wait = tick.saturating_duration_since(Instant::now());
            wait_readable(&[rtp.as_fd(), rtcp.as_fd(), woken.as_fd()], Some(wait));
        }
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
        self.header.timestamp = self.header.timestamp.wrapping_add(160);
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
        lock(&self.state).sent.add(length);
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
                let mut state = lock(&self.state);
                (state.inbound.datagram(at, from, bytes), state.plan)
            };
            if self.options.audio == Audio::Echo
                && let (Some(packet), Some(plan)) = (packet, plan.filter(|plan| plan.direction.send))
            {
                self.send_packet(&plan, packet.header.payload_type, packet.payload);
            }
        }
    }

    fn receive_rtcp(&mut self) {
        let mut buffer = [0; 2048];
        for _ in 0..BURST {
            let length = match self.sockets.rtcp.recv_from(&mut buffer) {
                Ok((length, _)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            lock(&self.state).rtcp.received += 1;
            for packet in rtcp::parse(buffer.get(..length).unwrap_or_default()).map_while(Result::ok) {
                self.heard(&packet);
            }
        }
    }

    fn heard(&mut self, packet: &RtcpPacket<'_>) {
        let blocks = match packet {
            RtcpPacket::Sender { info, blocks, .. } => {
                self.heard = Some(HeardReport { middle: middle(info.ntp), at: Instant::now() });
                blocks
            }
            RtcpPacket::Receiver { blocks, .. } => blocks,
            _ => return,
        };
        for block in blocks.iter().filter(|block| block.ssrc == self.header.ssrc) {
            self.note_far_side(&block);
        }
    }

    fn note_far_side(&self, block: &ReportBlock) {
        let mut state = lock(&self.state);
        state.rtcp.far_lost = Some(block.cumulative_lost);
        state.rtcp.far_jitter = Some(block.jitter);
        if block.last_sender_report != 0 {
            let taken =
                middle(ntp_now()).wrapping_sub(block.last_sender_report).wrapping_sub(block.delay_since_last);
            // Clock granularity can make it negative; then it is no measure.
            if taken < 1 << 31 {
                let us = u64::from(taken).saturating_mul(1_000_000) >> 16;
                state.rtcp.round_trip_us = u32::try_from(us).ok();
            }
        }
    }

    fn send_report(&mut self, plan: Option<Plan>, bye: bool) {
        let Some(plan) = plan else { return };
        let (mut block, sent) = {
            let mut state = lock(&self.state);
            state.rtcp.sent += 1;
            (state.inbound.reception.report(), state.sent)
        };
        if let (Some(block), Some(heard)) = (&mut block, self.heard) {
            block.last_sender_report = heard.middle;
            let delay = heard.at.elapsed().as_micros().saturating_mul(65_536) / 1_000_000;
            block.delay_since_last = u32::try_from(delay).unwrap_or(u32::MAX);
        }
        let cname = format!("{:08x}@softphone", self.header.ssrc);
        let (ssrc, cname) = (self.header.ssrc, cname.as_str());
        let mut out = Vec::with_capacity(128);
        if sent.packets > 0 {
            let packets = u32::try_from(sent.packets & 0xffff_ffff).unwrap_or(0);
            let bytes = self.payload_bytes;
            let info = SenderInfo { ntp: ntp_now(), timestamp: self.header.timestamp, packets, bytes };
            SenderReport { ssrc, info, block, cname }.write(&mut out);
        } else {
            ReceiverReport { ssrc, block, cname }.write(&mut out);
        }
        if bye {
            rtcp::write_bye(ssrc, &mut out);
        }
        let _ = self.sockets.rtcp.send_to(&out, plan.remote_rtcp);
    }
}

fn next_tick(tick: Instant, now: Instant) -> Instant {
    let next = tick + TICK;
    if now.saturating_duration_since(next) > MOST_BEHIND { now + TICK } else { next }
}

fn ntp_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs().wrapping_add(NTP_OFFSET_S)) << 32) | fraction
}

/// The middle 32 bits of an NTP time.
fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests;
