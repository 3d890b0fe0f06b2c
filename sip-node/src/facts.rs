//! Where facts go: counted at once, CDRs by a queue of their own, log lines by a thread that may be held up by
//! whoever reads the log. The decision thread only tries.

mod counts;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use call_core::Fact;
use tracing::{info, warn};
use voip_contract::admin::{CallRecord, EndedBy};
use voip_telemetry::Redacted;

pub(crate) use counts::FactCounts;

use crate::cdr::CdrQueue;
use crate::threads::Threads;

/// Facts that wait for the log.
const QUEUE: usize = 8_192;

/// The decision thread's end.
#[derive(Debug)]
pub(crate) struct FactSink {
    cdrs: CdrQueue,
    facts: SyncSender<Fact>,
    counts: FactCounts,
    dropped: Arc<AtomicU64>,
}

impl FactSink {
    /// How often each kind of fact came.
    pub(crate) fn counts(&self) -> &FactCounts {
        &self.counts
    }

    /// Passes a fact on; never blocks.
    pub(crate) fn emit(&mut self, fact: Fact) {
        self.counts.count(&fact);
        match &fact {
            Fact::CallStarted(record) | Fact::CallAnswered(record) | Fact::CallEnded { record, .. } => {
                self.cdrs.put(CallRecord::clone(record));
            }
            _ => {}
        }
        if is_logged(&fact) && self.facts.try_send(fact).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct FactLog {
    done: Receiver<()>,
    dropped: Arc<AtomicU64>,
}

impl FactLog {
    /// Starts it; it ends when the sink is dropped.
    pub(crate) fn start(threads: &Threads, cdrs: CdrQueue) -> std::io::Result<(Self, FactSink)> {
        let (sender, facts) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(0);
        threads.spawn("facts", move || {
            let _finished: SyncSender<()> = finished;
            for fact in facts {
                log(&fact);
            }
        })?;
        let dropped = Arc::new(AtomicU64::new(0));
        let counts = FactCounts::default();
        Ok((Self { done, dropped: Arc::clone(&dropped) }, FactSink { cdrs, facts: sender, counts, dropped }))
    }

    /// Facts that did not reach the log.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Waits at most `limit` until everything is logged; the sink must have been dropped.
    pub(crate) fn finish(self, limit: Duration) {
        // Closed without a word when the thread has ended; late lines are not worth more waiting.
        let _ = self.done.recv_timeout(limit);
    }
}

/// Whether [`log`] has something to say about it.
fn is_logged(fact: &Fact) -> bool {
    match fact {
        Fact::CallStarted(_) | Fact::CallAnswered(_) | Fact::Registered { .. } | Fact::Refused { .. } => {
            false
        }
        Fact::CallEnded { .. }
        | Fact::MediaNodeReady { .. }
        | Fact::MediaNodeLost { .. }
        | Fact::MediaRefused { .. }
        | Fact::OrderRefused { .. }
        | Fact::RecordUnreadable { .. }
        | Fact::ConfigRejected { .. } => true,
    }
}

/// One line per call, none per message or refresh.
fn log(fact: &Fact) {
    match fact {
        Fact::CallEnded { record, .. } => log_call(record),
        Fact::MediaNodeReady { node } => info!(%node, "media-node is ready"),
        Fact::MediaNodeLost { node, calls } => warn!(%node, calls, "media-node is lost"),
        Fact::MediaRefused { call, reason, detail } => warn!(%call, reason, detail, "media was refused"),
        Fact::ConfigRejected { detail } => warn!(detail, "documents were refused; the last good ones go on"),
        Fact::RecordUnreadable { call, detail } => {
            warn!(%call, detail, "the record of a lost call cannot be read: it has no CDR");
        }
        Fact::OrderRefused { epoch, newest } => {
            warn!(epoch = epoch.0, newest = newest.0, "an order of an older operator is not obeyed");
        }
        Fact::CallStarted(_) | Fact::CallAnswered(_) | Fact::Registered { .. } | Fact::Refused { .. } => {}
    }
}

fn log_call(record: &CallRecord) {
    info!(
        call = %record.id,
        from = %Redacted(&record.from),
        to = %Redacted(&record.to),
        status = record.sip_status,
        q850 = record.q850,
        duration_ms = record.duration_ms,
        ended_by = record.ended_by.map_or("nobody", ended_by),
        "call ended"
    );
}

fn ended_by(who: EndedBy) -> &'static str {
    match who {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::System => "system",
        EndedBy::Lost => "lost",
    }
}
