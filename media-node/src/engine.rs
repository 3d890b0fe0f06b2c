//! The relay engine: threads that own sessions, and the queues to and from them.
//!
//! It must not know SDP, signaling or gRPC. A session lives on one thread from its first leg to its last.

use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_core::g711::Law;
use media_core::latch::LatchPolicy;
use media_core::prompt::{OutgoingStream, Prompt};
use tokio::sync::mpsc;
use voip_contract::media::LegStatistics;
use voip_contract::{CallId, LegId};
use voip_telemetry::Health;

pub mod counters;
mod leg;
mod port;
pub mod relay;
mod reports;
mod slab;

use counters::Published;
use relay::{Connections, Relay};

/// Batches that wait for one thread. It takes 64 between two rounds, so that a full queue means a thread without CPU;
/// control then waits for it.
const COMMAND_QUEUE: usize = 1024;
/// A relay thread that has not turned for this long counts as dead.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// One thing to do to a leg.
#[derive(Debug)]
pub enum Command {
    /// A leg begins, on sockets that are bound and do not block.
    Open {
        /// The leg.
        leg: LegId,
        /// Its RTP socket.
        rtp: UdpSocket,
        /// Its RTCP socket.
        rtcp: UdpSocket,
        /// Numbers of our own stream to it.
        stream: OutgoingStream,
    },
    /// Where its peer is.
    SetRemote {
        /// The leg.
        leg: LegId,
        /// Whom to hear for RTP.
        rtp: LatchPolicy,
        /// Whom to hear for RTCP.
        rtcp: LatchPolicy,
        /// False: no RTP is sent to it.
        receives: bool,
        /// Of its codec, in Hz.
        clock_rate: u32,
    },
    /// What comes from one is sent to the other.
    Route {
        /// Who is heard.
        from: LegId,
        /// Who hears.
        to: LegId,
    },
    /// What comes from it goes nowhere.
    Unroute {
        /// Who is no longer heard.
        from: LegId,
    },
    /// It hears itself.
    Echo {
        /// The leg.
        leg: LegId,
    },
    /// It hears a prompt.
    Play {
        /// The leg.
        leg: LegId,
        /// What.
        prompt: Prompt,
        /// In which law.
        law: Law,
        /// As which payload type.
        payload_type: u8,
        /// How often.
        repeat: u32,
        /// Comes back in [`Event::PlayFinished`].
        play: u32,
    },
    /// It no longer hears its prompt.
    StopPlay {
        /// The leg.
        leg: LegId,
    },
    /// It ends; its sockets are closed when the batch is reported as applied.
    Close {
        /// The leg.
        leg: LegId,
    },
}

/// What a thread is asked in one go.
#[derive(Debug)]
pub struct Batch {
    /// Comes back in [`Event::Applied`].
    pub token: u64,
    /// The session.
    pub session: CallId,
    /// What to do.
    pub work: Work,
}

/// The content of a [`Batch`].
#[derive(Debug)]
pub enum Work {
    /// These, in this order.
    Commands(Vec<Command>),
    /// The thread ends.
    Stop,
}

/// What a thread says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A batch was applied.
    Applied {
        /// The batch.
        token: u64,
        /// Of the legs it closed, in order.
        statistics: Vec<LegStatistics>,
    },
    /// A prompt has come to its end.
    PlayFinished {
        /// The session.
        session: CallId,
        /// Who heard it.
        leg: LegId,
        /// Which of the prompts played to it.
        play: u32,
    },
    /// A thread has ended without being told to.
    Died,
}

/// Which thread a session lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadIndex(usize);

#[derive(Debug)]
struct Thread {
    commands: SyncSender<Batch>,
    wake: Arc<OwnedFd>,
    published: Arc<Published>,
    sessions: usize,
    handle: Option<JoinHandle<()>>,
}

/// The running threads. Dropping it stops them and closes every socket.
#[derive(Debug)]
pub struct Engine {
    started: Instant,
    threads: Vec<Thread>,
}

impl Engine {
    /// Starts `workers` threads, which report to `events`. `cname` names us in RTCP.
    pub fn start(
        workers: usize,
        cname: &str,
        events: &mpsc::Sender<Event>,
        health: &Health,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let threads = (0..workers)
            .map(|n| Thread::start(n, started, cname, events, health))
            .collect::<Result<_, _>>()?;
        Ok(Self { started, threads })
    }

    /// The clock that the threads run by.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Chooses the thread with the fewest sessions for a new one.
    pub fn place(&mut self) -> ThreadIndex {
        let idlest = self.threads.iter().enumerate().min_by_key(|(_, thread)| thread.sessions);
        let index = idlest.map_or(0, |(index, _)| index);
        if let Some(thread) = self.threads.get_mut(index) {
            thread.sessions += 1;
        }
        ThreadIndex(index)
    }

    /// A session that was placed has ended.
    pub fn displace(&mut self, index: ThreadIndex) {
        if let Some(thread) = self.threads.get_mut(index.0) {
            thread.sessions = thread.sessions.saturating_sub(1);
        }
    }

    /// Hands a batch to a thread. Waits only while the thread has a full queue.
    pub fn submit(&self, index: ThreadIndex, batch: Batch) {
        if let Some(thread) = self.threads.get(index.0) {
            thread.submit(batch);
        }
    }

    /// What each thread counts.
    pub fn counters(&self) -> Vec<Arc<Published>> {
        self.threads.iter().map(|thread| Arc::clone(&thread.published)).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.submit(Batch { token: 0, session: CallId(0), work: Work::Stop });
        }
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take() {
                // A thread that panicked has been reported as dead.
                let _ = handle.join();
            }
        }
    }
}

impl Thread {
    fn start(
        number: usize,
        started: Instant,
        cname: &str,
        events: &mpsc::Sender<Event>,
        health: &Health,
    ) -> io::Result<Self> {
        let (commands, queue) = sync_channel(COMMAND_QUEUE);
        let published = Arc::new(Published::default());
        let connections = Connections {
            commands: queue,
            events: events.clone(),
            published: Arc::clone(&published),
            heartbeat: health.heartbeat("relay", STUCK_AFTER),
        };
        let relay = Relay::new(started, cname.to_owned(), connections)?;
        let wake = relay.wake_handle();
        let obituary = Obituary { events: events.clone(), expected: false };
        let handle =
            std::thread::Builder::new().name(format!("relay-{number}")).spawn(move || match relay.run() {
                Ok(()) => obituary.dismiss(),
                Err(error) => tracing::error!(%error, "a relay thread cannot go on"),
            })?;
        Ok(Self { commands, wake, published, sessions: 0, handle: Some(handle) })
    }

    fn submit(&self, batch: Batch) {
        // Both fail only when the thread has died, which it has reported.
        if self.commands.send(batch).is_ok() {
            let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        }
    }
}

/// Reports a thread that ends by an error or a panic.
struct Obituary {
    events: mpsc::Sender<Event>,
    expected: bool,
}

impl Obituary {
    fn dismiss(mut self) {
        self.expected = true;
    }
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if !self.expected {
            // Without room in the queue control is busy; the missing heartbeat will tell.
            let _ = self.events.try_send(Event::Died);
        }
    }
}
