//! The one decision loop of a sip-node: every input goes to the call, the registration or the media-node that it is
//! about. It decides nothing about them itself.

mod calls;
mod inbound;
mod media;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sip_core::{Authenticator, Instant, Now, TokenSource};
use voip_contract::CallId;
use voip_contract::admin::MediaNodeStatus;

use crate::call::{ActiveCall, Ending};
use crate::config::{ConfigError, Directory, SwitchConfig};
use crate::drain::Drain;
use crate::event::{Action, AdminOrder, Documents, Event};
use crate::fact::Fact;
use crate::farewell::Farewell;
use crate::media_nodes::MediaNodes;
use crate::registrar;
use crate::registrations::Registrations;
use crate::store::{StoreReply, Ticket};
use crate::timers::{Timer, Timers};
use crate::turn::{Core, Counters, StoreWaiter, Turn, Waiting};

/// Keeps tokens of the switch apart from those that the endpoint makes of the same seed.
const TOKEN_SALT: u8 = 0xa7;

/// Registrar, routing and B2BUA of one sip-node.
pub struct Switch {
    core: Core,
    calls: HashMap<CallId, ActiveCall>,
}

/// What the switch serves now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchStatus {
    /// At least one media-node takes calls, and nobody drains us.
    pub ready: bool,
    /// Calls that have not ended.
    pub active_calls: u32,
    /// Calls that have ended and wait for the statistics of their media-node: their record is not closed yet.
    pub closing_calls: u32,
    /// Bindings that have not expired.
    pub registrations: u32,
    /// New calls are refused.
    pub draining: bool,
    /// Media-nodes by name, lost ones included.
    pub media_nodes: Vec<MediaNodeStatus>,
}

/// How full the tables are: all zero when nothing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tables {
    /// Calls, ended ones that wait for their statistics included.
    pub calls: usize,
    /// Dialogs of calls.
    pub dialogs: usize,
    /// Client transactions that a call waits for.
    pub clients: usize,
    /// Server transactions of INVITEs that are not over.
    pub servers: usize,
    /// Requests to store and media-nodes without a reply.
    pub waiting: usize,
    /// Late 2xx and BYEs that may still have to be dealt with.
    pub farewells: usize,
    /// Users with a call.
    pub busy_users: usize,
    /// Timers.
    pub timers: usize,
}

impl Switch {
    /// Starts with these documents; refuses what cannot be run.
    pub fn new(config: SwitchConfig, documents: &Documents) -> Result<Self, ConfigError> {
        if config.listeners.is_empty() {
            return Err(ConfigError::NoListener);
        }
        let incarnation = config.incarnation.0;
        let core = Core {
            directory: Directory::new(documents)?,
            authenticator: Authenticator::new(config.seed, incarnation),
            tokens: TokenSource::new(config.seed.map(|byte| byte ^ TOKEN_SALT), incarnation),
            timers: Timers::default(),
            nodes: MediaNodes::default(),
            farewell: Farewell::default(),
            registrations: Registrations::default(),
            dialogs: HashMap::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            busy: HashMap::new(),
            drain: Drain::default(),
            next: Counters::default(),
            waiting: Waiting::default(),
            config,
        };
        Ok(Self { core, calls: HashMap::new() })
    }

    /// Whether these documents could be run: what [`Event::Config`] is to be given only then.
    pub fn check(documents: &Documents) -> Result<(), ConfigError> {
        Directory::new(documents).map(|_| ())
    }

    /// Takes an input; what it leads to is added to `out`, to be carried out in that order.
    pub fn on(&mut self, now: Now, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Sip(event) => self.on_sip(now, event, out),
            Event::Media(event) => self.on_media(now, event, out),
            Event::Stored(ticket, reply) => self.on_stored(now, ticket, reply, out),
            Event::Config(documents) => self.on_documents(&documents, out),
            Event::Admin(order) => self.on_order(now, order, out),
            Event::Tick => {}
        }
        self.expire(now, out);
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.core.timers.deadline()
    }

    /// What is served now.
    pub fn status(&self, now: Now) -> SwitchStatus {
        let active = self.calls.values().filter(|call| call.is_active()).count();
        let closing = self.calls.len().saturating_sub(active);
        SwitchStatus {
            ready: self.core.nodes.any_ready() && !self.core.drain.is_on(),
            active_calls: u32::try_from(active).unwrap_or(u32::MAX),
            closing_calls: u32::try_from(closing).unwrap_or(u32::MAX),
            registrations: self.core.registrations.count(now.wall.0),
            draining: self.core.drain.is_on(),
            media_nodes: self.core.nodes.status(),
        }
    }

    /// How full the tables are.
    pub fn tables(&self) -> Tables {
        Tables {
            calls: self.calls.len(),
            dialogs: self.core.dialogs.len(),
            clients: self.core.clients.len(),
            servers: self.core.servers.len(),
            waiting: self.core.waiting.len(),
            farewells: self.core.farewell.len(),
            busy_users: self.core.busy.len(),
            timers: self.core.timers.len(),
        }
    }

    /// Lets a call act, and forgets it once it is over.
    fn with_call(
        &mut self,
        now: Now,
        out: &mut Vec<Action>,
        id: CallId,
        act: impl FnOnce(&mut ActiveCall, &mut Turn),
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        act(call, &mut Turn { now, core: &mut self.core, out });
        if call.is_closed() {
            self.calls.remove(&id);
        }
    }

    fn on_stored(&mut self, now: Now, ticket: Ticket, reply: StoreReply, out: &mut Vec<Action>) {
        let mut turn = Turn { now, core: &mut self.core, out };
        match turn.stored(ticket) {
            Some(StoreWaiter::Register(pending)) => registrar::stored(&mut turn, &pending, reply),
            Some(StoreWaiter::Located(id)) => {
                self.with_call(now, out, id, |call, turn| call.located(turn, reply));
            }
            // Calls go on whatever the store says: a live owner's memory is the truth.
            Some(StoreWaiter::Saved(id, then)) => {
                self.with_call(now, out, id, |call, turn| call.saved(turn, then));
            }
            Some(StoreWaiter::Nobody) | None => {}
        }
    }

    fn on_documents(&mut self, documents: &Arc<Documents>, out: &mut Vec<Action>) {
        match Directory::new(documents) {
            Ok(directory) => {
                let gone = self.core.registrations.retain(|user| directory.user(user).is_some());
                for timer in gone {
                    self.core.timers.stop(timer);
                }
                self.core.directory = directory;
            }
            Err(error) => out.push(Action::Emit(Fact::ConfigRejected { detail: error.to_string() })),
        }
    }

    fn on_order(&mut self, now: Now, order: AdminOrder, out: &mut Vec<Action>) {
        match order {
            AdminOrder::Leave { within } => self.turn(now, out).leave(within),
            AdminOrder::Ordered(order) => self.turn(now, out).ordered(order),
            AdminOrder::EndCalls => {
                self.end_all(now, &Ending::shutdown(), out);
                let mut turn = self.turn(now, out);
                turn.leave(Duration::ZERO);
                turn.hurry_byes();
            }
        }
    }

    fn end_all(&mut self, now: Now, ending: &Ending, out: &mut Vec<Action>) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for id in calls {
            self.with_call(now, out, id, |call, turn| call.end(turn, ending));
        }
    }

    /// Serves the timers that are due.
    fn expire(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some(timer) = self.core.timers.due(now.instant) {
            match timer {
                Timer::Ring(id, leg) => self.with_call(now, out, id, |call, turn| call.ring_over(turn, leg)),
                Timer::Progress(id) => self.with_call(now, out, id, ActiveCall::repeat_progress),
                Timer::Invitation(id) => self.with_call(now, out, id, ActiveCall::invitation_over),
                Timer::Modify(id) => self.with_call(now, out, id, ActiveCall::modify_overdue),
                Timer::Media(ticket) => self.media_unavailable(now, ticket, "no reply in time", out),
                Timer::Store(ticket) => self.on_stored(now, ticket, StoreReply::Unavailable, out),
                Timer::NodeGrace(node, run) => self.grace_over(now, &node, run, out),
                Timer::Drain => self.end_all(now, &Ending::drained(), out),
                Timer::Qualify(user) => self.turn(now, out).qualify(&user),
                Timer::Stray(key) => Turn { now, core: &mut self.core, out }.forget_stray(key),
            }
        }
    }
}
