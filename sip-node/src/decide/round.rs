//! One turn after another: receive, queues, timers, and what follows from them.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;

use bytes::Bytes;
use call_core::store::StoreReply;
use call_core::{Action, AdminOrder, Event, MediaEvent, Switch};
use sip_core::{
    ClientKey, Endpoint, Flow, Instant, ListenerId, Now, SipCommand, SipEvent, SipOutput, Transport,
};
use voip_contract::admin::MAX_CALLS_REPORTED;
use voip_telemetry::Heartbeat;

use super::inbox::{Control, Inbox};
use super::snapshot::{Board, Snapshot};
use crate::clock::Clock;
use crate::config::Fingerprints;
use crate::facts::FactSink;
use crate::media::MediaLinks;
use crate::sent_by::sent_by;
use crate::store::MemoryStore;
use crate::transport::{Sent, TransportCounters, UdpListener, wait};

/// Messages taken from one queue in one turn.
const BURST: usize = 256;

/// What a decision thread is made of.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    /// What callers are told where the documents say nothing else.
    pub(crate) advertised: IpAddr,
    pub(crate) listeners: Vec<UdpListener>,
    pub(crate) endpoint: Endpoint,
    pub(crate) switch: Switch,
    pub(crate) inbox: Inbox,
    pub(crate) store: MemoryStore,
    pub(crate) facts: FactSink,
    pub(crate) board: Board,
    pub(crate) fingerprints: Fingerprints,
    pub(crate) heartbeat: Heartbeat,
}

/// The decision thread.
pub(crate) struct Decider {
    parts: Parts,
    media: MediaLinks,
    transport: TransportCounters,
    /// Filled by the switch and carried out at once.
    actions: Vec<Action>,
    /// Events that followed from actions; for the next turn, so that no turn is endless.
    pending: VecDeque<Event>,
    /// Requests of ours without a final response. The transaction layer limits their number.
    unanswered: HashSet<ClientKey>,
    store_refused: u64,
    ending: bool,
    stopping: bool,
}

impl Decider {
    /// Of these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            media: MediaLinks::default(),
            transport: TransportCounters::default(),
            actions: Vec::new(),
            pending: VecDeque::new(),
            unanswered: HashSet::new(),
            store_refused: 0,
            ending: false,
            stopping: false,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        while !self.stopping {
            let busy = self.turn();
            if !busy && !self.stopping {
                self.sleep();
            }
        }
    }

    /// One turn; true when more is waiting already.
    fn turn(&mut self) -> bool {
        self.parts.heartbeat.beat();
        let mut busy = self.receive();
        self.drain_pending();
        busy |= self.drain_inbox();
        self.run_timers();
        self.serve_store();
        let now = self.parts.clock.now();
        self.publish(now);
        busy || !self.pending.is_empty() || self.parts.store.waiting() > 0
    }

    fn receive(&mut self) -> bool {
        let mut busy = false;
        let before = self.transport.received;
        for index in 0..self.parts.listeners.len() {
            let Some(listener) = self.parts.listeners.get_mut(index) else { continue };
            let id = ListenerId(u16::try_from(index).unwrap_or(u16::MAX));
            let (clock, endpoint) = (self.parts.clock, &mut self.parts.endpoint);
            busy |= listener.receive(&mut self.transport, |remote, bytes| {
                let flow = Flow { listener: id, transport: Transport::Udp, remote, connection: 0 };
                endpoint.receive(clock.now(), flow, Bytes::copy_from_slice(bytes));
            });
            self.settle();
        }
        if self.transport.received != before {
            self.parts.board.touch();
        }
        busy
    }

    fn drain_pending(&mut self) {
        for _ in 0..self.pending.len() {
            let Some(event) = self.pending.pop_front() else { return };
            self.decide(event);
        }
    }

    fn drain_inbox(&mut self) -> bool {
        let mut events = Vec::new();
        for _ in 0..BURST {
            let Ok(input) = self.parts.inbox.media.try_recv() else { break };
            self.media.take(input, |event| events.push(Event::Media(event)));
        }
        while let Ok(control) = self.parts.inbox.control.try_recv() {
            match control {
                Control::Config(loaded) => {
                    self.parts.fingerprints = loaded.fingerprints;
                    let names = sent_by(self.parts.advertised, &loaded.documents.sip.listeners);
                    self.parts.endpoint.name_listeners(names);
                    events.push(Event::Config(loaded.documents));
                }
                Control::Admin(order) => {
                    self.ending |= order == AdminOrder::EndCalls;
                    events.push(Event::Admin(order));
                }
                Control::Contacts(aor, answer) => {
                    let now_ms = self.parts.clock.now().wall.0;
                    // Whoever asked may have given up.
                    let _ = answer.send(self.parts.store.contacts(&aor, now_ms));
                }
                Control::Calls(answer) => {
                    let _ = answer.send(self.parts.switch.calls(MAX_CALLS_REPORTED));
                }
                Control::Stop => self.stopping = true,
            }
        }
        for event in events {
            self.decide(event);
        }
        !self.parts.inbox.is_empty()
    }

    /// Serves what was asked of the store in this turn; what that leads to is for the next.
    fn serve_store(&mut self) {
        for _ in 0..self.parts.store.waiting() {
            let Some((ticket, reply)) = self.parts.store.serve() else { return };
            self.decide(Event::Stored(ticket, reply));
        }
    }

    fn run_timers(&mut self) {
        let now = self.parts.clock.now();
        if self.parts.endpoint.deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.parts.endpoint.timeout(now);
            self.settle();
        }
        if self.parts.switch.deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.decide(Event::Tick);
        }
    }

    /// Lets the switch decide on `event`, and everything that follows from it.
    fn decide(&mut self, event: Event) {
        let now = self.parts.clock.now();
        self.switch(now, event);
        self.settle();
    }

    fn switch(&mut self, now: Now, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.parts.switch.on(now, event, &mut actions);
        for action in actions.drain(..) {
            self.act(now, action);
        }
        self.actions = actions;
        self.parts.board.touch();
    }

    /// Carries out what the transaction layer wants until it wants nothing more.
    fn settle(&mut self) {
        let now = self.parts.clock.now();
        while let Some(output) = self.parts.endpoint.poll(now) {
            match output {
                SipOutput::Transmit { flow, bytes } => self.transmit(now, flow, &bytes),
                SipOutput::Event(event) => {
                    if let Some(key) = finished(&event) {
                        self.unanswered.remove(&key);
                    }
                    self.switch(now, Event::Sip(event));
                }
            }
        }
    }

    fn transmit(&mut self, now: Now, flow: Flow, bytes: &Bytes) {
        let sent = match self.parts.listeners.get(usize::from(flow.listener.0)) {
            Some(listener) => listener.send(&mut self.transport, flow.remote, bytes),
            None => Sent::Unreachable,
        };
        if sent == Sent::Unreachable {
            self.parts.endpoint.transport_failed(now, flow);
        }
    }

    fn act(&mut self, now: Now, action: Action) {
        match action {
            Action::Sip(command) => {
                if let SipCommand::Request { key, .. } = &command {
                    self.unanswered.insert(*key);
                }
                self.parts.endpoint.command(now, command);
            }
            Action::Media { node, request } => {
                let ticket = request.ticket;
                if !self.media.request(&node, request) {
                    self.pending.push_back(Event::Media(MediaEvent::Undeliverable { node, ticket }));
                }
            }
            Action::Claim { node, sessions } => {
                // Undelivered: the stream is closing, and the node's next connect brings the next claim.
                self.media.claim(&node, sessions);
            }
            Action::Store(ticket, request) => {
                if !self.parts.store.put(ticket, request) {
                    self.store_refused += 1;
                    self.pending.push_back(Event::Stored(ticket, StoreReply::Unavailable));
                }
            }
            Action::Emit(fact) => self.parts.facts.emit(fact),
        }
    }

    fn publish(&mut self, now: Now) {
        let Self { parts, media, transport, store_refused, unanswered, ending, .. } = self;
        let Parts { board, switch, endpoint, fingerprints, facts, .. } = parts;
        board.publish(now, || Snapshot {
            switch: Some(switch.status(now)),
            ending: *ending,
            unanswered: unanswered.len(),
            documents: fingerprints.clone(),
            transport: *transport,
            sip: endpoint.counters(),
            facts: facts.counts().clone(),
            store_refused: *store_refused,
            media_undeliverable: media.undeliverable(),
        });
    }

    /// Sleeps until something comes or is due.
    fn sleep(&mut self) {
        let Parts { clock, listeners, endpoint, switch, inbox, board, .. } = &self.parts;
        inbox.sleeper.fall_asleep();
        if inbox.is_empty() {
            let now = clock.now().instant;
            let timers = [endpoint.deadline(), switch.deadline()].into_iter().flatten();
            let due = timers.fold(board.deadline(), Instant::min);
            wait(listeners, &inbox.sleeper, now.until(due));
        }
        inbox.sleeper.woke();
    }
}

/// The request of ours that `event` says the last word on.
fn finished(event: &SipEvent) -> Option<ClientKey> {
    match event {
        SipEvent::Response { key, message, .. } => {
            message.status().is_some_and(|status| status.code() >= 200).then_some(*key)
        }
        SipEvent::TimedOut { key } | SipEvent::Failed { key } => Some(*key),
        _ => None,
    }
}
