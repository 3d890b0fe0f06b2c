//! What leaves the endpoint, and what it counts.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::{SipEvent, SipOutput};
use crate::flow::Flow;

/// What happened so far, and how full the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams or messages that came in.
    pub received: u64,
    /// Of these, keep-alives.
    pub keep_alives: u64,
    /// Of these, not well-formed.
    pub malformed: u64,
    /// Of these, requests seen before.
    pub repeated_requests: u64,
    /// Of these, responses and ACKs that belong to no transaction.
    pub strays: u64,
    /// Requests that came twice on different ways (482).
    pub merged: u64,
    /// New requests refused because the table was full (503).
    pub shed: u64,
    /// Requests of ours refused because the table was full.
    pub refused: u64,
    /// Responses for transactions that are no more.
    pub late_responses: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Of these, sent again.
    pub resent: u64,
    /// Requests of ours without an answer in time.
    pub timed_out: u64,
    /// Requests of ours that nobody waits for.
    pub probes: u64,
    /// Of these, without an answer in time.
    pub probes_unanswered: u64,
    /// Final responses to INVITE, 2xx or not, whose ACK never came.
    pub acks_missing: u64,
    /// Server transactions now.
    pub server_transactions: usize,
    /// Client transactions now.
    pub client_transactions: usize,
}

/// The way out. The queue holds what one input or one round of timers caused: at most a few entries for each
/// transaction, whose number is limited.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) queue: VecDeque<SipOutput>,
    pub(super) counters: Counters,
}

impl Out {
    pub(super) fn send(&mut self, flow: Flow, bytes: &Bytes) {
        self.counters.sent += 1;
        self.queue.push_back(SipOutput::Transmit { flow, bytes: bytes.clone() });
    }

    pub(super) fn resend(&mut self, flow: Flow, bytes: &Bytes) {
        self.counters.resent += 1;
        self.send(flow, bytes);
    }

    pub(super) fn event(&mut self, event: SipEvent) {
        self.queue.push_back(SipOutput::Event(event));
    }
}
