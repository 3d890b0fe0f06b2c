//! Registration: made when asked for, refreshed at half its time, removed at the end (RFC 3261 section 10).

use std::time::{Duration, Instant};

use sip_core::{Contacts, Header, Message, Method, NameAddr, StatusCode};

use super::Agent;
use super::compose::Fresh;
use super::request::{Purpose, flow_to};
use super::timer::Timer;
use crate::error::PhoneError;
use crate::mailbox::Reply;
use crate::phone::RegistrationState;

/// After a refresh that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Who waits for a REGISTER.
pub(super) enum Waiting {
    /// Somebody who wants to know what was granted.
    Register(Reply<Duration>),
    /// Somebody who wants to be gone.
    Unregister(Reply<()>),
    /// Nobody: a refresh, or the end of the phone.
    Nobody,
}

/// A REGISTER.
pub(super) struct Attempt {
    expires: u32,
    waiting: Waiting,
    /// A 423 was obeyed already.
    corrected: bool,
}

/// What REGISTERs have in common (section 10.2).
pub(super) struct Registering {
    call_id: String,
    tag: String,
    cseq: u32,
    /// What is asked for at each refresh; zero: not registered.
    wanted: u32,
}

impl Registering {
    pub(super) fn new(call_id: String, tag: String) -> Self {
        Self { call_id, tag, cseq: 0, wanted: 0 }
    }
}

impl Agent {
    pub(super) fn register(&mut self, expires: Duration, reply: Reply<Duration>) {
        let expires = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX).max(1);
        self.registering.wanted = expires;
        self.attempt(Attempt { expires, waiting: Waiting::Register(reply), corrected: false });
    }

    pub(super) fn unregister(&mut self, waiting: Waiting) {
        self.registering.wanted = 0;
        self.timers.retain(|timer| *timer != Timer::Refresh);
        self.attempt(Attempt { expires: 0, waiting, corrected: false });
    }

    /// Registered, or about to be.
    pub(super) fn wants_registration(&self) -> bool {
        self.registering.wanted > 0
    }

    pub(super) fn refresh(&mut self) {
        let expires = self.registering.wanted;
        if expires > 0 {
            self.attempt(Attempt { expires, waiting: Waiting::Nobody, corrected: false });
        }
    }

    fn attempt(&mut self, attempt: Attempt) {
        match self.compose_register(attempt.expires) {
            Ok(message) => {
                self.send_request(Purpose::Register(attempt), message, flow_to(self.config.server));
            }
            Err(error) => self.on_register_done(attempt, Err(error)),
        }
    }

    fn compose_register(&mut self, expires: u32) -> Result<Message, PhoneError> {
        let aor = self.aor(&self.config.user)?;
        let mut uri = aor.clone();
        uri.user = None;
        self.registering.cseq += 1;
        let Registering { call_id, tag, cseq, .. } = &self.registering;
        let to = NameAddr::new(aor).named(&self.config.display_name);
        let from = to.clone().tagged(tag);
        let fresh = Fresh { method: Method::Register, uri: &uri, from: &from, to: &to, call_id, cseq: *cseq };
        let builder =
            fresh.builder().header(Header::Contact, self.contact()).header(Header::Expires, expires);
        Ok(builder.build())
    }

    pub(super) fn on_register_done(&mut self, attempt: Attempt, result: Result<&Message, PhoneError>) {
        let result = result.and_then(|response| {
            // Digest may have used numbers of its own.
            self.registering.cseq = response.cseq().map_or(self.registering.cseq, |cseq| cseq.number);
            if let Some(least) = too_brief(response)
                && !attempt.corrected
                && attempt.expires > 0
            {
                return Ok(Granted::Ask(least));
            }
            granted(response, &self.contact(), attempt.expires)
        });
        match result {
            Ok(Granted::Ask(expires)) => {
                self.registering.wanted = expires;
                self.attempt(Attempt { expires, corrected: true, ..attempt });
            }
            Ok(Granted::For(span)) => self.registered(attempt, span),
            Err(error) => self.not_registered(attempt, error),
        }
    }

    fn registered(&mut self, attempt: Attempt, span: Duration) {
        self.timers.retain(|timer| *timer != Timer::Refresh);
        if span.is_zero() {
            self.shared.set_registration(RegistrationState::None);
        } else {
            self.shared.set_registration(RegistrationState::Registered { expires: span });
            if self.wants_registration() {
                self.timers.set(Instant::now() + span / 2, Timer::Refresh);
            }
        }
        match attempt.waiting {
            Waiting::Register(reply) => drop(reply.try_send(Ok(span))),
            Waiting::Unregister(reply) => drop(reply.try_send(Ok(()))),
            Waiting::Nobody => {}
        }
    }

    fn not_registered(&mut self, attempt: Attempt, error: PhoneError) {
        let state = RegistrationState::Failed { status: error.status(), reason: error.to_string() };
        self.shared.set_registration(state);
        match attempt.waiting {
            // Who asked decides whether to ask again.
            Waiting::Register(reply) => {
                self.registering.wanted = 0;
                let _ = reply.try_send(Err(error));
            }
            Waiting::Unregister(reply) => drop(reply.try_send(Err(error))),
            Waiting::Nobody => {
                tracing::debug!(%error, "refresh failed");
                if self.wants_registration() {
                    self.timers.set(Instant::now() + RETRY, Timer::Refresh);
                }
            }
        }
    }
}

enum Granted {
    For(Duration),
    /// 423: at least this many seconds.
    Ask(u32),
}

fn too_brief(response: &Message) -> Option<u32> {
    let is_423 = response.status().map(u16::from) == Some(423);
    response.text(Header::MinExpires).filter(|_| is_423)?.trim().parse().ok()
}

/// The time that the registrar gave our contact (section 10.2.4).
fn granted(response: &Message, ours: &NameAddr, asked: u32) -> Result<Granted, PhoneError> {
    let status = response.status().unwrap_or(StatusCode::OK);
    if !status.is_success() {
        return Err(refused("REGISTER", response));
    }
    if asked == 0 {
        return Ok(Granted::For(Duration::ZERO));
    }
    let contacts = match response.contacts() {
        Ok(Contacts::List(list)) => list,
        _ => Vec::new(),
    };
    let own = contacts.iter().find(|contact| contact.uri.matches(&ours.uri));
    let of_contact = own.and_then(|contact| contact.params.get("expires")).and_then(|text| text.parse().ok());
    let seconds = of_contact.or_else(|| response.expires()).unwrap_or(asked);
    Ok(Granted::For(Duration::from_secs(u64::from(seconds))))
}

/// A final failure as an error.
pub(super) fn refused(request: &str, response: &Message) -> PhoneError {
    PhoneError::Refused {
        request: request.to_owned(),
        status: response.status().map_or(0, u16::from),
        phrase: response.reason_phrase().into_owned(),
    }
}
