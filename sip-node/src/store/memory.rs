//! The store of a cluster with one sip-node: tables in memory, on a thread of its own.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use call_core::bindings::{current_bindings, update_bindings};
use call_core::state::{AddressOfRecord, Binding, Call};
use call_core::store::{StoreReply, StoreRequest, Ticket};
use voip_contract::CallId;

use super::StoreQueue;
use crate::clock::wall_ms;
use crate::decide::Post;
use crate::threads::Threads;

/// Requests waiting for the store.
const QUEUE: usize = 16_384;
/// Addresses of record with bindings.
const MAX_ADDRESSES: usize = 100_000;
/// Calls.
const MAX_CALLS: usize = 40_000;
/// Time between two looks for bindings that expired unread.
const SWEEP: Duration = Duration::from_secs(30);

/// Starts the store; replies go to `replies`. It ends when the queue is dropped.
pub(crate) fn start(threads: &Threads, replies: Post<(Ticket, StoreReply)>) -> std::io::Result<StoreQueue> {
    let (sender, requests) = sync_channel(QUEUE);
    threads.spawn("store", move || serve(&requests, &replies))?;
    Ok(StoreQueue(sender))
}

fn serve(requests: &Receiver<(Ticket, StoreRequest)>, replies: &Post<(Ticket, StoreReply)>) {
    let mut memory = Memory::default();
    let mut swept = Instant::now();
    loop {
        match requests.recv_timeout(SWEEP) {
            Ok((ticket, request)) => {
                if !replies.put_blocking((ticket, memory.apply(request))) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if swept.elapsed() >= SWEEP {
            memory.sweep(wall_ms());
            swept = Instant::now();
        }
    }
}

#[derive(Debug, Default)]
struct Memory {
    bindings: HashMap<AddressOfRecord, Vec<Binding>>,
    calls: HashMap<CallId, Box<Call>>,
}

impl Memory {
    fn apply(&mut self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::UpdateBindings { aor, update, now_ms } => {
                if self.bindings.len() >= MAX_ADDRESSES && !self.bindings.contains_key(&aor) {
                    return StoreReply::Unavailable;
                }
                self.with_bindings(aor, |bindings| update_bindings(bindings, &update, now_ms))
            }
            StoreRequest::LoadBindings { aor, now_ms } => match self.bindings.get_mut(&aor) {
                Some(bindings) => current_bindings(bindings, now_ms),
                None => StoreReply::Bindings(Vec::new()),
            },
            StoreRequest::PutCall(call) => self.put(call),
            StoreRequest::RemoveCall(id) => {
                self.calls.remove(&id);
                StoreReply::Done
            }
        }
    }

    /// Runs `change` on the bindings of `aor`, and keeps no entry for an AoR without any.
    fn with_bindings(
        &mut self,
        aor: AddressOfRecord,
        change: impl FnOnce(&mut Vec<Binding>) -> StoreReply,
    ) -> StoreReply {
        let mut entry = match self.bindings.entry(aor) {
            std::collections::hash_map::Entry::Occupied(entry) => entry,
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert_entry(Vec::new()),
        };
        let reply = change(entry.get_mut());
        if entry.get().is_empty() {
            entry.remove();
        }
        reply
    }

    fn put(&mut self, call: Box<Call>) -> StoreReply {
        if self.calls.len() >= MAX_CALLS && !self.calls.contains_key(&call.id) {
            return StoreReply::Unavailable;
        }
        self.calls.insert(call.id, call);
        StoreReply::Done
    }

    fn sweep(&mut self, now_ms: u64) {
        self.bindings.retain(|_, bindings| {
            bindings.retain(|binding| binding.expires_at_ms > now_ms);
            !bindings.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
