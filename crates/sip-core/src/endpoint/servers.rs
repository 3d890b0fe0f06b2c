//! The table of server transactions: which one a message belongs to, and when a new one begins.

use std::collections::HashMap;

use super::key::{Fingerprint, Fingerprints};
use super::out::Out;
use super::server_invite::{self, ServerInvite};
use super::server_other::{self, ServerOther};
use super::stateless;
use super::timers::{Owner, TimerQueue};
use crate::event::{ServerKey, SipEvent};
use crate::flow::Flow;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::time::{Instant, Now};
use crate::token::TokenSource;

enum Machine {
    Invite(ServerInvite),
    Other(ServerOther),
}

struct Entry {
    machine: Machine,
    key: Fingerprint,
    merge: Option<Fingerprint>,
    acknowledged: Option<Fingerprint>,
    scheduled: Option<Instant>,
}

/// What the table needs of the endpoint while it works.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) fingerprints: &'a Fingerprints,
    pub(super) tokens: &'a TokenSource,
    pub(super) timers: &'a mut TimerQueue,
    pub(super) out: &'a mut Out,
}

/// All server transactions.
pub(super) struct Servers {
    entries: HashMap<ServerKey, Entry>,
    by_key: HashMap<Fingerprint, ServerKey>,
    by_merge: HashMap<Fingerprint, ServerKey>,
    by_ack: HashMap<Fingerprint, ServerKey>,
    made: u64,
    limit: usize,
}

impl Servers {
    pub(super) fn new(limit: usize) -> Self {
        let (entries, by_key) = (HashMap::new(), HashMap::new());
        Self { entries, by_key, by_merge: HashMap::new(), by_ack: HashMap::new(), made: 0, limit }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no index holds what the table no longer has.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.by_key.is_empty()
            && self.by_merge.is_empty()
            && self.by_ack.is_empty()
    }

    /// A valid request.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>, flow: Flow, request: Message) {
        match request.method() {
            Method::Ack => self.receive_ack(cx, request),
            method => self.receive_request(cx, flow, request, &method),
        }
    }

    fn receive_ack(&mut self, cx: &mut Context<'_>, ack: Message) {
        // The ACK of a failure has the INVITE's branch, that of a 2xx its own.
        let by_key =
            cx.fingerprints.server(&ack, Method::Invite.as_str()).and_then(|key| self.by_key.get(&key));
        let found = by_key.or_else(|| self.by_ack.get(&cx.fingerprints.acknowledged(&ack)?)).copied();
        match found {
            Some(key) => self.tell_invite(cx, key, server_invite::Input::Ack(ack)),
            None => cx.out.counters.strays += 1,
        }
    }

    fn receive_request(&mut self, cx: &mut Context<'_>, flow: Flow, request: Message, method: &Method) {
        let Some(key) = cx.fingerprints.server(&request, method.as_str()) else { return };
        if let Some(known) = self.by_key.get(&key).copied() {
            cx.out.counters.repeated_requests += 1;
            self.repeat(cx, known);
        } else if *method == Method::Cancel {
            self.receive_cancel(cx, flow, request, key);
        } else {
            self.receive_new(cx, flow, request, method, key);
        }
    }

    fn receive_new(
        &mut self,
        cx: &mut Context<'_>,
        flow: Flow,
        request: Message,
        method: &Method,
        key: Fingerprint,
    ) {
        let merge = cx.fingerprints.merge(&request);
        if merge.is_some_and(|merge| self.by_merge.contains_key(&merge)) {
            cx.out.counters.merged += 1;
            return answer(cx, flow, request, StatusCode::LOOP_DETECTED);
        }
        if self.entries.len() >= self.limit {
            cx.out.counters.shed += 1;
            return answer(cx, flow, request, StatusCode::SERVICE_UNAVAILABLE);
        }
        let Some((request, back)) = stateless::with_source(request, flow) else { return };
        let server = self.next_key();
        let machine = if *method == Method::Invite {
            Machine::Invite(ServerInvite::new(cx.now, server, back, request.clone()))
        } else {
            Machine::Other(ServerOther::new(cx.now, back))
        };
        self.insert(cx, server, Entry { machine, key, merge, acknowledged: None, scheduled: None });
        cx.out.event(SipEvent::Request { key: server, flow, message: request });
    }

    /// Section 9.2: 200 when the INVITE is known, whatever its state; 481 otherwise.
    fn receive_cancel(&mut self, cx: &mut Context<'_>, flow: Flow, cancel: Message, key: Fingerprint) {
        let invite =
            cx.fingerprints.server(&cancel, Method::Invite.as_str()).and_then(|key| self.by_key.get(&key));
        let Some(invite) = invite.copied() else {
            answer(cx, flow, cancel, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        let Some((cancel, back)) = stateless::with_source(cancel, flow) else { return };
        let tag = self.invite_tag(invite).unwrap_or_else(|| stateless::tag_for(cx.tokens, &cancel));
        let ok = Message::response_to(&cancel, StatusCode::OK).to_tag(&tag).build();
        if self.entries.len() < self.limit {
            let server = self.next_key();
            let machine = Machine::Other(ServerOther::new(cx.now, back));
            self.insert(cx, server, Entry { machine, key, merge: None, acknowledged: None, scheduled: None });
            self.tell_other(cx, server, server_other::Input::Respond(ok));
        } else {
            cx.out.send(back, ok.bytes());
        }
        self.tell_invite(cx, invite, server_invite::Input::Cancel(cancel));
    }

    fn invite_tag(&self, key: ServerKey) -> Option<String> {
        match &self.entries.get(&key)?.machine {
            Machine::Invite(invite) => invite.local_tag().map(str::to_owned),
            Machine::Other(_) => None,
        }
    }

    /// The user's answer. It gets a To tag if it has none (section 8.2.6.2).
    pub(super) fn respond(&mut self, cx: &mut Context<'_>, key: ServerKey, response: Message) {
        let Some(entry) = self.entries.get_mut(&key) else {
            cx.out.counters.late_responses += 1;
            return;
        };
        if matches!(
            response.status(),
            Some(StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
        ) {
            // A challenge invites the same request with credentials, and phones exist that leave its CSeq as it was.
            forget(&mut self.by_merge, entry.merge.take(), key);
        }
        let response = if response.to_tag().is_none() && response.status() != Some(StatusCode::TRYING) {
            response.edit().to_tag(&stateless::tag_for(cx.tokens, &response)).build()
        } else {
            response
        };
        match entry.machine {
            Machine::Invite(_) => {
                if response.status().is_some_and(StatusCode::is_success) && entry.acknowledged.is_none() {
                    entry.acknowledged = cx.fingerprints.acknowledged(&response);
                    if let Some(acknowledged) = entry.acknowledged {
                        self.by_ack.insert(acknowledged, key);
                    }
                }
                self.tell_invite(cx, key, server_invite::Input::Respond(response));
            }
            Machine::Other(_) => self.tell_other(cx, key, server_other::Input::Respond(response)),
        }
    }

    /// A timer of `key` is due.
    pub(super) fn fire(&mut self, cx: &mut Context<'_>, key: ServerKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.scheduled = None;
        match &mut entry.machine {
            Machine::Invite(invite) => {
                if let Some(fired) = invite.timers().take_due(cx.now.instant) {
                    invite.on(cx.now, server_invite::Input::Timer(fired), cx.out);
                }
            }
            Machine::Other(other) => {
                if other.timers().take_due(cx.now.instant).is_some() {
                    other.on(cx.now, server_other::Input::End, cx.out);
                }
            }
        }
        self.settle(cx, key);
    }

    fn repeat(&mut self, cx: &mut Context<'_>, key: ServerKey) {
        match self.entries.get(&key).map(|entry| &entry.machine) {
            Some(Machine::Invite(_)) => self.tell_invite(cx, key, server_invite::Input::Repeated),
            Some(Machine::Other(_)) => self.tell_other(cx, key, server_other::Input::Repeated),
            None => {}
        }
    }

    fn tell_invite(&mut self, cx: &mut Context<'_>, key: ServerKey, input: server_invite::Input) {
        if let Some(Entry { machine: Machine::Invite(invite), .. }) = self.entries.get_mut(&key) {
            invite.on(cx.now, input, cx.out);
        }
        self.settle(cx, key);
    }

    fn tell_other(&mut self, cx: &mut Context<'_>, key: ServerKey, input: server_other::Input) {
        if let Some(Entry { machine: Machine::Other(other), .. }) = self.entries.get_mut(&key) {
            other.on(cx.now, input, cx.out);
        }
        self.settle(cx, key);
    }

    fn next_key(&mut self) -> ServerKey {
        self.made = self.made.wrapping_add(1);
        ServerKey(self.made)
    }

    fn insert(&mut self, cx: &mut Context<'_>, server: ServerKey, entry: Entry) {
        self.by_key.insert(entry.key, server);
        if let Some(merge) = entry.merge {
            self.by_merge.insert(merge, server);
        }
        self.entries.insert(server, entry);
        self.settle(cx, server);
    }

    /// After every input: the timer queue learns the next timer, the table forgets what has ended.
    fn settle(&mut self, cx: &mut Context<'_>, key: ServerKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let (ended, next) = match &mut entry.machine {
            Machine::Invite(invite) => (invite.is_terminated(), invite.timers().next()),
            Machine::Other(other) => (other.is_terminated(), other.timers().next()),
        };
        let next = next.filter(|_| !ended);
        cx.timers.reschedule(Owner::Server(key), entry.scheduled, next);
        entry.scheduled = next;
        if ended && let Some(entry) = self.entries.remove(&key) {
            self.by_key.remove(&entry.key);
            forget(&mut self.by_merge, entry.merge, key);
            forget(&mut self.by_ack, entry.acknowledged, key);
        }
    }
}

/// Removes `fingerprint` where it still means `key`.
fn forget(index: &mut HashMap<Fingerprint, ServerKey>, fingerprint: Option<Fingerprint>, key: ServerKey) {
    if let Some(fingerprint) = fingerprint
        && index.get(&fingerprint) == Some(&key)
    {
        index.remove(&fingerprint);
    }
}

fn answer(cx: &mut Context<'_>, flow: Flow, request: Message, status: StatusCode) {
    if let Some((flow, answer)) = stateless::answer(cx.tokens, flow, request, status) {
        cx.out.send(flow, answer.bytes());
    }
}
