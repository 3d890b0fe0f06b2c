//! One switch, its phones, media-nodes and store. Time passes only from one due moment to the next.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip_core::endpoint::{Endpoint, EndpointConfig, SentBy};
use sip_core::{Counters, Flow, Instant, ListenerId, Now, SipOutput, Transport, WallTime};
use testkit::{Clock, Impairment, Network};
use voip_contract::admin::CallRecord;
use voip_contract::config::ActionDocument;
use voip_contract::media::{Announcement, MediaNotice, MediaOperation, MediaReply, MediaRequest};
use voip_contract::{CallId, Incarnation, LegId, NodeName};

use super::documents::{documents, node, plan, user};
use super::media_node::MediaNode;
use super::phone::{Phone, Reaction};
use super::store::MemoryStore;
use crate::{
    Action, AdminOrder, AdvertisedListener, Documents, Event, Fact, Limits, MediaEvent, Switch, SwitchConfig,
    Tables,
};

const EPOCH_MS: u64 = 1_800_000_000_000;
/// The longest registration, and 64*T1 for the last OPTIONS in it.
const SETTLE: Duration = Duration::from_secs(160);

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) network: Network<SocketAddr, Bytes>,
    endpoint: Endpoint,
    pub(crate) switch: Switch,
    pub(crate) phones: Vec<Phone>,
    pub(crate) store: MemoryStore,
    pub(crate) store_delay: Duration,
    /// The store answers nothing.
    pub(crate) store_silent: bool,
    pub(crate) media: BTreeMap<NodeName, MediaNode>,
    pub(crate) facts: Vec<Fact>,
    /// Inputs of the switch that are on their way.
    later: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    server: SocketAddr,
}

impl World {
    /// Users 1001, 1002 and 1003 with a phone each, media-nodes m0 and m1, a good network. Nobody is registered.
    pub(crate) fn new() -> Self {
        let users = ["1001", "1002", "1003"].map(user).to_vec();
        Self::with(&documents(Vec::new(), users), Limits::default(), 1)
    }

    pub(crate) fn with(documents: &Documents, limits: Limits, seed: u64) -> Self {
        let server: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let phones = documents.users.iter().zip(10_u8..);
        let phones = phones.map(|(user, number)| {
            let address = SocketAddr::new([192, 0, 2, number].into(), 5060);
            Phone::new(&user.username, address, server, number)
        });
        let config = SwitchConfig {
            incarnation: Incarnation(0xa),
            seed: [3; 32],
            listeners: vec![AdvertisedListener {
                outside: (server.ip(), server.port()),
                inside: (server.ip(), server.port()),
            }],
            limits,
            server: "sip-node".to_owned(),
        };
        let endpoint = EndpointConfig {
            incarnation: 0xa,
            seed: [3; 32],
            sent_by: vec![SentBy { listener: ListenerId(0), host: server.ip().into(), port: server.port() }],
            user_agent: String::new(),
            limits: sip_core::endpoint::Limits::default(),
        };
        let mut world = Self {
            clock: Clock::new(),
            network: Network::new(seed, Impairment::none(Duration::from_millis(2))),
            endpoint: Endpoint::new(endpoint),
            switch: Switch::new(config, documents).unwrap(),
            phones: phones.collect(),
            store: MemoryStore::default(),
            store_delay: Duration::from_millis(1),
            store_silent: false,
            media: BTreeMap::new(),
            facts: Vec::new(),
            later: BTreeMap::new(),
            sequence: 0,
            server,
        };
        world.connect_node("m0", 1);
        world.connect_node("m1", 2);
        world
    }

    /// With these routes; all registered.
    pub(crate) fn planned(routes: &[(&str, Vec<ActionDocument>)]) -> Self {
        let users = ["1001", "1002", "1003"].map(user).to_vec();
        let mut world = Self::with(&documents(plan(routes), users), Limits::default(), 1);
        world.register_all();
        world
    }

    /// All registered.
    pub(crate) fn registered() -> Self {
        let mut world = Self::new();
        world.register_all();
        world
    }

    pub(crate) fn register_all(&mut self) {
        let now = self.now();
        for phone in &mut self.phones {
            let contact = format!("<{}>", phone.contact);
            phone.register(now, &contact, &[]);
        }
        self.run(Duration::from_secs(1));
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = self.clock.now();
        let wall = EPOCH_MS + u64::try_from(elapsed.as_millis()).unwrap();
        Now { instant: Instant::from_start(elapsed), wall: WallTime(wall) }
    }

    pub(crate) fn phone(&mut self, user: &str) -> &mut Phone {
        self.phones.iter_mut().find(|phone| phone.user == user).unwrap()
    }

    /// Does something with a phone, now.
    pub(crate) fn act<R>(&mut self, user: &str, act: impl FnOnce(&mut Phone, Now) -> R) -> R {
        let now = self.now();
        let result = act(self.phone(user), now);
        self.pump();
        result
    }

    /// `from` calls `number`, whose phone reacts so, if it has one.
    pub(crate) fn call(&mut self, from: &str, number: &str, reaction: Reaction) {
        if let Some(phone) = self.phones.iter_mut().find(|phone| phone.user == number) {
            phone.reaction = reaction;
        }
        self.act(from, |phone, now| phone.invite(now, number));
        self.run(Duration::from_secs(1));
    }

    /// `from` and `to` talk.
    pub(crate) fn talking(from: &str, to: &str) -> Self {
        let mut world = Self::registered();
        world.call(from, to, Reaction::Answer);
        assert!(world.phone(from).is_talking() && world.phone(to).is_talking());
        world
    }

    pub(crate) fn input(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.switch.on(self.now(), event, &mut actions);
        self.carry_out(actions);
    }

    pub(crate) fn order(&mut self, order: AdminOrder) {
        self.input(Event::Admin(order));
        self.pump();
    }

    pub(crate) fn media_event(&mut self, event: MediaEvent) {
        self.input(Event::Media(event));
        self.pump();
    }

    /// A (new) run of a media-node connects.
    pub(crate) fn connect_node(&mut self, name: &str, run: u64) {
        let said = Announcement {
            node: node(name),
            incarnation: Incarnation(run),
            pool: "default".to_owned(),
            ports: (20_000, 20_999),
            capacity: 100,
            sessions: 0,
            ports_in_use: 0,
            draining: false,
        };
        let fresh = MediaNode::new(said.clone());
        let known =
            self.media.get(&node(name)).is_some_and(|known| known.said.incarnation == said.incarnation);
        if !known {
            self.media.insert(node(name), fresh);
        }
        self.media.get_mut(&node(name)).unwrap().connected = true;
        self.media_event(MediaEvent::Announced(said));
    }

    /// The run of a node ends, and its sessions with it.
    pub(crate) fn kill_node(&mut self, name: &str) {
        self.media.get_mut(&node(name)).unwrap().sessions.clear();
        self.disconnect_node(name);
    }

    pub(crate) fn disconnect_node(&mut self, name: &str) {
        let media = self.media.get_mut(&node(name)).unwrap();
        media.connected = false;
        let incarnation = media.said.incarnation;
        self.media_event(MediaEvent::Disconnected { node: node(name), incarnation });
    }

    /// The node that holds sessions.
    pub(crate) fn busy_node(&self) -> String {
        self.media.values().find(|media| !media.sessions.is_empty()).expect("a session").said.node.to_string()
    }

    /// What the transaction layer of the switch counted.
    pub(crate) fn counters(&self) -> Counters {
        self.endpoint.counters()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.media.values().map(|media| media.sessions.len()).sum()
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.clock.now() + span;
        self.pump();
        while let Some(next) = self.next_moment().filter(|next| *next <= until) {
            self.clock.advance_to(next);
            self.deliver();
            self.pump();
        }
        self.clock.advance_to(until);
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    fn next_moment(&self) -> Option<Duration> {
        let of = |instant: Option<Instant>| instant.map(|at| at.since(Instant::default()));
        let phones = self.phones.iter().filter_map(|phone| of(phone.deadline()));
        let others = [
            self.network.next_arrival(),
            of(self.endpoint.deadline()),
            of(self.switch.deadline()),
            self.later.first_key_value().map(|((at, _), _)| *at),
        ];
        phones.chain(others.into_iter().flatten()).min()
    }

    fn deliver(&mut self) {
        let now = self.now();
        while let Some(delivery) = self.network.receive(self.clock.now()) {
            if delivery.to == self.server {
                let flow = Flow {
                    listener: ListenerId(0),
                    transport: Transport::Udp,
                    remote: delivery.from,
                    connection: 0,
                };
                self.endpoint.receive(now, flow, delivery.payload);
            } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address == delivery.to) {
                phone.receive(now, delivery.payload);
            }
        }
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= self.clock.now()) {
            let event = entry.remove();
            self.input(event);
        }
        self.input(Event::Tick);
    }

    /// Lets everybody do what can be done now.
    fn pump(&mut self) {
        let now = self.now();
        while let Some(output) = self.endpoint.poll(now) {
            match output {
                SipOutput::Transmit { flow, bytes } => {
                    self.network.send(self.clock.now(), self.server, flow.remote, bytes);
                }
                SipOutput::Event(event) => self.input(Event::Sip(event)),
            }
        }
        for phone in &mut self.phones {
            for bytes in phone.poll(now) {
                self.network.send(self.clock.now(), phone.address, self.server, bytes);
            }
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Sip(command) => self.endpoint.command(self.now(), command),
                Action::Media { node, request } => self.serve_media(&node, &request),
                Action::Claim { node, sessions } => {
                    let media = self.media.get_mut(&node).unwrap();
                    media.sessions.retain(|id, _| sessions.contains(id));
                    media.claims.push(sessions);
                }
                Action::Store(ticket, request) => {
                    let reply = self.store.serve(request);
                    if !self.store_silent {
                        self.soon(self.store_delay, Event::Stored(ticket, reply));
                    }
                }
                Action::Emit(fact) => self.facts.push(fact),
            }
        }
    }

    fn soon(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.later.insert((self.clock.now() + delay, self.sequence), event);
    }

    fn serve_media(&mut self, name: &NodeName, request: &MediaRequest) {
        let media = self.media.get_mut(name).unwrap();
        if !media.connected {
            let event = MediaEvent::Undeliverable { node: name.clone(), ticket: request.ticket };
            return self.soon(Duration::ZERO, Event::Media(event));
        }
        if media.silent {
            return;
        }
        let incarnation = media.said.incarnation;
        let result = media.serve(request);
        let plays = matches!(request.operation, MediaOperation::Play { .. }) && result.is_ok();
        let reply = MediaReply { ticket: request.ticket, session: request.session, result };
        let event = MediaEvent::Replied { node: name.clone(), incarnation, reply };
        self.soon(Duration::from_millis(1), Event::Media(event));
        if plays {
            let notice = MediaNotice::PlayFinished { session: request.session, leg: LegId(0) };
            let event = MediaEvent::Noticed { node: name.clone(), notice };
            self.soon(Duration::from_secs(2), Event::Media(event));
        }
    }

    /// The closed CDRs.
    pub(crate) fn records(&self) -> Vec<CallRecord> {
        let record = |fact: &Fact| match fact {
            Fact::CallEnded { record, .. } => Some((**record).clone()),
            _ => None,
        };
        self.facts.iter().filter_map(record).collect()
    }

    /// The one closed CDR.
    pub(crate) fn record(&self) -> CallRecord {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "one CDR: {records:?}");
        records.remove(0)
    }

    /// Lets everything run out, and checks that nothing is left: no call, transaction, session, timer, and one CDR per
    /// call.
    pub(crate) fn assert_over(&mut self) {
        self.run(SETTLE);
        assert_eq!(self.switch.tables(), Tables::default());
        assert_eq!(self.sessions(), 0, "media sessions");
        assert!(self.store.calls.is_empty(), "stored calls");
        let counters = self.endpoint.counters();
        assert_eq!((counters.server_transactions, counters.client_transactions), (0, 0), "transactions");
        for phone in &self.phones {
            assert!(phone.line.is_none(), "{} still has a call", phone.user);
            assert_eq!(phone.transactions(), 0, "{}", phone.user);
            for (key, outcomes) in &phone.invites {
                assert_eq!(outcomes.len(), 1, "{}: INVITE {key:?}: {outcomes:?}", phone.user);
            }
        }
        let started = |fact: &&Fact| matches!(fact, Fact::CallStarted(_));
        let mut ids: Vec<CallId> = self.records().iter().map(|record| record.id).collect();
        assert_eq!(self.facts.iter().filter(started).count(), ids.len(), "a CDR per call");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(self.records().len(), ids.len(), "no CDR twice");
    }
}
