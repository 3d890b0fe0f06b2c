//! The transaction layer as one value: bytes, commands and time go in, bytes and events come out.
//!
//! Requests are matched, retransmitted, answered from memory, cancelled and shed here. What is left to the user:
//! dialogs, authentication, and every check that needs to know what the request is for (Max-Forwards, Require, the
//! Request-URI's scheme). Knows no sockets and no calls.

mod client_invite;
mod client_other;
mod clients;
mod key;
mod out;
mod server_invite;
mod server_other;
mod servers;
mod stateless;
mod timers;

use bytes::Bytes;

use clients::Clients;
pub use key::{Fingerprint, Fingerprints};
pub use out::Counters;
use out::Out;
use servers::Servers;
use timers::{Owner, TimerQueue};

use crate::event::{ClientKey, SipCommand, SipEvent, SipOutput};
use crate::flow::{Flow, ListenerId};
use crate::header::Header;
use crate::message::{Malformed, Message, ParseError};
use crate::method::Method;
use crate::time::{Instant, Now};
use crate::token::TokenSource;
use crate::uri::Host;
use crate::via::Via;

/// How a listener names itself in Via.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBy {
    /// Which listener.
    pub listener: ListenerId,
    /// Host.
    pub host: Host,
    /// Port.
    pub port: u16,
}

/// How many transactions are kept at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of others; beyond it new ones get 503 with Retry-After.
    pub server_transactions: usize,
    /// Requests of ours; beyond it new ones fail.
    pub client_transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { server_transactions: 200_000, client_transactions: 200_000 }
    }
}

/// What an endpoint is told once.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// This run of this process; part of every tag and branch.
    pub incarnation: u64,
    /// Secret, and never used twice: tags and branches are made from it.
    pub seed: [u8; 32],
    /// The listeners. A request for a flow of any other fails. See [`Endpoint::name_listeners`].
    pub sent_by: Vec<SentBy>,
    /// Added as User-Agent to requests that have none; empty: nothing is added.
    pub user_agent: String,
    /// Table sizes.
    pub limits: Limits,
}

/// The transaction layer.
pub struct Endpoint {
    sent_by: Vec<SentBy>,
    user_agent: String,
    tokens: TokenSource,
    fingerprints: Fingerprints,
    servers: Servers,
    clients: Clients,
    timers: TimerQueue,
    out: Out,
}

impl Endpoint {
    /// An endpoint with empty tables.
    pub fn new(config: EndpointConfig) -> Self {
        Self {
            tokens: TokenSource::new(config.seed, config.incarnation),
            fingerprints: Fingerprints::new(&config.seed),
            servers: Servers::new(config.limits.server_transactions),
            clients: Clients::new(config.limits.client_transactions),
            timers: TimerQueue::default(),
            out: Out::default(),
            sent_by: config.sent_by,
            user_agent: config.user_agent,
        }
    }

    /// The listeners name themselves so from here on. Responses to what was sent before are still known: they are
    /// matched by branch.
    pub fn name_listeners(&mut self, sent_by: Vec<SentBy>) {
        self.sent_by = sent_by;
    }

    /// Takes one datagram, or one message of a stream. What is no message is counted, and answered with 400 or 505 if
    /// enough of it can be read.
    pub fn receive(&mut self, now: Now, flow: Flow, bytes: impl Into<Bytes>) {
        self.out.counters.received += 1;
        let message = match Message::examine(bytes.into()) {
            Ok(message) => message,
            Err(Malformed { error: ParseError::Empty, .. }) => {
                self.out.counters.keep_alives += 1;
                return;
            }
            Err(Malformed { error, message }) => return self.refuse(flow, message, error),
        };
        if let Err(error) = message.validate() {
            return self.refuse(flow, Some(message), error);
        }
        if message.is_request() {
            let (servers, mut cx) = self.for_servers(now);
            servers.receive(&mut cx, flow, message);
        } else {
            let (clients, mut cx) = self.for_clients(now);
            clients.receive(&mut cx, flow, message);
        }
    }

    /// Does what the user wants.
    pub fn command(&mut self, now: Now, command: SipCommand) {
        match command {
            SipCommand::Request { key, flow, message } => self.request(now, key, flow, &message),
            SipCommand::Probe { key, flow, message } => self.probe(now, key, flow, &message),
            SipCommand::Ack { key, flow, message } => {
                if let Some((ack, _)) = self.with_via(flow, &message) {
                    let (clients, mut cx) = self.for_clients(now);
                    clients.acknowledge(&mut cx, key, flow, &ack);
                }
            }
            SipCommand::Cancel { key, reason } => {
                let (clients, mut cx) = self.for_clients(now);
                clients.cancel(&mut cx, key, reason);
            }
            SipCommand::Respond { key, message } => {
                let (servers, mut cx) = self.for_servers(now);
                servers.respond(&mut cx, key, message);
            }
        }
    }

    /// Nothing can be sent on `flow`: an ICMP error, or a connection that broke. Responses are not affected: they are
    /// sent again or asked for again.
    pub fn transport_failed(&mut self, now: Now, flow: Flow) {
        let (clients, mut cx) = self.for_clients(now);
        clients.transport_failed(&mut cx, flow);
    }

    /// What comes out next; timers that are due by `now` fire first.
    pub fn poll(&mut self, now: Now) -> Option<SipOutput> {
        self.timeout(now);
        self.out.queue.pop_front()
    }

    /// When [`Endpoint::poll`] or [`Endpoint::timeout`] must be called at the latest; `None`: no timer runs.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// Fires the timers that are due by `now`.
    pub fn timeout(&mut self, now: Now) {
        while let Some(owner) = self.timers.take_due(now.instant) {
            match owner {
                Owner::Server(key) => {
                    let (servers, mut cx) = self.for_servers(now);
                    servers.fire(&mut cx, key);
                }
                Owner::Client(key) => {
                    let (clients, mut cx) = self.for_clients(now);
                    clients.fire(&mut cx, key);
                }
            }
        }
    }

    /// What happened so far, and how full the tables are.
    pub fn counters(&self) -> Counters {
        let (server_transactions, client_transactions) = (self.servers.len(), self.clients.len());
        Counters { server_transactions, client_transactions, ..self.out.counters }
    }

    fn request(&mut self, now: Now, key: ClientKey, flow: Flow, message: &Message) {
        let Some((request, branch)) = self.with_via(flow, message) else {
            self.out.counters.refused += 1;
            self.out.event(SipEvent::Failed { key });
            return;
        };
        let (clients, mut cx) = self.for_clients(now);
        clients.begin(&mut cx, key, flow, request, &branch);
    }

    fn probe(&mut self, now: Now, key: ClientKey, flow: Flow, message: &Message) {
        let Some((request, branch)) = self.with_via(flow, message) else {
            self.out.counters.refused += 1;
            return;
        };
        let (clients, mut cx) = self.for_clients(now);
        clients.probe(&mut cx, key, flow, request, &branch);
    }

    /// A request with our Via on top, and what every request needs; `None` without a listener for `flow`.
    fn with_via(&mut self, flow: Flow, message: &Message) -> Option<(Message, String)> {
        let sent_by = self.sent_by.iter().find(|sent_by| sent_by.listener == flow.listener)?;
        let branch = self.tokens.branch();
        let via = Via::new(flow.transport.via_token(), sent_by.host.clone(), Some(sent_by.port), &branch);
        let mut builder = message.edit().prepend(Header::Via, via);
        if !builder.has(Header::MaxForwards) {
            builder = builder.header(Header::MaxForwards, 70);
        }
        if !self.user_agent.is_empty() && !builder.has(Header::UserAgent) && message.method() != Method::Ack {
            builder = builder.header(Header::UserAgent, &self.user_agent);
        }
        Some((builder.build(), branch))
    }

    fn refuse(&mut self, flow: Flow, message: Option<Message>, error: ParseError) {
        self.out.counters.malformed += 1;
        let answer = message.and_then(|message| stateless::refusal(&self.tokens, flow, message, error));
        if let Some((flow, answer)) = answer {
            self.out.send(flow, answer.bytes());
        }
    }

    fn for_servers(&mut self, now: Now) -> (&mut Servers, servers::Context<'_>) {
        let Self { servers, fingerprints, tokens, timers, out, .. } = self;
        (servers, servers::Context { now, fingerprints, tokens, timers, out })
    }

    fn for_clients(&mut self, now: Now) -> (&mut Clients, clients::Context<'_>) {
        let Self { clients, timers, out, .. } = self;
        (clients, clients::Context { now, timers, out })
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;
