//! A relay thread: one epoll loop that owns its legs and sockets outright.
//!
//! Nothing in the path of a packet locks, allocates or waits. Commands come through a bounded queue and are applied
//! between rounds; what control must know goes back through another.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use media_core::prompt::PACKET_BYTES;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use tokio::sync::mpsc;
use voip_contract::{CallId, LegId};
use voip_telemetry::Heartbeat;

use super::counters::{Counter, Published, Tally};
use super::leg::{Leg, Output, Turn};
use super::port::{Received, Sent};
use super::reports;
use super::slab::{Slab, Slot};
use super::{Batch, Event};

mod apply;

/// Sockets that one round serves; the others come first in the next.
const ROUND: usize = 512;
/// Datagrams taken from one socket in one round while it is not known whether a stranger queued them. Connected
/// sockets give one: a phone sends every 20 ms, and asking again only to hear "nothing" costs a system call.
const MIXED_DRAIN: usize = 32;
/// Batches of commands applied between two rounds.
const COMMANDS: usize = 64;
/// Largest datagram.
const DATAGRAM: usize = 65_536;
/// How often silent peers, due reports and one-way audio are looked for.
const SWEEP: Duration = Duration::from_millis(250);
/// How soon an event that control had no room for is offered again.
const BACKLOG_RETRY: Duration = Duration::from_millis(5);
/// A leg that was silent this long while the other was heard is counted as one-way.
const ONE_WAY: Duration = Duration::from_secs(3);
/// The other was heard within this time.
const HEARD_LATELY: Duration = Duration::from_secs(1);
/// Marks the eventfd; slots are far below.
const WAKE: u64 = u64::MAX;

/// What a relay thread is made of.
pub struct Relay {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    commands: Receiver<Batch>,
    events: mpsc::Sender<Event>,
    /// Events that found no room. At most one per batch and per prompt.
    backlog: VecDeque<Event>,
    started: Instant,
    heartbeat: Heartbeat,
    published: Arc<Published>,
    tally: Tally,
    cname: String,
    legs: Slab<Leg>,
    sessions: HashMap<CallId, Vec<(LegId, Slot)>>,
    /// When the next packet of which prompt is due.
    turns: BinaryHeap<Reverse<(Duration, Slot)>>,
    datagram: Box<[u8]>,
    report: Vec<u8>,
    next_sweep: Duration,
    /// Commands were left in the queue.
    more_commands: bool,
    stopped: bool,
}

/// Room for what one round finds ready. Not part of [`Relay`], for the kernel's events may not change threads.
pub struct Ready(Vec<epoll::Event>);

impl Default for Ready {
    fn default() -> Self {
        Self(Vec::with_capacity(ROUND))
    }
}

/// What a relay is connected to.
pub struct Connections {
    /// Its commands.
    pub commands: Receiver<Batch>,
    /// Its events.
    pub events: mpsc::Sender<Event>,
    /// What it counts.
    pub published: Arc<Published>,
    /// Its sign of life.
    pub heartbeat: Heartbeat,
}

impl Relay {
    /// A relay without legs. `started` is the zero of its clock; `cname` names us in RTCP.
    pub fn new(started: Instant, cname: String, connections: Connections) -> io::Result<Self> {
        let Connections { commands, events, published, heartbeat } = connections;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake,
            commands,
            events,
            backlog: VecDeque::new(),
            started,
            heartbeat,
            published,
            tally: Tally::default(),
            cname,
            legs: Slab::new(),
            sessions: HashMap::new(),
            turns: BinaryHeap::new(),
            datagram: vec![0; DATAGRAM].into_boxed_slice(),
            report: Vec::with_capacity(1024),
            next_sweep: Duration::ZERO,
            more_commands: false,
            stopped: false,
        })
    }

    /// Write to it after a command was queued.
    pub fn wake_handle(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.wake)
    }

    /// Runs until it is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        let mut ready = Ready::default();
        while self.round(&mut ready)? {}
        Ok(())
    }

    /// Waits for work and does what is there. False once told to stop.
    pub fn round(&mut self, Ready(ready): &mut Ready) -> io::Result<bool> {
        ready.clear();
        let timeout = self.timeout();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut now = self.started.elapsed();
        let mut woken = self.more_commands;
        for (served, event) in ready.iter().enumerate() {
            // Jitter is measured with this clock, and a full round takes milliseconds.
            if served % 16 == 15 {
                now = self.started.elapsed();
            }
            match event.data.u64() {
                WAKE => woken = true,
                data => self.serve(now, data),
            }
        }
        self.play_due(now);
        if woken {
            self.take_commands(now);
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep(now);
        }
        self.flush_backlog();
        self.tally.count(Counter::Rounds);
        self.tally.publish(&self.published);
        Ok(!self.stopped)
    }

    /// Until the next thing that is due, rounded up to the milliseconds that `epoll_wait` counts in. Without prompts
    /// that is a sweep, and whether it comes a little late is not worth a look at the clock in each round.
    fn timeout(&self) -> Timespec {
        let until = match self.turns.peek() {
            _ if self.more_commands => Duration::ZERO,
            _ if !self.backlog.is_empty() => BACKLOG_RETRY,
            Some(Reverse((due, _))) => due.saturating_sub(self.started.elapsed()).min(SWEEP),
            None => SWEEP,
        };
        let ms = i64::try_from(until.as_micros().div_ceil(1_000)).unwrap_or(1);
        Timespec { tv_sec: ms / 1_000, tv_nsec: ms % 1_000 * 1_000_000 }
    }

    #[inline]
    fn serve(&mut self, now: Duration, data: u64) {
        let slot = Slot::try_from(data >> 1).unwrap_or(Slot::MAX);
        if data & 1 == 0 { self.serve_rtp(now, slot) } else { self.serve_rtcp(now, slot) }
    }

    #[inline]
    fn serve_rtp(&mut self, now: Duration, slot: Slot) {
        for _ in 0..MIXED_DRAIN {
            let Some(leg) = self.legs.get_mut(slot) else { return };
            let sure = leg.rtp.is_sure();
            match leg.rtp.receive(now, &mut self.datagram) {
                Received::Packet(bytes) => self.pass_on(now, slot, bytes),
                Received::Foreign => {
                    leg.refused += 1;
                    self.tally.count(Counter::DroppedForeignSource);
                }
                Received::Nothing => return,
            }
            if sure {
                return;
            }
        }
    }

    #[inline]
    fn pass_on(&mut self, now: Duration, from: Slot, bytes: usize) {
        let datagram = &self.datagram[..bytes];
        let Some(leg) = self.legs.get_mut(from) else { return };
        if !leg.count_received(now, datagram) {
            self.tally.count(Counter::DroppedNotRtp);
            return;
        }
        let (sent, counter) = match leg.output {
            Output::Nowhere => (None, Counter::DroppedNoPeer),
            Output::Back => (leg.relay(datagram), Counter::EchoedPackets),
            Output::To(to) => {
                (self.legs.get_mut(to).and_then(|to| to.relay(datagram)), Counter::RelayedPackets)
            }
        };
        count_sent(&mut self.tally, sent, counter);
        if counter == Counter::RelayedPackets && sent == Some(Sent::Yes) {
            self.tally.add(Counter::RelayedBytes, bytes as u64);
        }
    }

    /// Reports are passed on between phones, and read where we are the other side.
    fn serve_rtcp(&mut self, now: Duration, slot: Slot) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        let datagram = match leg.rtcp.receive(now, &mut self.datagram) {
            Received::Packet(bytes) => &self.datagram[..bytes],
            Received::Foreign => {
                leg.refused += 1;
                return self.tally.count(Counter::DroppedForeignSource);
            }
            Received::Nothing => return,
        };
        if media_core::rtp::classify(datagram) != media_core::rtp::Kind::Rtcp {
            leg.refused += 1;
            return self.tally.count(Counter::DroppedNotRtp);
        }
        leg.note_report(now, datagram);
        if let Output::To(to) = leg.output
            && let Some(to) = self.legs.get(to)
        {
            count_sent(&mut self.tally, Some(to.rtcp.send(datagram)), Counter::RelayedRtcp);
        }
    }

    /// Sends what prompts have due.
    fn play_due(&mut self, now: Duration) {
        let mut packet = [0; PACKET_BYTES];
        while let Some(Reverse((due, slot))) = self.turns.peek().copied()
            && due <= now
        {
            self.turns.pop();
            let Some(leg) = self.legs.get_mut(slot) else { continue };
            match leg.turn(now, due, &mut packet) {
                Turn::Packet(next) => {
                    let sent = leg.send_own(&packet);
                    count_sent(&mut self.tally, sent, Counter::PromptPackets);
                    self.turns.push(Reverse((next, slot)));
                }
                Turn::Finished(play) => {
                    let event = Event::PlayFinished { session: leg.session, leg: leg.id, play };
                    self.backlog.push_back(event);
                }
                Turn::None => {}
            }
        }
    }

    /// What need not be looked at with each packet.
    fn sweep(&mut self, now: Duration) {
        self.heartbeat.beat();
        for leg in self.legs.iter_mut() {
            leg.rtp.notice_silence(now);
            if reports::write_due(leg, now, &self.cname, &mut self.report) {
                count_sent(&mut self.tally, Some(leg.rtcp.send(&self.report)), Counter::OwnRtcp);
            }
        }
        self.tally.set(Counter::Legs, self.legs.len() as u64);
        self.tally.set(Counter::OneWayLegs, self.one_way_legs(now));
    }

    /// Legs that are heard while the leg they listen to is not, although neither holds.
    fn one_way_legs(&self, now: Duration) -> u64 {
        let legs = self.legs.iter().filter(|leg| {
            let Output::To(other) = leg.output else { return false };
            self.legs.get(other).is_some_and(|other| {
                leg.receives
                    && other.receives
                    && now.saturating_sub(leg.heard) < HEARD_LATELY
                    && leg.reception.packets() > 0
                    && now.saturating_sub(other.heard) > ONE_WAY
            })
        });
        legs.count() as u64
    }

    fn flush_backlog(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }
}

#[inline]
fn count_sent(tally: &mut Tally, sent: Option<Sent>, counter: Counter) {
    tally.count(match sent {
        Some(Sent::Yes) => counter,
        None | Some(Sent::NoPeer) => Counter::DroppedNoPeer,
        Some(Sent::QueueFull) => Counter::DroppedSendQueue,
        Some(Sent::Error) => Counter::DroppedSendError,
    });
}

/// The number by which epoll names a leg's socket.
fn event_data(slot: Slot, rtcp: bool) -> EventData {
    EventData::new_u64((u64::from(slot) << 1) | u64::from(rtcp))
}

fn watch(epoll: &OwnedFd, socket: impl AsFd, data: EventData) -> io::Result<()> {
    Ok(epoll::add(epoll, socket, data, EventFlags::IN)?)
}
