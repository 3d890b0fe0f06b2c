//! Incoming calls, up to their answer (RFC 3261 section 13.3).

use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use sip_core::dialog::Dialog;
use sip_core::{Flow, Header, Message, MessageBuilder, ServerKey, SipCommand, StatusCode};

use super::Agent;
use super::compose::{reason_of, sdp_of, status_or, tagged};
use super::leg::{Called, Leg, Stage, Unacked};
use super::timer::Timer;
use crate::call::{CallShared, EndReason, EndedBy, Milestone, Names};
use crate::config::AnswerPolicy;
use crate::error::PhoneError;

impl Agent {
    /// Somebody calls.
    pub(super) fn on_invite(&mut self, key: ServerKey, flow: Flow, invite: Message) {
        if self.stopping.is_some() {
            return self.respond(key, &invite, StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        if self.legs.len() >= self.config.max_calls {
            return self.respond(key, &invite, StatusCode::BUSY_HERE);
        }
        let tag = self.tokens.token();
        let Ok(dialog) = Dialog::from_request(&invite, &tag) else {
            return self.respond(key, &invite, StatusCode::BAD_REQUEST);
        };
        let began = Instant::now();
        let media = self.open_media(self.config.audio, self.config.expect, began);
        let (stream, mut session) = match media {
            Ok(media) => media,
            Err(error) => {
                tracing::warn!(%error, "an incoming call finds no ports");
                return self.respond(key, &invite, StatusCode::SERVER_INTERNAL_ERROR);
            }
        };
        let answer = match sdp_of(&invite).map(|offer| session.answer(offer, flow.remote.ip(), false)) {
            Some(Ok(answer)) => Some(answer),
            None => None,
            Some(Err(error)) => {
                tracing::debug!(%error, "offer refused");
                return self.respond(key, &invite, StatusCode::NOT_ACCEPTABLE_HERE);
            }
        };
        self.last_leg += 1;
        let leg_key = self.last_leg;
        let shared = CallShared::new(leg_key, true, names(&invite), began, stream);
        let id = (invite.call_id().to_owned(), tag.clone());
        let called = Called { key, invite, tag, answer };
        let mut leg = Leg::new(Arc::clone(&shared), session, Stage::Called(called));
        leg.dialog = Some(dialog);
        self.legs.insert(leg_key, leg);
        self.dialogs.insert(id, leg_key);
        self.servers.insert(key, leg_key);
        self.announce(shared);
        self.follow(leg_key, self.config.answer.clone());
    }

    /// Puts the call where its holder can find it. Without room the call goes on by policy alone.
    fn announce(&mut self, shared: Arc<CallShared>) {
        match self.incoming.try_send(shared) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => tracing::debug!("nobody takes the incoming calls"),
        }
    }

    /// What the policy says next. A holder who was faster makes it pointless.
    pub(super) fn follow(&mut self, leg_key: u64, policy: AnswerPolicy) {
        let done = match policy {
            AnswerPolicy::Manual => Ok(()),
            AnswerPolicy::AnswerAfter { ringing: None } => self.answer(leg_key),
            AnswerPolicy::AnswerAfter { ringing: Some(ringing) } => {
                self.timers.set(Instant::now() + ringing, Timer::Answer(leg_key));
                self.ring(leg_key)
            }
            AnswerPolicy::Busy => self.reject(leg_key, StatusCode::BUSY_HERE.into()),
            AnswerPolicy::Decline(status) => self.ring(leg_key).and_then(|()| self.reject(leg_key, status)),
            AnswerPolicy::RingForever => self.ring(leg_key),
            AnswerPolicy::EarlyMediaThen { early, then } => {
                self.timers.set(Instant::now() + early, Timer::Policy(leg_key, *then));
                self.early_media(leg_key)
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "policy overtaken");
        }
    }

    /// 180.
    pub(super) fn ring(&mut self, leg_key: u64) -> Result<(), PhoneError> {
        let called = self.called(leg_key, "ring")?;
        let builder = in_leg(called, StatusCode::RINGING);
        let (key, message) = (called.key, self.with_session(builder, None));
        self.sip(SipCommand::Respond { key, message });
        self.reached(leg_key, Milestone::Ringing);
        Ok(())
    }

    /// 183 with our answer. Without an offer there is nothing to answer: then it is 183 alone.
    pub(super) fn early_media(&mut self, leg_key: u64) -> Result<(), PhoneError> {
        let called = self.called(leg_key, "send early media to")?;
        let builder = in_leg(called, StatusCode::SESSION_PROGRESS);
        let sdp = called.answer.as_ref().map(|(body, _)| body.clone());
        let plan = called.answer.as_ref().map(|(_, plan)| *plan);
        let (key, message) = (called.key, self.with_session(builder, sdp));
        self.sip(SipCommand::Respond { key, message });
        if let (Some(leg), Some(plan)) = (self.legs.get_mut(&leg_key), plan) {
            leg.start(plan);
            leg.shared.reach(Milestone::Early);
        }
        Ok(())
    }

    /// 200, with the answer or else with an offer.
    pub(super) fn answer(&mut self, leg_key: u64) -> Result<(), PhoneError> {
        let called = self.called(leg_key, "answer")?;
        let builder = in_leg(called, StatusCode::OK);
        let (key, answer) = (called.key, called.answer.clone());
        let Some(leg) = self.legs.get_mut(&leg_key) else { return Ok(()) };
        let offered = answer.is_none();
        let body = match answer {
            Some((body, plan)) => {
                leg.start(plan);
                body
            }
            None => leg.session.offer(false),
        };
        leg.stage = Stage::Up;
        leg.unacked = Some(Unacked { key, offered });
        if let Some(dialog) = &mut leg.dialog {
            dialog.confirmed = true;
        }
        let message = self.with_session(builder, Some(body));
        self.sip(SipCommand::Respond { key, message });
        self.reached(leg_key, Milestone::Answered);
        Ok(())
    }

    /// A final failure of ours.
    pub(super) fn reject(&mut self, leg_key: u64, status: u16) -> Result<(), PhoneError> {
        let called = self.called(leg_key, "reject")?;
        let status = status_or(status, StatusCode::DECLINE);
        let status = if status.is_failure() { status } else { StatusCode::DECLINE };
        let (key, message) = (called.key, in_leg(called, status).build());
        self.sip(SipCommand::Respond { key, message });
        let reason = EndReason::new(EndedBy::Local, status.default_reason()).with_status(status.into());
        self.end_leg(leg_key, reason);
        Ok(())
    }

    /// The caller gave up (section 9.2).
    pub(super) fn on_cancelled(&mut self, key: ServerKey, cancel: &Message) {
        let Some(leg_key) = self.servers.remove(&key) else { return };
        let reason = EndReason::new(EndedBy::Remote, "Request Terminated").with_status(487);
        self.terminate_called(leg_key, reason.because(reason_of(cancel)));
    }

    /// 487 to a call that is not answered, and its end.
    pub(super) fn terminate_called(&mut self, leg_key: u64, reason: EndReason) {
        if let Ok(called) = self.called(leg_key, "end") {
            let message = in_leg(called, StatusCode::REQUEST_TERMINATED).build();
            let key = called.key;
            self.sip(SipCommand::Respond { key, message });
            self.end_leg(leg_key, reason);
        }
    }

    /// The ACK for a 2xx of ours.
    pub(super) fn on_acked(&mut self, key: ServerKey, ack: &Message) {
        let Some(leg_key) = self.servers.remove(&key) else { return };
        let source = self.config.server.ip();
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        let Some(unacked) = leg.unacked.take_if(|unacked| unacked.key == key) else { return };
        let failure = if unacked.offered { leg.settle(sdp_of(ack), false, source).err() } else { None };
        if let Some(error) = failure {
            self.bye(leg_key, EndReason::new(EndedBy::Failure, error.to_string()));
        } else if leg.bye_wanted {
            self.bye(leg_key, EndReason::new(EndedBy::Local, "hung up"));
        }
    }

    /// No ACK came: the call is ended by BYE (section 13.3.1.4).
    pub(super) fn on_ack_missing(&mut self, key: ServerKey) {
        let Some(leg_key) = self.servers.remove(&key) else { return };
        if let Some(leg) = self.legs.get_mut(&leg_key) {
            leg.unacked = None;
            self.bye(leg_key, EndReason::new(EndedBy::Failure, "the 200 was never acknowledged"));
        }
    }

    fn called(&self, leg_key: u64, action: &'static str) -> Result<&Called, PhoneError> {
        match self.legs.get(&leg_key) {
            Some(Leg { stage: Stage::Called(called), .. }) => Ok(called),
            Some(leg) => Err(PhoneError::State { action, state: leg.shared.view().state.name() }),
            None => Err(PhoneError::State { action, state: "over" }),
        }
    }

    fn reached(&self, leg_key: u64, milestone: Milestone) {
        if let Some(leg) = self.legs.get(&leg_key) {
            leg.shared.reach(milestone);
        }
    }

    /// Answers a request with a status and nothing else.
    pub(super) fn respond(&mut self, key: ServerKey, request: &Message, status: StatusCode) {
        let mut builder = self.response(request, status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            builder = builder.header(Header::Allow, super::compose::ALLOW);
        }
        let message = builder.build();
        self.sip(SipCommand::Respond { key, message });
    }
}

fn in_leg(called: &Called, status: StatusCode) -> MessageBuilder {
    tagged(&called.invite, status, &called.tag)
}

fn names(invite: &Message) -> Names {
    let from = invite.from().ok();
    let peer = from.as_ref().and_then(|from| from.uri.username()).unwrap_or_default();
    let peer_name = from.map(|from| from.display_name).unwrap_or_default();
    Names { call_id: invite.call_id().to_owned(), peer, peer_name }
}

/// How long a glare loser waits: between 2.1 and 4 s for the dialog's maker, up to 2 s for the other (section 14.1).
pub(super) fn glare_delay(made_the_dialog: bool, random: u64) -> Duration {
    let tens = if made_the_dialog { 210 + random % 191 } else { random % 201 };
    Duration::from_millis(tens * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glare_delays_never_meet() {
        for random in (0..2_000).chain([u64::MAX]) {
            let (maker, other) =
                (glare_delay(true, random).as_millis(), glare_delay(false, random).as_millis());
            assert!((2_100..=4_000).contains(&maker) && other <= 2_000, "{maker} {other}");
            assert_eq!((maker % 10, other % 10), (0, 0));
        }
    }
}
