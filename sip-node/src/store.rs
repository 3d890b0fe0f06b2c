//! Stores of bindings and calls. Each answers through a ticket, later, from a thread of its own.

mod memory;

use std::sync::mpsc::SyncSender;

use call_core::store::{StoreRequest, Ticket};

pub(crate) use memory::start;

/// Where the decision thread puts requests. Never blocks.
#[derive(Debug, Clone)]
pub(crate) struct StoreQueue(SyncSender<(Ticket, StoreRequest)>);

impl StoreQueue {
    /// Hands a request over; false when the store is that far behind, or gone.
    pub(crate) fn put(&self, ticket: Ticket, request: StoreRequest) -> bool {
        self.0.try_send((ticket, request)).is_ok()
    }
}
