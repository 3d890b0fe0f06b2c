//! One task per program: waits for its end, starts it again, passes orders on as signals.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep};

use super::backoff::Backoff;
use super::program::Program;

/// How often the length of a log is looked at.
const LOG_LOOK: Duration = Duration::from_secs(5);

/// What is wanted of a program. Only ever raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Run, again and again.
    Run,
    /// End soon (SIGTERM).
    Terminate,
    /// End now (SIGKILL).
    Kill,
}

/// What happened to a program that should run.
#[derive(Debug)]
pub(crate) enum Event {
    /// It ended.
    Ended {
        /// Its name.
        name: String,
        /// Its exit status or signal.
        how: Ending,
        /// The last thing it said.
        last_words: Option<String>,
        /// When it will be started again.
        pause: Duration,
    },
    /// It was started again.
    Restarted {
        /// Its name.
        name: String,
    },
    /// It could not be started again.
    NotRestarted {
        /// Why; names the program.
        reason: String,
        /// When it will be tried again.
        pause: Duration,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending(ExitStatus);

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(9)) => f.write_str("signal 9, SIGKILL"),
            (None, Some(11)) => f.write_str("signal 11, SIGSEGV"),
            (None, Some(6)) => f.write_str("signal 6, SIGABRT"),
            (None, Some(15)) => f.write_str("signal 15, SIGTERM"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("unknown cause"),
        }
    }
}

/// Keeps `program`, running as `child`, until it is ordered to end and has ended.
pub(super) async fn keep(
    program: Program,
    mut child: Child,
    mut orders: watch::Receiver<Order>,
    events: mpsc::Sender<Event>,
) {
    let mut backoff = Backoff::new();
    loop {
        let started = Instant::now();
        let status = ended(&program, &mut child, &mut orders).await;
        if *orders.borrow() != Order::Run {
            return;
        }
        let mut pause = backoff.pause(started.elapsed());
        if let Some(status) = status {
            let event = Event::Ended {
                name: program.name.clone(),
                how: Ending(status),
                last_words: program.last_words(),
                pause,
            };
            tell(&events, event);
        }
        child = loop {
            tokio::select! {
                () = sleep(pause) => {}
                _ = orders.wait_for(|order| *order != Order::Run) => return,
            }
            match program.spawn() {
                Ok(child) => break child,
                Err(error) => {
                    pause = backoff.pause(Duration::ZERO);
                    tell(&events, Event::NotRestarted { reason: error.to_string(), pause });
                }
            }
        };
        tell(&events, Event::Restarted { name: program.name.clone() });
    }
}

/// Waits for the end of `child`; orders reach it meanwhile as signals.
async fn ended(
    program: &Program,
    child: &mut Child,
    orders: &mut watch::Receiver<Order>,
) -> Option<ExitStatus> {
    // tokio closes it when it begins to wait, and the program would take that for our end.
    let _input = child.stdin.take();
    let mut log_looks = interval(LOG_LOOK);
    loop {
        // Not reaped before `wait` returns, so the id is still this child's.
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let order = *orders.borrow_and_update();
        match (order, pid) {
            (Order::Run, _) | (_, None) => {}
            (Order::Terminate, Some(pid)) => drop(kill_process(pid, Signal::TERM)),
            (Order::Kill, Some(pid)) => drop(kill_process(pid, Signal::KILL)),
        }
        tokio::select! {
            status = child.wait() => return status.ok(),
            _ = log_looks.tick() => if let Err(error) = program.shorten_log() {
                tracing::warn!(%error, program = %program.name, "its log cannot be shortened");
            },
            changed = orders.changed() => if changed.is_err() {
                // Nobody is left who could order anything.
                return child.wait().await.ok();
            },
        }
    }
}

fn tell(events: &mpsc::Sender<Event>, event: Event) {
    // A reader that does not read loses news, never the supervision.
    if events.try_send(event).is_err() {
        tracing::warn!("events are not read");
    }
}
