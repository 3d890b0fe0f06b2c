//! What the decision thread shows of itself: a value put on a board at most ten times a second. Readers take a
//! reference and never hold the thread up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use call_core::SwitchStatus;
use sip_core::{Instant, Now};
use tokio::sync::watch;

use crate::facts::FactCounts;
use crate::transport::TransportCounters;

/// Least time between two snapshots.
const INTERVAL: Duration = Duration::from_millis(100);
/// Most time between two: bindings expire without anything happening.
const LONGEST: Duration = Duration::from_secs(1);

/// The state of the decision thread at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// What the switch serves; none before the decision thread has looked for the first time.
    pub(crate) switch: Option<SwitchStatus>,
    /// The order to end all calls was obeyed before.
    pub(crate) ending: bool,
    /// Requests of ours without a final response.
    pub(crate) unanswered: usize,
    /// Fingerprints of the documents that run, by file name.
    pub(crate) documents: BTreeMap<String, String>,
    /// What the sockets counted.
    pub(crate) transport: TransportCounters,
    /// What the transaction layer counted.
    pub(crate) sip: sip_core::Counters,
    /// How often each kind of fact came.
    pub(crate) facts: FactCounts,
    /// Requests for which the store had no room.
    pub(crate) store_refused: u64,
    /// Messages for media-nodes that could not be handed over.
    pub(crate) media_undeliverable: u64,
}

impl Snapshot {
    /// Whether new calls are refused, no record is open, and nobody waits for anything any more.
    pub(crate) fn is_over(&self) -> bool {
        self.switch.as_ref().is_some_and(|status| status.draining)
            && self.open_calls() == 0
            && self.unanswered == 0
    }

    /// Calls whose record is not closed.
    pub(crate) fn open_calls(&self) -> u32 {
        let open = |status: &SwitchStatus| status.active_calls.saturating_add(status.closing_calls);
        self.switch.as_ref().map_or(0, open)
    }
}

/// Where snapshots are put.
#[derive(Debug)]
pub(crate) struct Board {
    sender: watch::Sender<Arc<Snapshot>>,
    /// The next one may be put from here on.
    next: Instant,
    stale: bool,
}

impl Board {
    /// An empty board and a reader of it.
    pub(crate) fn new() -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (sender, reader) = watch::channel(Arc::default());
        (Self { sender, next: Instant::default(), stale: true }, reader)
    }

    /// Something may have changed.
    pub(super) fn touch(&mut self) {
        self.stale = true;
    }

    /// When the next snapshot is due.
    pub(super) fn deadline(&self) -> Instant {
        if self.stale { self.next } else { self.next.after(LONGEST) }
    }

    /// Puts what `take` sees when it is due.
    pub(super) fn publish(&mut self, now: Now, take: impl FnOnce() -> Snapshot) {
        if now.instant >= self.deadline() {
            self.stale = false;
            self.next = now.instant.after(INTERVAL);
            self.sender.send_replace(Arc::new(take()));
        }
    }
}
