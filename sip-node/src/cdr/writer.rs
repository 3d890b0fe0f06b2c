//! The thread that writes CDRs in batches, and keeps a bounded backlog while the disk fails.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tracing::{error, info};
use voip_contract::CallId;
use voip_contract::admin::{CallRecord, EndedBy};

use super::print::Printer;
use super::{CdrError, schema};
use crate::clock::wall_ms;
use crate::threads::Threads;

/// Records waiting for the writer.
const QUEUE: usize = 16_384;
/// Records that could not be written yet; those of one call count once.
const BACKLOG: usize = 65_536;
/// Least time between transactions: what a crash may cost, and what spreads the price of a commit when calls are many.
/// A record that comes alone is written at once.
const GATHER: Duration = Duration::from_millis(100);
/// How often a sign of life is written while calls last, and a failed batch is tried again.
const BEAT: Duration = Duration::from_secs(1);

/// What became of records.
#[derive(Debug, Default)]
pub(crate) struct CdrCounters {
    /// Written.
    pub(crate) written: AtomicU64,
    /// Transactions that failed; their records stay in the backlog.
    pub(crate) failures: AtomicU64,
    /// Given up: queue or backlog full.
    pub(crate) dropped: AtomicU64,
    /// Waiting in the backlog now.
    pub(crate) backlog: AtomicU64,
}

/// Where the decision thread puts records. Never blocks.
#[derive(Debug, Clone)]
pub(crate) struct CdrQueue {
    sender: SyncSender<CallRecord>,
    counters: Arc<CdrCounters>,
}

impl CdrQueue {
    /// Hands over the record of a call as it is now; counted as dropped when the writer is that far behind.
    pub(crate) fn put(&self, record: CallRecord) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.sender.try_send(record) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The running writer.
#[derive(Debug)]
pub(crate) struct CdrWriter {
    thread: JoinHandle<()>,
    done: Receiver<()>,
    counters: Arc<CdrCounters>,
}

impl CdrWriter {
    /// Opens the database, closes the rows that a crash left open as lost, and starts the thread. With `log` each record
    /// that is final is printed there.
    pub(crate) fn start(
        threads: &Threads,
        path: &Path,
        log: Option<Box<dyn Write + Send>>,
    ) -> Result<(Self, CdrQueue), CdrError> {
        let db = schema::open(path)?;
        let lost = schema::close_lost(&db)?;
        if lost > 0 {
            info!(calls = lost, "calls of a sip-node that died are closed as lost");
        }
        let counters = Arc::new(CdrCounters::default());
        let (sender, records) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(0);
        let state = Writing {
            db,
            backlog: HashMap::new(),
            open: 0,
            failing: false,
            flushed: None,
            printer: log.map(Printer::new),
            unprinted: false,
            counters: Arc::clone(&counters),
        };
        let body = move || {
            state.run(&records);
            drop(finished);
        };
        let thread = threads.spawn("cdr", body).map_err(CdrError::Spawn)?;
        let queue = CdrQueue { sender, counters: Arc::clone(&counters) };
        Ok((Self { thread, done, counters }, queue))
    }

    /// What became of records so far.
    pub(crate) fn counters(&self) -> Arc<CdrCounters> {
        Arc::clone(&self.counters)
    }

    /// Waits at most `limit` until everything is written; every [`CdrQueue`] must have been dropped. False when
    /// records may be missing.
    pub(crate) fn finish(self, limit: Duration) -> bool {
        let disconnected = matches!(self.done.recv_timeout(limit), Err(RecvTimeoutError::Disconnected));
        disconnected && self.thread.join().is_ok() && self.counters.backlog.load(Ordering::Relaxed) == 0
    }
}

struct Writing {
    db: Connection,
    /// The last state of each call that is not written yet.
    backlog: HashMap<CallId, CallRecord>,
    /// Calls that have a row and last, as far as records said.
    open: u64,
    failing: bool,
    /// When the last transaction ended.
    flushed: Option<Instant>,
    printer: Option<Printer>,
    /// The last attempt to print has failed.
    unprinted: bool,
    counters: Arc<CdrCounters>,
}

impl Writing {
    fn run(mut self, records: &Receiver<CallRecord>) {
        self.print();
        loop {
            let connected = self.gather(records);
            let due = !self.backlog.is_empty() || self.open > 0 || self.unprinted;
            if due {
                self.flush();
            }
            if !connected {
                return;
            }
        }
    }

    /// Waits for a first record, at most [`BEAT`], and then for more until [`GATHER`] after the last transaction: while
    /// the disk fails a whole [`BEAT`], so that a growing backlog is not tried again with each call. False once nobody
    /// can send.
    fn gather(&mut self, records: &Receiver<CallRecord>) -> bool {
        match records.recv_timeout(BEAT) {
            Ok(record) => self.keep(record),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        let pause = if self.failing { BEAT } else { GATHER };
        let until = self.flushed.map_or_else(Instant::now, |flushed| flushed + pause);
        loop {
            match records.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(record) => self.keep(record),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn keep(&mut self, record: CallRecord) {
        if record.ended_at_ms.is_some() {
            // A call that was lost with another sip-node was never open here.
            let ours = record.ended_by != Some(EndedBy::Lost);
            self.open = self.open.saturating_sub(u64::from(ours));
        } else if record.answered_at_ms.is_none() {
            self.open += 1;
        }
        if self.backlog.len() >= BACKLOG && !self.backlog.contains_key(&record.id) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.backlog.insert(record.id, record);
        self.counters.backlog.store(self.backlog.len() as u64, Ordering::Relaxed);
    }

    fn flush(&mut self) {
        self.write();
        self.print();
        self.flushed = Some(Instant::now());
    }

    fn write(&mut self) {
        match schema::write(&mut self.db, self.backlog.values(), wall_ms(), self.printer.is_some()) {
            Ok(()) => {
                self.counters.written.fetch_add(self.backlog.len() as u64, Ordering::Relaxed);
                self.prune();
                self.backlog.clear();
                self.counters.backlog.store(0, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    info!("CDRs are written again");
                }
            }
            Err(source) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    error!(error = %source, waiting = self.backlog.len(), "CDRs cannot be written; calls go on");
                }
            }
        }
    }

    fn print(&mut self) {
        let Some(printer) = &mut self.printer else { return };
        match printer.print(&mut self.db) {
            Ok(()) => self.unprinted = false,
            Err(error) => {
                if !std::mem::replace(&mut self.unprinted, true) {
                    error!(%error, "CDRs cannot be printed; they are kept and tried again");
                }
            }
        }
    }

    fn prune(&mut self) {
        let Some(printer) = &mut self.printer else { return };
        // A database that fails is told of by the next write.
        let lost = printer.prune(&self.db, self.backlog.len()).unwrap_or(0);
        if lost > 0 {
            self.counters.dropped.fetch_add(lost as u64, Ordering::Relaxed);
            error!(records = lost, "CDRs were dropped before they could be printed");
        }
    }
}

#[cfg(test)]
mod tests;
