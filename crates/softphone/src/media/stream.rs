//! One call's RTP and RTCP: a handle on a thread, what it is told, what it counts.

mod reports;
mod worker;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_core::g711::Law;
use media_core::statistics::Sent;

use super::inbound::Inbound;
use super::ports::{PortPair, bind_pair};
use super::{Captured, MediaReport, RtcpReport};
use crate::audio::KnownAudio;
use crate::config::Audio;
use crate::wake::{self, Waker};
use worker::{Sockets, Worker};

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
    /// The thread has taken its last packet.
    over: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told once per packet time, and at the end.
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves counters, nothing that could be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    shared: Arc<Shared>,
    waker: Waker,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl MediaStream {
    /// Opens ports on `ip` and receives from now on.
    pub(crate) fn open(ip: IpAddr, options: StreamOptions) -> io::Result<Self> {
        let PortPair { rtp, rtcp } = bind_pair(ip)?;
        let local = rtp.local_addr()?;
        let inbound = Inbound::new(options.expect, options.capture);
        let state = State {
            plan: None,
            inbound,
            sent: Sent::default(),
            rtcp: RtcpReport::default(),
            stop: None,
            over: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let (waker, woken) = wake::pair()?;
        let worker = Worker::new(Sockets { rtp, rtcp, woken }, options, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("softphone-rtp".into()).spawn(move || worker.run())?;
        Ok(Self { local, shared, waker, thread: Mutex::new(Some(thread)) })
    }

    /// Our RTP address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// From the next packet on.
    pub(crate) fn set_plan(&self, plan: Plan) {
        let mut state = self.shared.lock();
        let silent = |plan: Plan| !plan.direction.receive;
        if silent(plan) || state.plan.is_some_and(silent) {
            state.inbound.pause();
        }
        state.plan = Some(plan);
    }

    /// What came of it so far.
    pub(crate) fn report(&self) -> MediaReport {
        self.report_of(&self.shared.lock())
    }

    fn report_of(&self, state: &State) -> MediaReport {
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

    /// Waits until `enough` of the report so far; none when time is over, or the stream.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        enough: impl Fn(&MediaReport) -> bool,
    ) -> Option<MediaReport> {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            let report = self.report_of(&state);
            if enough(&report) {
                return Some(report);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.over {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The datagrams kept.
    pub(crate) fn captured(&self) -> Vec<Captured> {
        self.shared.lock().inbound.captured.clone()
    }

    /// Takes what has come, says what it has to say, closes the ports. Counters stay.
    pub(crate) fn stop(&self, farewell: Farewell) {
        self.shared.lock().stop.get_or_insert(farewell);
        self.waker.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
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

#[cfg(test)]
mod tests;
