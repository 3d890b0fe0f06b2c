//! The table of client transactions: requests of ours, and the responses that belong to them.

use std::collections::{BTreeSet, HashMap};

use super::client_invite::{self, ClientInvite};
use super::client_other::{self, ClientOther, Purpose};
use super::out::Out;
use super::timers::{Owner, TimerQueue};
use crate::event::{ClientKey, SipEvent};
use crate::flow::Flow;
use crate::message::Message;
use crate::method::Method;
use crate::time::{Instant, Now};

enum Machine {
    // Larger than the other kind, so kept apart: most transactions are the other kind.
    Invite(Box<ClientInvite>),
    Other(ClientOther),
}

struct Entry {
    machine: Machine,
    method: Method,
    branch: Box<str>,
    flow: Flow,
    scheduled: Option<Instant>,
}

/// What the table needs of the endpoint while it works.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) timers: &'a mut TimerQueue,
    pub(super) out: &'a mut Out,
}

/// All client transactions.
pub(super) struct Clients {
    entries: HashMap<ClientKey, Entry>,
    by_branch: HashMap<Box<str>, ClientKey>,
    by_flow: HashMap<Flow, BTreeSet<ClientKey>>,
    limit: usize,
}

impl Clients {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), by_branch: HashMap::new(), by_flow: HashMap::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no index holds what the table no longer has.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.by_branch.is_empty() && self.by_flow.is_empty()
    }

    /// Sends a request that has our Via with `branch`.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        key: ClientKey,
        flow: Flow,
        request: Message,
        branch: &str,
    ) {
        if !self.has_room(cx, key) {
            cx.out.event(SipEvent::Failed { key });
            return;
        }
        let method = request.method();
        let machine = if method == Method::Invite {
            Machine::Invite(Box::new(ClientInvite::start(cx.now, key, flow, request, cx.out)))
        } else {
            Machine::Other(ClientOther::start(cx.now, Purpose::User(key), flow, request, cx.out))
        };
        self.insert(cx, key, Entry { machine, method, branch: branch.into(), flow, scheduled: None });
    }

    /// Sends a request, not INVITE, that has our Via with `branch` and of which nothing is reported.
    pub(super) fn probe(
        &mut self,
        cx: &mut Context<'_>,
        key: ClientKey,
        flow: Flow,
        request: Message,
        branch: &str,
    ) {
        if !self.has_room(cx, key) {
            return;
        }
        cx.out.counters.probes += 1;
        let method = request.method();
        let machine = Machine::Other(ClientOther::start(cx.now, Purpose::Probe, flow, request, cx.out));
        self.insert(cx, key, Entry { machine, method, branch: branch.into(), flow, scheduled: None });
    }

    fn has_room(&self, cx: &mut Context<'_>, key: ClientKey) -> bool {
        let room = self.entries.len() < self.limit && !self.entries.contains_key(&key);
        if !room {
            cx.out.counters.refused += 1;
        }
        room
    }

    fn insert(&mut self, cx: &mut Context<'_>, key: ClientKey, entry: Entry) {
        self.by_branch.insert(entry.branch.clone(), key);
        self.by_flow.entry(entry.flow).or_default().insert(key);
        self.entries.insert(key, entry);
        self.settle(cx, key);
    }

    /// A valid response.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>, flow: Flow, response: Message) {
        let branch = response.raw_via().and_then(|via| std::str::from_utf8(via.branch()).ok());
        let key = branch.and_then(|branch| self.by_branch.get(branch)).copied();
        let Some((key, entry)) = key.and_then(|key| Some((key, self.entries.get_mut(&key)?))) else {
            cx.out.counters.strays += 1;
            return;
        };
        let method = response.method();
        match &mut entry.machine {
            Machine::Invite(invite) if method == Method::Invite => {
                invite.on(cx.now, client_invite::Input::Response(flow, response), cx.out);
            }
            Machine::Invite(invite) if method == Method::Cancel => {
                invite.on_cancel_response(cx.now, flow, response, cx.out);
            }
            Machine::Other(other) if method == entry.method => {
                other.on(cx.now, client_other::Input::Response(flow, response), cx.out);
            }
            Machine::Invite(_) | Machine::Other(_) => cx.out.counters.strays += 1,
        }
        self.settle(cx, key);
    }

    /// The user gives an INVITE up.
    pub(super) fn cancel(&mut self, cx: &mut Context<'_>, key: ClientKey, reason: Option<String>) {
        self.tell_invite(cx, key, client_invite::Input::Cancel(reason));
    }

    /// The user acknowledged a 2xx of `key` with an ACK that has our Via; it is sent now and kept.
    pub(super) fn acknowledge(&mut self, cx: &mut Context<'_>, key: ClientKey, flow: Flow, ack: &Message) {
        cx.out.send(flow, ack.bytes());
        let tag = ack.to_tag().unwrap_or("").to_owned();
        self.tell_invite(cx, key, client_invite::Input::Ack(tag, flow, ack.bytes().clone()));
    }

    /// Nothing can be sent on `flow`: its unanswered requests have failed.
    pub(super) fn transport_failed(&mut self, cx: &mut Context<'_>, flow: Flow) {
        let Some(keys) = self.by_flow.get(&flow).cloned() else { return };
        for key in keys {
            match self.entries.get_mut(&key).map(|entry| &mut entry.machine) {
                Some(Machine::Invite(invite)) => invite.on(cx.now, client_invite::Input::Unreachable, cx.out),
                Some(Machine::Other(other)) => other.on(cx.now, client_other::Input::Unreachable, cx.out),
                None => {}
            }
            self.settle(cx, key);
        }
    }

    /// A timer of `key` is due.
    pub(super) fn fire(&mut self, cx: &mut Context<'_>, key: ClientKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.scheduled = None;
        match &mut entry.machine {
            Machine::Invite(invite) => invite.fire(cx.now, cx.out),
            Machine::Other(other) => other.fire(cx.now, cx.out),
        }
        self.settle(cx, key);
    }

    fn tell_invite(&mut self, cx: &mut Context<'_>, key: ClientKey, input: client_invite::Input) {
        if let Some(Entry { machine: Machine::Invite(invite), .. }) = self.entries.get_mut(&key) {
            invite.on(cx.now, input, cx.out);
        }
        self.settle(cx, key);
    }

    /// After every input: the timer queue learns the next timer, the table forgets what has ended.
    fn settle(&mut self, cx: &mut Context<'_>, key: ClientKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let (ended, next) = match &mut entry.machine {
            Machine::Invite(invite) => (invite.is_terminated(), invite.next_timer()),
            Machine::Other(other) => (other.is_terminated(), other.timers().next()),
        };
        let next = next.filter(|_| !ended);
        cx.timers.reschedule(Owner::Client(key), entry.scheduled, next);
        entry.scheduled = next;
        if ended && let Some(entry) = self.entries.remove(&key) {
            self.by_branch.remove(&entry.branch);
            if let Some(keys) = self.by_flow.get_mut(&entry.flow) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.by_flow.remove(&entry.flow);
                }
            }
        }
    }
}
