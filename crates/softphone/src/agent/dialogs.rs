//! What happens within a call: hold and other re-INVITEs from either side, and BYE (RFC 3261 sections 14 and 15).

use std::time::Instant;

use sip_core::{ClientKey, Flow, Header, Message, Method, ServerKey, SipCommand, StatusCode};

use super::Agent;
use super::callee::glare_delay;
use super::compose::{reason_of, sdp_of};
use super::leg::{Reinvite, Stage, Unacked};
use super::register::refused;
use super::request::Purpose;
use super::timer::Timer;
use crate::call::{EndReason, EndedBy};
use crate::error::PhoneError;
use crate::mailbox::Reply;
use crate::media::Farewell;

/// How often a re-INVITE is tried that meets another.
const GLARE_ATTEMPTS: u8 = 5;
/// What we send when an offer cannot be looked at now (section 14.2), seconds.
const RETRY_AFTER_S: u8 = 1;

impl Agent {
    /// A request within a call of ours.
    pub(super) fn on_dialog_request(&mut self, leg_key: u64, key: ServerKey, flow: Flow, request: &Message) {
        let Some(dialog) = self.legs.get_mut(&leg_key).and_then(|leg| leg.dialog.as_mut()) else {
            return self.respond(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        };
        match dialog.accept(request) {
            Ok(()) => {}
            Err(sip_core::dialog::DialogError::OutOfOrder) => {
                return self.respond(key, request, StatusCode::SERVER_INTERNAL_ERROR);
            }
            Err(_) => return self.respond(key, request, StatusCode::CALL_DOES_NOT_EXIST),
        }
        match request.method() {
            Method::Invite => self.on_reinvite(leg_key, key, flow, request),
            Method::Bye => self.on_bye(leg_key, key, request),
            Method::Options => self.on_options(key, request),
            _ => self.respond(key, request, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn on_bye(&mut self, leg_key: u64, key: ServerKey, request: &Message) {
        self.respond(key, request, StatusCode::OK);
        let Some(leg) = self.legs.get(&leg_key) else { return };
        let reason = EndReason::new(EndedBy::Remote, "the far side hung up").because(reason_of(request));
        match leg.stage {
            // A caller may end an early dialog by BYE (section 15).
            Stage::Called(_) => self.terminate_called(leg_key, reason.with_status(487)),
            // Both hung up at once: it was us as well.
            Stage::Up if leg.ending.is_some() => {}
            _ => self.end_leg(leg_key, reason),
        }
    }

    fn on_reinvite(&mut self, leg_key: u64, key: ServerKey, flow: Flow, request: &Message) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        if !matches!(leg.stage, Stage::Up) || leg.unacked.is_some() {
            let builder = self.response(request, StatusCode::SERVER_INTERNAL_ERROR);
            let message = builder.header(Header::RetryAfter, RETRY_AFTER_S).build();
            return self.sip(SipCommand::Respond { key, message });
        }
        if leg.ending.is_some() {
            return self.respond(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        if leg.offer_open() {
            return self.respond(key, request, StatusCode::REQUEST_PENDING);
        }
        let offer = sdp_of(request);
        let body = match offer.map(|offer| leg.session.answer(offer, flow.remote.ip(), leg.holding)) {
            None => leg.session.offer(leg.holding),
            Some(Ok((body, plan))) => {
                leg.start(plan);
                body
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "re-INVITE refused");
                return self.respond(key, request, StatusCode::NOT_ACCEPTABLE_HERE);
            }
        };
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(request);
        }
        leg.unacked = Some(Unacked { key, offered: offer.is_none() });
        leg.shared.update(|view| view.reinvites = view.reinvites.saturating_add(1));
        self.servers.insert(key, leg_key);
        let builder = self.response(request, StatusCode::OK);
        let message = self.with_session(builder, Some(body));
        self.sip(SipCommand::Respond { key, message });
    }

    /// A re-INVITE of ours.
    pub(super) fn reinvite(&mut self, leg_key: u64, hold: Option<bool>, late_offer: bool, reply: Reply<()>) {
        let state = |leg: Option<&super::leg::Leg>| leg.map_or("over", |leg| leg.shared.view().state.name());
        let error = match self.legs.get(&leg_key) {
            Some(leg) if matches!(leg.stage, Stage::Up) && leg.ending.is_none() => {
                if leg.reinvite.is_none() {
                    None
                } else {
                    Some(PhoneError::State { action: "re-invite", state: "being re-invited" })
                }
            }
            leg => Some(PhoneError::State { action: "re-invite", state: state(leg) }),
        };
        if let Some(error) = error {
            let _ = reply.try_send(Err(error));
            return;
        }
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        let hold = hold.unwrap_or(leg.holding);
        leg.reinvite = Some(Reinvite { key: None, hold, late_offer, reply: Some(reply), attempts: 0 });
        self.try_reinvite(leg_key);
    }

    /// Sends the re-INVITE that waits, or lets it wait on while another exchange is open.
    pub(super) fn try_reinvite(&mut self, leg_key: u64) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        if leg.unacked.is_some() {
            return self.reinvite_later(leg_key);
        }
        let (Some(reinvite), Some(dialog)) = (leg.reinvite.as_mut(), leg.dialog.as_mut()) else { return };
        if reinvite.key.is_some() {
            return;
        }
        reinvite.attempts += 1;
        let offer = (!reinvite.late_offer).then(|| leg.session.offer(reinvite.hold));
        let builder = dialog.request(Method::Invite);
        let hop = dialog.next_hop().clone();
        let message = self.with_session(builder, offer);
        let key = self.send_request(Purpose::Reinvite(leg_key), message, self.flow_of(&hop));
        if let Some(reinvite) = self.legs.get_mut(&leg_key).and_then(|leg| leg.reinvite.as_mut()) {
            reinvite.key = Some(key);
        }
    }

    fn reinvite_later(&mut self, leg_key: u64) {
        let random = self.random();
        let Some(leg) = self.legs.get(&leg_key) else { return };
        let delay = glare_delay(!leg.shared.incoming, random);
        self.timers.set(Instant::now() + delay, Timer::RetryReinvite(leg_key));
    }

    /// 2xx to a re-INVITE of ours.
    pub(super) fn on_reinvite_accepted(
        &mut self,
        leg_key: u64,
        key: ClientKey,
        sent: &Message,
        response: &Message,
    ) {
        let source = self.config.server.ip();
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(response);
        }
        let Some(reinvite) = leg.reinvite.take() else {
            return self.acknowledge(leg_key, key, sent, None);
        };
        leg.holding = reinvite.hold;
        let settled = leg.settle(sdp_of(response), reinvite.late_offer, source);
        let (body, result) = match settled {
            Ok(body) => (body, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.acknowledge(leg_key, key, sent, body);
        if let Err(error) = &result {
            self.bye(leg_key, EndReason::new(EndedBy::Failure, error.to_string()));
        }
        if let Some(reply) = reinvite.reply {
            let _ = reply.try_send(result);
        }
    }

    /// A re-INVITE of ours was refused: the call goes on as before, unless the far side does not know it (section
    /// 14.1).
    pub(super) fn on_reinvite_failed(&mut self, leg_key: u64, result: Result<&Message, PhoneError>) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        let status = result.as_ref().ok().and_then(|response| response.status());
        if let Some(reinvite) = leg.reinvite.as_mut()
            && status == Some(StatusCode::REQUEST_PENDING)
            && reinvite.attempts < GLARE_ATTEMPTS
        {
            reinvite.key = None;
            return self.reinvite_later(leg_key);
        }
        let gone = matches!(status, Some(StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT))
            || matches!(result, Err(PhoneError::NoAnswer { .. } | PhoneError::Unreachable { .. }));
        let error = result.map_or_else(|error| error, |response| refused("re-INVITE", response));
        let reply = leg.reinvite.take().and_then(|reinvite| reinvite.reply);
        if gone {
            self.bye(leg_key, EndReason::new(EndedBy::Failure, error.to_string()));
        }
        if let Some(reply) = reply {
            let _ = reply.try_send(Err(error));
        }
    }

    /// Ends a call in whatever state it is.
    pub(super) fn hang_up(&mut self, leg_key: u64) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        match &leg.stage {
            // Whoever cancels twice gets one CANCEL.
            Stage::Calling(_) => drop(self.cancel(leg_key)),
            Stage::Called(_) => drop(self.reject(leg_key, StatusCode::DECLINE.into())),
            // The called side may not send BYE before the ACK (section 15).
            Stage::Up if leg.shared.incoming && leg.unacked.is_some() => leg.bye_wanted = true,
            Stage::Up => self.bye(leg_key, EndReason::new(EndedBy::Local, "hung up")),
        }
    }

    /// BYE. Audio ends now, the call when it is answered.
    pub(super) fn bye(&mut self, leg_key: u64, reason: EndReason) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        let Some(dialog) = leg.dialog.as_mut() else { return self.end_leg(leg_key, reason) };
        if leg.ending.is_some() {
            return;
        }
        leg.ending = Some(reason);
        leg.shared.stream().stop(Farewell::Bye);
        let message = dialog.request(Method::Bye).build();
        let hop = dialog.next_hop().clone();
        self.send_request(Purpose::Bye(leg_key), message, self.flow_of(&hop));
    }

    /// Our BYE was answered, or will not be.
    pub(super) fn on_bye_done(&mut self, leg_key: u64, response: Option<&Message>) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        let mut reason = leg.ending.take().unwrap_or_else(|| EndReason::new(EndedBy::Local, "hung up"));
        reason.bye_status = response.and_then(Message::status).map(u16::from);
        self.end_leg(leg_key, reason);
    }
}
