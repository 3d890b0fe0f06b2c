//! The phone's thread: owns the SIP socket, the transaction layer and all calls, and runs each event to completion.

mod callee;
mod caller;
mod compose;
mod dialogs;
mod leg;
mod register;
mod request;
mod timer;

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sip_core::{
    ClientKey, Endpoint, EndpointConfig, Flow, Header, Host, Limits, ListenerId, Message, Method, Now,
    SentBy, ServerKey, SipCommand, SipEvent, SipOutput, StatusCode, TokenSource, WallTime,
};

use caller::FAREWELL;
use compose::{AGENT, ALLOW, sdp_of};
use leg::Leg;
use register::{Registering, Waiting};
use request::{Failure, Known, Outstanding, Purpose, flow_to};
use timer::{Timer, Timers};

use crate::call::{CallShared, EndReason, EndedBy};
use crate::config::PhoneConfig;
use crate::error::PhoneError;
use crate::mailbox::{CallAction, Command, Reply};
use crate::media::Farewell;
use crate::phone::PhoneShared;
use crate::session::SDP;
use crate::wake::{Woken, wait_readable};

/// Datagrams taken before timers and commands are looked at again.
const BURST: usize = 64;
/// Largest datagram.
const DATAGRAM: usize = 65_535;
/// Transactions of each kind.
const TRANSACTIONS: usize = 10_000;

/// What a phone's thread is started with.
pub(crate) struct Wiring {
    pub(crate) socket: UdpSocket,
    /// Our address as others should see it.
    pub(crate) address: SocketAddr,
    pub(crate) commands: Receiver<Command>,
    pub(crate) woken: Woken,
    pub(crate) incoming: SyncSender<Arc<CallShared>>,
    pub(crate) shared: Arc<PhoneShared>,
    /// 80 random bytes.
    pub(crate) entropy: [u8; 80],
}

/// The phone.
pub(crate) struct Agent {
    config: PhoneConfig,
    address: SocketAddr,
    socket: UdpSocket,
    woken: Woken,
    commands: Receiver<Command>,
    incoming: SyncSender<Arc<CallShared>>,
    shared: Arc<PhoneShared>,
    start: Instant,
    endpoint: Endpoint,
    tokens: TokenSource,
    random: u64,
    timers: Timers,
    registering: Registering,
    known: HashMap<Header, Known>,
    outstanding: HashMap<ClientKey, Outstanding>,
    last_client: u64,
    legs: BTreeMap<u64, Leg>,
    last_leg: u64,
    /// Calls by Call-ID and our tag.
    dialogs: HashMap<(String, String), u64>,
    /// Calls by transactions of theirs that are not over.
    servers: HashMap<ServerKey, u64>,
    /// Once it ends: until when at the latest.
    stopping: Option<Instant>,
}

impl Agent {
    pub(crate) fn new(config: PhoneConfig, wiring: Wiring) -> Self {
        let Wiring { socket, address, commands, woken, incoming, shared, entropy } = wiring;
        let (seeds, rest) = entropy.as_chunks::<32>();
        let [transactions, own] = [seeds.first(), seeds.get(1)].map(|seed| seed.copied().unwrap_or_default());
        let (numbers, _) = rest.as_chunks::<8>();
        let [incarnation, random] =
            [numbers.first(), numbers.get(1)].map(|n| n.copied().map_or(1, u64::from_be_bytes));
        let host = Host::from(address.ip());
        let endpoint = Endpoint::new(EndpointConfig {
            incarnation,
            seed: transactions,
            sent_by: vec![SentBy { listener: ListenerId(0), host, port: address.port() }],
            user_agent: AGENT.to_owned(),
            limits: Limits { server_transactions: TRANSACTIONS, client_transactions: TRANSACTIONS },
        });
        let mut tokens = TokenSource::new(own, incarnation);
        let registering = Registering::new(tokens.token(), tokens.token());
        Self {
            config,
            address,
            socket,
            woken,
            commands,
            incoming,
            shared,
            start: Instant::now(),
            endpoint,
            tokens,
            random: random | 1,
            timers: Timers::default(),
            registering,
            known: HashMap::new(),
            outstanding: HashMap::new(),
            last_client: 0,
            legs: BTreeMap::new(),
            last_leg: 0,
            dialogs: HashMap::new(),
            servers: HashMap::new(),
            stopping: None,
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM];
        while !self.finished() {
            self.woken.clear();
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            self.receive(&mut buffer);
            while let Some(timer) = self.timers.pop(Instant::now()) {
                self.fire(timer);
            }
            self.pump();
            let wait = self.wait();
            wait_readable(&[self.socket.as_fd(), self.woken.as_fd()], wait);
        }
        for (_, leg) in std::mem::take(&mut self.legs) {
            leg.shared.end(EndReason::new(EndedBy::Failure, "the phone was shut down"));
        }
    }

    fn finished(&self) -> bool {
        let idle = || self.legs.is_empty() && self.outstanding.values().all(|out| out.done);
        self.stopping.is_some_and(|deadline| idle() || Instant::now() >= deadline)
    }

    /// How long nothing is due.
    fn wait(&self) -> Option<Duration> {
        let now = self.now().instant;
        let own = [self.timers.deadline(), self.stopping].into_iter().flatten().min();
        let own = own.map(|at| at.saturating_duration_since(Instant::now()));
        let endpoint = self.endpoint.deadline().map(|at| now.until(at));
        let wait = [own, endpoint].into_iter().flatten().min();
        // A stopped phone looks again whether it is idle.
        if self.finished() { Some(Duration::ZERO) } else { wait }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let wall = WallTime(u64::try_from(wall).unwrap_or(u64::MAX));
        Now { instant: sip_core::Instant::from_start(self.start.elapsed()), wall }
    }

    fn random(&mut self) -> u64 {
        // xorshift: what needs to be secret is made by `tokens`.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn sip(&mut self, command: SipCommand) {
        let now = self.now();
        self.endpoint.command(now, command);
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..BURST {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                    let now = self.now();
                    self.endpoint.receive(now, flow_to(from), bytes);
                    self.pump();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // ICMP of something sent before.
                Err(error) => tracing::debug!(%error, "SIP socket"),
            }
        }
    }

    /// Carries out what the transaction layer wants, until it wants nothing.
    fn pump(&mut self) {
        loop {
            let now = self.now();
            match self.endpoint.poll(now) {
                Some(SipOutput::Transmit { flow, bytes }) => self.transmit(flow, &bytes),
                Some(SipOutput::Event(event)) => self.on_event(event),
                None => return,
            }
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: &[u8]) {
        if let Err(error) = self.socket.send_to(bytes, flow.remote) {
            tracing::debug!(%error, to = %flow.remote, "SIP send");
            // A full buffer is a lost packet; retransmission cares for it.
            if error.kind() != std::io::ErrorKind::WouldBlock {
                let now = self.now();
                self.endpoint.transport_failed(now, flow);
            }
        }
    }

    fn on_event(&mut self, event: SipEvent) {
        match event {
            SipEvent::Request { key, flow, message } => self.on_request(key, flow, message),
            SipEvent::Acked { key, message } => self.on_acked(key, &message),
            SipEvent::AckMissing { key } => self.on_ack_missing(key),
            SipEvent::Cancelled { key, message } => self.on_cancelled(key, &message),
            SipEvent::Response { key, message, .. } => self.on_response(key, &message),
            SipEvent::TimedOut { key } => self.on_timed_out(key),
            SipEvent::Failed { key } => self.on_failure(key, Failure::NotSent),
        }
    }

    fn on_request(&mut self, key: ServerKey, flow: Flow, request: Message) {
        tracing::debug!(method = %request.method(), from = %flow.remote, "request received");
        if self.refuse_extension(key, &request) {
            return;
        }
        if let Some(tag) = request.to_tag() {
            let id = (request.call_id().to_owned(), tag.to_owned());
            match self.dialogs.get(&id) {
                Some(leg) => self.on_dialog_request(*leg, key, flow, &request),
                None => self.respond(key, &request, StatusCode::CALL_DOES_NOT_EXIST),
            }
            return;
        }
        match request.method() {
            Method::Invite => self.on_invite(key, flow, request),
            Method::Options => self.on_options(key, &request),
            Method::Bye => self.respond(key, &request, StatusCode::CALL_DOES_NOT_EXIST),
            _ => self.respond(key, &request, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// 420 to what requires anything, 415 to an INVITE with a body that is no SDP (RFC 3261 sections 8.2.2.3 and 8.2.3).
    fn refuse_extension(&mut self, key: ServerKey, request: &Message) -> bool {
        let foreign =
            request.method() == Method::Invite && !request.body().is_empty() && sdp_of(request).is_none();
        let builder = if let Some(wanted) = request.text(Header::Require) {
            self.response(request, StatusCode::BAD_EXTENSION).header(Header::Unsupported, wanted)
        } else if foreign {
            self.response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE).header(Header::Accept, SDP)
        } else {
            return false;
        };
        self.sip(SipCommand::Respond { key, message: builder.build() });
        true
    }

    fn on_options(&mut self, key: ServerKey, request: &Message) {
        let builder = self.response(request, StatusCode::OK).header(Header::Allow, ALLOW);
        let message = builder.header(Header::Accept, SDP).build();
        self.sip(SipCommand::Respond { key, message });
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Register { expires, reply } => self.register(expires, reply),
            Command::Unregister { reply } => self.unregister(Waiting::Unregister(reply)),
            Command::Options { reply } => self.ask_options(reply),
            Command::SetAnswer { policy, reply } => {
                self.config.answer = policy;
                let _ = reply.try_send(Ok(()));
            }
            Command::Call { number, options, reply } => {
                let call = self.call(&number, &options);
                let _ = reply.try_send(call);
            }
            Command::OnCall { key, action, reply } => self.act(key, action, reply),
            Command::Drop { key } => self.hang_up(key),
            Command::Shutdown => self.shut_down(),
            Command::Vanish => self.vanish(),
        }
    }

    fn act(&mut self, leg: u64, action: CallAction, reply: Reply<()>) {
        let done = match action {
            CallAction::Ring => self.ring(leg),
            CallAction::EarlyMedia => self.early_media(leg),
            CallAction::Answer => self.answer(leg),
            CallAction::Reject(status) => self.reject(leg, status),
            CallAction::Cancel => self.cancel(leg),
            CallAction::Hold(hold) => return self.reinvite(leg, Some(hold), false, reply),
            CallAction::Reinvite { late_offer } => return self.reinvite(leg, None, late_offer, reply),
            CallAction::Hangup => {
                self.hang_up(leg);
                Ok(())
            }
        };
        let _ = reply.try_send(done);
    }

    fn ask_options(&mut self, reply: Reply<u16>) {
        let aor = match self.aor(&self.config.user) {
            Ok(aor) => aor,
            Err(error) => {
                let _ = reply.try_send(Err(error));
                return;
            }
        };
        let mut uri = aor.clone();
        uri.user = None;
        let to = sip_core::NameAddr::new(uri.clone());
        let from = sip_core::NameAddr::new(aor).tagged(&self.tokens.token());
        let call_id = self.tokens.token();
        let fresh = compose::Fresh {
            method: Method::Options,
            uri: &uri,
            from: &from,
            to: &to,
            call_id: &call_id,
            cseq: 1,
        };
        let message = fresh.builder().header(Header::Contact, self.contact()).build();
        self.send_request(Purpose::Options(reply), message, flow_to(self.config.server));
    }

    fn shut_down(&mut self) {
        self.stopping = Some(Instant::now() + FAREWELL);
        let legs: Vec<u64> = self.legs.keys().copied().collect();
        for leg in legs {
            self.hang_up(leg);
        }
        if self.wants_registration() {
            self.unregister(Waiting::Nobody);
        }
    }

    fn vanish(&mut self) {
        self.stopping = Some(Instant::now());
        for (_, leg) in std::mem::take(&mut self.legs) {
            leg.shared.stream().stop(Farewell::None);
            leg.shared.end(EndReason::new(EndedBy::Failure, "the phone has vanished"));
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Refresh => self.refresh(),
            Timer::Patience(key) => self.on_patience(key),
            Timer::Forget(key) => drop(self.outstanding.remove(&key)),
            Timer::Policy(leg, policy) => self.follow(leg, policy),
            Timer::Answer(leg) => {
                // Somebody else was faster.
                let _ = self.answer(leg);
            }
            Timer::RingTimeout(leg) => {
                // Answered in time.
                let _ = self.cancel(leg);
            }
            Timer::Hangup(leg) => self.hang_up(leg),
            Timer::GiveUp(leg) => self.give_up(leg),
            Timer::RetryReinvite(leg) => self.try_reinvite(leg),
        }
    }

    /// Forgets a call and tells its holder why.
    fn end_leg(&mut self, key: u64, reason: EndReason) {
        let Some(mut leg) = self.legs.remove(&key) else { return };
        tracing::debug!(by = ?reason.by, status = ?reason.status, "call ended");
        self.dialogs.retain(|_, leg| *leg != key);
        self.servers.retain(|_, leg| *leg != key);
        self.timers.retain(|timer| timer.leg() != Some(key));
        if let Some(reply) = leg.reinvite.take().and_then(|reinvite| reinvite.reply) {
            let _ = reply.try_send(Err(PhoneError::Ended(reason.clone())));
        }
        leg.shared.end(reason);
    }
}
