//! SIP inputs: to the call that owns the dialog or the transaction, or to whoever begins one.

use std::sync::Arc;

use sip_core::{Flow, Header, Message, Method, Now, ServerKey, SipEvent, StatusCode};
use voip_contract::config::UserDocument;

use super::Switch;
use crate::authentication::authenticate;
use crate::call;
use crate::event::Action;
use crate::registrar;
use crate::requests::{self, Refusal};
use crate::turn::Turn;

impl Switch {
    pub(super) fn on_sip(&mut self, now: Now, event: SipEvent, out: &mut Vec<Action>) {
        match event {
            SipEvent::Request { key, flow, message } => self.on_request(now, key, flow, &message, out),
            SipEvent::Acked { key, message } => match self.core.servers.get(&key).copied() {
                Some((id, _)) => {
                    self.with_call(now, out, id, |call, turn| call.acknowledged(turn, key, &message));
                }
                None => self.turn(now, out).unowned_ack(key),
            },
            SipEvent::AckMissing { key } => match self.core.servers.get(&key).copied() {
                Some((id, _)) => self.with_call(now, out, id, |call, turn| call.not_acknowledged(turn, key)),
                None => self.turn(now, out).unowned_ack(key),
            },
            SipEvent::Cancelled { key, message } => {
                if let Some((id, _)) = self.core.servers.get(&key).copied() {
                    self.with_call(now, out, id, |call, turn| call.cancelled(turn, key, &message));
                }
            }
            SipEvent::Response { key, flow, message } => match self.core.clients.get(&key).copied() {
                Some((id, leg)) => {
                    self.with_call(now, out, id, |call, turn| call.response(turn, leg, key, flow, &message));
                }
                None => self.turn(now, out).stray_response(key, &message),
            },
            SipEvent::TimedOut { key } => self.on_silence(now, key, true, out),
            SipEvent::Failed { key } => self.on_silence(now, key, false, out),
        }
    }

    fn on_silence(&mut self, now: Now, key: sip_core::ClientKey, timed_out: bool, out: &mut Vec<Action>) {
        match self.core.clients.get(&key).copied() {
            Some((id, leg)) => {
                self.with_call(now, out, id, |call, turn| call.no_response(turn, leg, key, timed_out));
            }
            None => self.turn(now, out).forget_stray(key),
        }
    }

    fn on_request(&mut self, now: Now, key: ServerKey, flow: Flow, request: &Message, out: &mut Vec<Action>) {
        let owner = request.to_tag().and_then(|tag| self.core.dialogs.get(tag)).copied();
        if let Some((id, leg)) = owner {
            return self.with_call(now, out, id, |call, turn| call.request(turn, leg, key, flow, request));
        }
        if let Err(refusal) = self.begin(now, key, flow, request, out) {
            refusal.send(&mut self.turn(now, out), key, request);
        }
    }

    /// A request outside any dialog.
    fn begin(
        &mut self,
        now: Now,
        key: ServerKey,
        flow: Flow,
        request: &Message,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let method = request.method();
        if request.to_tag().is_some() && method != Method::Register {
            return Err(Refusal::new(StatusCode::CALL_DOES_NOT_EXIST, "no-dialog"));
        }
        requests::inspect(&self.turn(now, out), request)?;
        if method == Method::Options {
            requests::options(&mut self.turn(now, out), key, request);
            return Ok(());
        }
        self.check_room(&method)?;
        let user = authenticate(&mut self.turn(now, out), request)?;
        if method == Method::Register {
            registrar::register(&mut self.turn(now, out), key, flow, request.clone(), &user);
            return Ok(());
        }
        self.begin_call(now, key, flow, request, &user, out)
    }

    /// Whether there is room in our tables: said before anything is spent on the request.
    fn check_room(&self, method: &Method) -> Result<(), Refusal> {
        let limits = self.core.config.limits;
        if *method == Method::Invite && self.core.drain.is_on() {
            return Err(Refusal::overload("draining"));
        }
        let full = match method {
            Method::Invite => self.calls.len() >= limits.calls,
            _ => self.core.waiting.registrations() >= limits.registrations_in_flight,
        };
        if full { Err(Refusal::overload("tables-full")) } else { Ok(()) }
    }

    fn begin_call(
        &mut self,
        now: Now,
        key: ServerKey,
        flow: Flow,
        request: &Message,
        user: &Arc<UserDocument>,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let mut turn = self.turn(now, out);
        if turn.calls_of(&user.username) >= user.max_calls {
            // 486 would say that the callee is busy.
            return Err(Refusal::new(StatusCode::FORBIDDEN, "too-many-calls")
                .with(Header::Warning, "399 voip \"too many calls of this user\"".to_owned()));
        }
        let call = call::begin(&mut turn, key, flow, request.clone(), user)?;
        if !call.is_closed() {
            self.calls.insert(call.id(), call);
        }
        Ok(())
    }

    pub(super) fn turn<'a>(&'a mut self, now: Now, out: &'a mut Vec<Action>) -> Turn<'a> {
        Turn { now, core: &mut self.core, out }
    }
}
