//! The store of a cluster with one sip-node: tables in memory, owned by the decision thread.
//!
//! A thread of its own would cost two wake-ups per registration and give nothing. So that no path learns to rely on
//! an answer inline, requests are queued and served later in the turn.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use call_core::bindings::{current_bindings, update_bindings};
use call_core::state::{AddressOfRecord, Binding, Call};
use call_core::store::{StoreReply, StoreRequest, Ticket};
use voip_contract::CallId;

/// Requests that wait.
const QUEUE: usize = 16_384;
/// Addresses of record with bindings.
const MAX_ADDRESSES: usize = 100_000;
/// Calls.
const MAX_CALLS: usize = 40_000;
/// Addresses looked at per registration for bindings that expired unread: more than one can come, so they get fewer.
const SWEEP: usize = 2;

/// The tables and the queue before them.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    queue: VecDeque<(Ticket, StoreRequest)>,
    bindings: HashMap<AddressOfRecord, Vec<Binding>>,
    /// Every key of `bindings` once, in the order in which they are swept.
    rounds: VecDeque<AddressOfRecord>,
    calls: HashMap<CallId, Box<Call>>,
}

impl MemoryStore {
    /// Queues a request; false when too many wait.
    pub(crate) fn put(&mut self, ticket: Ticket, request: StoreRequest) -> bool {
        if self.queue.len() >= QUEUE {
            return false;
        }
        self.queue.push_back((ticket, request));
        true
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Serves the request that has waited longest.
    pub(crate) fn serve(&mut self) -> Option<(Ticket, StoreReply)> {
        let (ticket, request) = self.queue.pop_front()?;
        Some((ticket, self.apply(request)))
    }

    fn apply(&mut self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::UpdateBindings { aor, update, now_ms } => {
                self.sweep(now_ms);
                let full = self.bindings.len() >= MAX_ADDRESSES;
                let bindings = match self.bindings.entry(aor) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(_) if full => return StoreReply::Unavailable,
                    Entry::Vacant(entry) => {
                        self.rounds.push_back(entry.key().clone());
                        entry.insert(Vec::new())
                    }
                };
                update_bindings(bindings, &update, now_ms)
            }
            StoreRequest::LoadBindings { aor, now_ms } => match self.bindings.get_mut(&aor) {
                Some(bindings) => current_bindings(bindings, now_ms),
                None => StoreReply::Bindings(Vec::new()),
            },
            StoreRequest::PutCall(call) => self.put_call(call),
            StoreRequest::RemoveCall(id) => {
                self.calls.remove(&id);
                StoreReply::Done
            }
        }
    }

    /// How many contacts of `aor` have not expired by `now_ms`.
    pub(crate) fn contacts(&self, aor: &AddressOfRecord, now_ms: u64) -> u32 {
        let current = |bindings: &Vec<Binding>| bindings.iter().filter(|b| b.expires_at_ms > now_ms).count();
        u32::try_from(self.bindings.get(aor).map_or(0, current)).unwrap_or(u32::MAX)
    }

    fn put_call(&mut self, call: Box<Call>) -> StoreReply {
        if self.calls.len() >= MAX_CALLS && !self.calls.contains_key(&call.id) {
            return StoreReply::Unavailable;
        }
        self.calls.insert(call.id, call);
        StoreReply::Done
    }

    /// Drops what has expired of the next few addresses, and those that have nothing left.
    fn sweep(&mut self, now_ms: u64) {
        for _ in 0..SWEEP {
            let Some(aor) = self.rounds.pop_front() else { return };
            let Some(bindings) = self.bindings.get_mut(&aor) else { continue };
            bindings.retain(|binding| binding.expires_at_ms > now_ms);
            if bindings.is_empty() {
                self.bindings.remove(&aor);
            } else {
                self.rounds.push_back(aor);
            }
        }
    }
}

#[cfg(test)]
mod tests;
