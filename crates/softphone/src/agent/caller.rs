//! Outgoing calls, up to their answer (RFC 3261 section 13.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::dialog::Dialog;
use sip_core::{ClientKey, Flow, Header, Message, Method, NameAddr, SipCommand, StatusCode, Uri};

use super::Agent;
use super::compose::{Fresh, reason_of, sdp_of};
use super::leg::{Calling, Leg, Stage};
use super::request::{Purpose, flow_to};
use super::timer::Timer;
use crate::call::{CallShared, EndReason, EndedBy, Milestone, Names};
use crate::config::{Audio, CallOptions, Expect, expected};
use crate::error::PhoneError;
use crate::media::{MediaStream, StreamOptions};
use crate::session::{SDP, Session};

impl Agent {
    /// Sends an INVITE.
    pub(super) fn call(
        &mut self,
        number: &str,
        options: &CallOptions,
    ) -> Result<Arc<CallShared>, PhoneError> {
        let target = self.target(number)?;
        let from_user = options.from_user.as_deref().unwrap_or(&self.config.user);
        let from = NameAddr::new(self.aor(from_user)?).named(&self.config.display_name);
        let from = from.tagged(&self.tokens.token());
        let to = NameAddr::new(target.clone());
        let call_id = self.tokens.token();
        let began = Instant::now();
        let audio = options.audio.unwrap_or(self.config.audio);
        let (stream, mut session) = self.open_media(audio, options.expect, began)?;
        let names = Names { call_id: call_id.clone(), peer: number.to_owned(), peer_name: String::new() };
        self.last_leg += 1;
        let leg_key = self.last_leg;
        let shared = CallShared::new(leg_key, false, names, began, stream);
        let fresh =
            Fresh { method: Method::Invite, uri: &target, from: &from, to: &to, call_id: &call_id, cseq: 1 };
        let offer = (!options.late_offer).then(|| session.offer(false));
        let message = self.with_session(fresh.builder(), offer);
        let key = self.send_request(Purpose::Invite(leg_key), message, flow_to(self.config.server));
        let calling =
            Calling { key, cancelled: false, late_offer: options.late_offer, duration: options.duration };
        self.dialogs.insert((call_id, from.tag().unwrap_or_default().to_owned()), leg_key);
        self.legs.insert(leg_key, Leg::new(Arc::clone(&shared), session, Stage::Calling(calling)));
        if let Some(limit) = options.ring_timeout {
            self.timers.set(began + limit, Timer::RingTimeout(leg_key));
        }
        Ok(shared)
    }

    /// The URI to call: a whole one as it is, a number or name in our domain.
    fn target(&self, number: &str) -> Result<Uri, PhoneError> {
        let bad = |reason: &str| PhoneError::BadTarget { text: number.to_owned(), reason: reason.into() };
        if number.is_empty() {
            return Err(bad("it is empty"));
        }
        if number.starts_with("sip:") || number.starts_with("tel:") {
            return Uri::parse(number).map_err(|error| bad(&error.to_string()));
        }
        self.aor(number)
    }

    /// 1xx with more than 100 to say.
    pub(super) fn on_provisional(&mut self, leg_key: u64, response: &Message) {
        let Some(status) = response.status() else { return };
        let source = self.config.server.ip();
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        leg.shared.note_provisional(status.into());
        if status == StatusCode::RINGING {
            leg.shared.reach(Milestone::Ringing);
        }
        // Without an offer of ours a body here would be an offer, which only a reliable response may carry.
        let early = matches!(leg.stage, Stage::Calling(calling) if !calling.late_offer);
        if let Some(body) = sdp_of(response).filter(|_| early) {
            match leg.session.accept(body, source) {
                Ok(plan) => {
                    leg.start(plan);
                    leg.shared.reach(Milestone::Early);
                }
                Err(error) => tracing::debug!(%error, "early media refused"),
            }
        }
    }

    /// The first 2xx.
    pub(super) fn on_answered(&mut self, leg_key: u64, key: ClientKey, sent: &Message, response: &Message) {
        let flow = flow_to(self.config.server);
        let Some(leg) = self.legs.get_mut(&leg_key) else {
            return self.refuse_fork(key, sent, response, flow);
        };
        let Stage::Calling(calling) = leg.stage else { return self.refuse_fork(key, sent, response, flow) };
        let dialog = match Dialog::from_response(sent, response) {
            Ok(dialog) => dialog,
            Err(error) => {
                let reason = EndReason::new(EndedBy::Failure, format!("the 2xx makes no dialog: {error}"));
                return self.end_leg(leg_key, reason);
            }
        };
        leg.stage = Stage::Up;
        leg.dialog = Some(dialog);
        let settled = leg.settle(sdp_of(response), calling.late_offer, self.config.server.ip());
        let (body, failure) = match settled {
            Ok(body) => (body, None),
            Err(error) => (None, Some(error)),
        };
        if failure.is_none() && !calling.cancelled {
            leg.shared.reach(Milestone::Answered);
        }
        self.acknowledge(leg_key, key, sent, body);
        if let Some(error) = failure {
            self.bye(leg_key, EndReason::new(EndedBy::Failure, error.to_string()));
        } else if calling.cancelled {
            self.bye(leg_key, EndReason::new(EndedBy::Local, "answered while it was cancelled"));
        } else if let Some(duration) = calling.duration {
            self.timers.set(Instant::now() + duration, Timer::Hangup(leg_key));
        }
    }

    /// ACK and BYE for an answer that came too late.
    pub(super) fn refuse_fork(&mut self, key: ClientKey, sent: &Message, response: &Message, flow: Flow) {
        let Ok(mut dialog) = Dialog::from_response(sent, response) else { return };
        let cseq = sent.cseq().map_or(1, |cseq| cseq.number);
        let message = dialog.ack(cseq).build();
        let flow = if dialog.next_hop().host.ip().is_some() { self.flow_of(dialog.next_hop()) } else { flow };
        self.sip(SipCommand::Ack { key, flow, message });
        let bye = dialog.request(Method::Bye).build();
        self.send_request(Purpose::StrayBye, bye, flow);
    }

    /// No call came of it.
    pub(super) fn on_invite_failed(&mut self, leg_key: u64, result: Result<&Message, PhoneError>) {
        let by = if self.is_cancelled(leg_key) { EndedBy::Local } else { EndedBy::Remote };
        let reason = match result {
            Ok(response) => {
                let status = response.status().map_or(0, u16::from);
                let reason = EndReason::new(by, response.reason_phrase()).with_status(status);
                reason.because(reason_of(response))
            }
            Err(error) => {
                let by = if error.status().is_some() { EndedBy::Remote } else { EndedBy::Failure };
                let mut reason = EndReason::new(by, error.to_string());
                reason.status = error.status();
                reason.wrong_credentials = matches!(error, PhoneError::WrongCredentials { .. });
                reason
            }
        };
        self.end_leg(leg_key, reason);
    }

    /// Whether an outgoing call that is not answered was given up.
    pub(super) fn is_cancelled(&self, leg_key: u64) -> bool {
        self.legs
            .get(&leg_key)
            .is_some_and(|leg| matches!(leg.stage, Stage::Calling(calling) if calling.cancelled))
    }

    /// Gives up a call that is not answered.
    pub(super) fn cancel(&mut self, leg_key: u64) -> Result<(), PhoneError> {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return Ok(()) };
        let state = leg.shared.view().state.name();
        let Stage::Calling(calling) = &mut leg.stage else {
            return Err(PhoneError::State { action: "cancel", state });
        };
        if !std::mem::replace(&mut calling.cancelled, true) {
            let key = calling.key;
            self.sip(SipCommand::Cancel { key, reason: None });
            self.timers.set(Instant::now() + self.config.patience, Timer::GiveUp(leg_key));
        }
        Ok(())
    }

    /// The CANCEL had no effect: the far side is as good as gone (section 9.1).
    pub(super) fn give_up(&mut self, leg_key: u64) {
        if self.legs.get(&leg_key).is_some_and(|leg| matches!(leg.stage, Stage::Calling(_))) {
            self.end_leg(leg_key, EndReason::new(EndedBy::Local, "cancelled, and no final response came"));
        }
    }

    /// A challenged request went out again under another number.
    pub(super) fn on_resent(&mut self, leg_key: u64, key: ClientKey) {
        let Some(leg) = self.legs.get_mut(&leg_key) else { return };
        if let Stage::Calling(calling) = &mut leg.stage {
            calling.key = key;
        }
        if let Some(dialog) = &mut leg.dialog {
            dialog.skip_cseq(1);
        }
        let is_reinvite =
            self.outstanding.get(&key).is_some_and(|out| matches!(out.purpose, Purpose::Reinvite(_)));
        if let Some(reinvite) = leg.reinvite.as_mut().filter(|_| is_reinvite) {
            reinvite.key = Some(key);
        }
    }

    /// ACK for a 2xx, with the INVITE's credentials (section 13.2.2.4).
    pub(super) fn acknowledge(&mut self, leg_key: u64, key: ClientKey, sent: &Message, body: Option<Bytes>) {
        let Some(dialog) = self.legs.get(&leg_key).and_then(|leg| leg.dialog.as_ref()) else { return };
        let cseq = sent.cseq().map_or(dialog.local_cseq, |cseq| cseq.number);
        let mut builder = dialog.ack(cseq);
        for header in [Header::Authorization, Header::ProxyAuthorization] {
            for value in sent.headers(header) {
                builder = builder.header_bytes(header, value);
            }
        }
        if let Some(body) = body {
            builder = builder.body(SDP, body);
        }
        let flow = self.flow_of(dialog.next_hop());
        self.sip(SipCommand::Ack { key, flow, message: builder.build() });
    }

    /// Ports and a session for a new call.
    pub(super) fn open_media(
        &mut self,
        audio: Audio,
        expect: Expect,
        began: Instant,
    ) -> Result<(MediaStream, Session), PhoneError> {
        let (expect, capture) = (expected(expect, audio), self.config.capture);
        let options = StreamOptions { audio, expect, capture, began, seed: self.random() };
        let address = self.address.ip();
        let stream = MediaStream::open(address, options);
        let stream = stream.map_err(|source| PhoneError::Rtp { address, source })?;
        let local = stream.local();
        let said = self.config.advertise.as_ref().map_or(local, |advertise| advertise(local));
        let session = Session::new(self.random(), said, &self.config.codecs);
        Ok((stream, session))
    }
}

/// Long enough for a far side that is there to answer a BYE.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
