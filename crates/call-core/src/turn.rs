//! What one input of the switch may touch: tables, timers and the list of actions. Calls and the registrar act
//! through it; it decides nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use sip_core::{Authenticator, ClientKey, Flow, Host, Message, Now, ServerKey, SipCommand, TokenSource};
use voip_contract::admin::CallRecord;
use voip_contract::media::{MediaOperation, MediaRequest};
use voip_contract::{CallId, Epoch, Generation, LegId, NodeName};

use crate::call::record;
use crate::config::{Directory, SwitchConfig};
use crate::drain::Drain;
use crate::event::Action;
use crate::fact::Fact;
use crate::farewell::Farewell;
use crate::media_nodes::MediaNodes;
use crate::registrar::PendingRegister;
use crate::registrations::Registrations;
use crate::store::{StoreRequest, Ticket};
use crate::timers::{self, Timer, TimerKey, Timers};

/// Everything but the calls.
pub(crate) struct Core {
    pub(crate) config: SwitchConfig,
    pub(crate) directory: Directory,
    pub(crate) authenticator: Authenticator,
    pub(crate) tokens: TokenSource,
    pub(crate) timers: Timers,
    pub(crate) nodes: MediaNodes,
    pub(crate) farewell: Farewell,
    pub(crate) registrations: Registrations,
    /// Dialogs by our tag, which is unique: the rest of the dialog id is checked by the leg.
    pub(crate) dialogs: HashMap<String, (CallId, LegId)>,
    pub(crate) clients: HashMap<ClientKey, (CallId, LegId)>,
    pub(crate) servers: HashMap<ServerKey, (CallId, LegId)>,
    /// Calls per user, both directions together.
    pub(crate) busy: HashMap<String, u32>,
    pub(crate) drain: Drain,
    pub(crate) next: Counters,
    pub(crate) waiting: Waiting,
}

/// Numbers that are never used twice.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    ticket: u64,
    client: u64,
}

/// Who waits for which reply.
#[derive(Default)]
pub(crate) struct Waiting {
    store: HashMap<Ticket, (StoreWaiter, TimerKey)>,
    media: HashMap<u64, (MediaWaiter, TimerKey)>,
    registrations: usize,
}

/// Who waits for the store.
pub(crate) enum StoreWaiter {
    /// A REGISTER.
    Register(Box<PendingRegister>),
    /// A call that looks for its callee.
    Located(CallId),
    /// A call that goes on once it is written.
    Saved(CallId, Checkpoint),
    /// Nobody: the call goes on meanwhile.
    Nobody,
}

/// What a call does once it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// Invites that branch.
    Invite(LegId),
    /// Passes the 200 of that branch on.
    Accept(LegId),
    /// Answers the caller itself.
    Local,
    /// Passes the 200 of a re-INVITE on.
    Modify(Generation),
}

/// Which request of a call a media-node has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaWaiter {
    pub(crate) call: CallId,
    pub(crate) node: NodeName,
    pub(crate) asked: MediaAsked,
}

/// What was asked of media-node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaAsked {
    /// An offer for that branch.
    Offer(LegId),
    /// An early answer of that branch, that came with this status.
    Progress(LegId, u16),
    /// The answer of that branch.
    Answer(LegId),
    /// The offer that that branch made in its 200.
    LateOffer(LegId),
    /// The caller's answer to it.
    LateAnswer(LegId),
    /// An answer of our own to the caller.
    Local,
    /// A prompt.
    Play,
    /// The echo.
    Echo,
    /// A step of a re-INVITE.
    Modify(Generation),
    /// To take something back: the reply says nothing of interest.
    Undo,
    /// The end: the reply holds the statistics.
    Release,
}

/// A session and how its owner is numbered: what every media request of a call begins with.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) call: CallId,
    pub(crate) epoch: Epoch,
    pub(crate) node: NodeName,
    /// The open CDR.
    pub(crate) record: CallRecord,
}

/// One input: when it came, what it may touch, what came of it.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) core: &'a mut Core,
    pub(crate) out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    /// Reports what happened.
    pub(crate) fn emit(&mut self, fact: Fact) {
        self.out.push(Action::Emit(fact));
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, key: ServerKey, message: Message) {
        self.out.push(Action::Sip(SipCommand::Respond { key, message }));
    }

    /// Sends a request whose responses nobody waits for.
    pub(crate) fn send(&mut self, flow: Flow, message: Message) -> ClientKey {
        let key = self.next_client();
        self.out.push(Action::Sip(SipCommand::Request { key, flow, message }));
        key
    }

    /// Sends a request of a leg; its responses come to the call.
    pub(crate) fn request(&mut self, call: CallId, leg: LegId, flow: Flow, message: Message) -> ClientKey {
        let key = self.send(flow, message);
        self.core.clients.insert(key, (call, leg));
        key
    }

    /// Acknowledges a 2xx.
    pub(crate) fn acknowledge(&mut self, key: ClientKey, flow: Flow, message: Message) {
        self.out.push(Action::Sip(SipCommand::Ack { key, flow, message }));
    }

    /// Sets a timer.
    pub(crate) fn after(&mut self, span: Duration, timer: Timer) -> TimerKey {
        self.core.timers.set(self.now.instant.after(span), timer)
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Option<TimerKey>) {
        if let Some(timer) = timer {
            self.core.timers.stop(timer);
        }
    }

    /// Asks the store.
    pub(crate) fn store(&mut self, waiter: StoreWaiter, request: StoreRequest) {
        let ticket = Ticket(self.next_ticket());
        if matches!(waiter, StoreWaiter::Register(_)) {
            self.core.waiting.registrations = self.core.waiting.registrations.saturating_add(1);
        }
        if !matches!(waiter, StoreWaiter::Nobody) {
            let timer = self.after(timers::STORE_REPLY, Timer::Store(ticket));
            self.core.waiting.store.insert(ticket, (waiter, timer));
        }
        self.out.push(Action::Store(ticket, request));
    }

    /// Who waited for that reply of the store. None: nobody, or no longer.
    pub(crate) fn stored(&mut self, ticket: Ticket) -> Option<StoreWaiter> {
        let (waiter, timer) = self.core.waiting.store.remove(&ticket)?;
        self.core.timers.stop(timer);
        if matches!(waiter, StoreWaiter::Register(_)) {
            self.core.waiting.registrations = self.core.waiting.registrations.saturating_sub(1);
        }
        Some(waiter)
    }

    /// Asks a media-node.
    pub(crate) fn media(
        &mut self,
        session: &Session,
        generation: Generation,
        op: MediaOperation,
        asked: MediaAsked,
    ) {
        let ticket = self.next_ticket();
        let patience = if asked == MediaAsked::Release { timers::RELEASE_REPLY } else { timers::MEDIA_REPLY };
        let timer = self.after(patience, Timer::Media(ticket));
        let waiter = MediaWaiter { call: session.call, node: session.node.clone(), asked };
        self.core.waiting.media.insert(ticket, (waiter, timer));
        let record = record::left_with(&op, &session.record, self.now.wall.0);
        let request = MediaRequest {
            ticket,
            session: session.call,
            epoch: session.epoch,
            generation,
            operation: op,
            record,
        };
        self.out.push(Action::Media { node: session.node.clone(), request });
    }

    /// Which request that reply of a media-node answers. None: it was given up.
    pub(crate) fn media_replied(&mut self, ticket: u64) -> Option<MediaWaiter> {
        let (waiter, timer) = self.core.waiting.media.remove(&ticket)?;
        self.core.timers.stop(timer);
        Some(waiter)
    }

    /// Counts a call of a user in.
    pub(crate) fn occupy(&mut self, user: &str) {
        let calls = self.core.busy.entry(user.to_owned()).or_default();
        *calls = calls.saturating_add(1);
    }

    /// Counts a call of a user out.
    pub(crate) fn vacate(&mut self, user: &str) {
        if let Some(calls) = self.core.busy.get_mut(user) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.core.busy.remove(user);
            }
        }
    }

    /// Calls of a user now.
    pub(crate) fn calls_of(&self, user: &str) -> u32 {
        self.core.busy.get(user).copied().unwrap_or(0)
    }

    /// A new call id.
    pub(crate) fn call_id(&mut self) -> CallId {
        let mut half = || u128::from(self.core.tokens.number());
        CallId(half() << 64 | half())
    }

    /// Whether a Request-URI with that host is for us: a domain of ours, or an address that we gave out.
    pub(crate) fn is_ours(&self, host: &Host) -> bool {
        let advertised = |ip: IpAddr| {
            self.core
                .config
                .listeners
                .iter()
                .any(|listener| listener.inside.0 == ip || listener.outside.0 == ip)
        };
        self.core.directory.is_our_domain(&host.to_string())
            || host.ip().is_some_and(|ip| advertised(ip) || self.core.directory.is_advertised(ip))
    }

    /// A number for a client transaction.
    pub(crate) fn next_client(&mut self) -> ClientKey {
        self.core.next.client = self.core.next.client.wrapping_add(1);
        ClientKey(self.core.next.client)
    }

    fn next_ticket(&mut self) -> u64 {
        self.core.next.ticket = self.core.next.ticket.wrapping_add(1);
        self.core.next.ticket
    }
}

impl Waiting {
    /// REGISTERs that wait for the store.
    pub(crate) fn registrations(&self) -> usize {
        self.registrations
    }

    /// Requests that are waited for: of the store and of media-nodes.
    pub(crate) fn len(&self) -> usize {
        self.store.len() + self.media.len()
    }
}
