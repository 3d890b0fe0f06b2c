//! Requests of ours: sent, authenticated when challenged, and taken back to whom they are for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::digest::{Challenge, Login, Secret as DigestSecret};
use sip_core::{CSeq, ClientKey, Flow, Header, ListenerId, Message, SipCommand, StatusCode, Transport, Uri};

use super::Agent;
use super::timer::Timer;
use crate::config::Secret;
use crate::error::PhoneError;
use crate::mailbox::Reply;

/// 64 times T1: how long a transaction may live (RFC 3261 section 17).
const TRANSACTION: Duration = Duration::from_secs(32);

/// What a request is for.
pub(super) enum Purpose {
    /// Our registration.
    Register(super::register::Attempt),
    /// Is the server there?
    Options(Reply<u16>),
    /// The INVITE that makes a call.
    Invite(u64),
    /// A later one.
    Reinvite(u64),
    /// The end of a call.
    Bye(u64),
    /// The end of a dialog that nobody wants: another answer of a forked INVITE.
    StrayBye,
}

/// A request without final response, or an INVITE that may be answered again.
pub(super) struct Outstanding {
    pub(super) purpose: Purpose,
    /// As it was composed, without credentials.
    bare: Message,
    /// As it was sent.
    pub(super) sent: Message,
    flow: Flow,
    /// Challenges answered.
    answered: u8,
    /// An INVITE that got a 2xx.
    pub(super) done: bool,
}

/// A challenge to be answered again without being asked.
pub(super) struct Known {
    challenge: Challenge,
    uses: u32,
}

/// How a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    TimedOut(Duration),
    NotSent,
}

/// The UDP path to `remote`.
pub(super) fn flow_to(remote: SocketAddr) -> Flow {
    Flow { listener: ListenerId(0), transport: Transport::Udp, remote, connection: 0 }
}

impl Agent {
    /// Where a request goes that is addressed to `hop`. Names are not resolved: the server knows them.
    pub(super) fn flow_of(&self, hop: &Uri) -> Flow {
        let literal = hop.host.ip().map(|ip| SocketAddr::new(ip, hop.port.unwrap_or(5060)));
        flow_to(literal.unwrap_or(self.config.server))
    }

    /// Sends a request, with credentials if a challenge is known already.
    pub(super) fn send_request(&mut self, purpose: Purpose, message: Message, flow: Flow) -> ClientKey {
        let sent = if flow.remote.ip() == self.config.server.ip() {
            self.with_credentials(&message)
        } else {
            message.clone()
        };
        let out = Outstanding { purpose, bare: message, sent, flow, answered: 0, done: false };
        self.launch(out)
    }

    fn launch(&mut self, out: Outstanding) -> ClientKey {
        self.last_client += 1;
        let key = ClientKey(self.last_client);
        tracing::debug!(method = %out.sent.method(), to = %out.flow.remote, "request");
        self.sip(SipCommand::Request { key, flow: out.flow, message: out.sent.clone() });
        // Timer B of an INVITE ends with the first provisional response, which we may not get to see (100).
        if !matches!(out.purpose, Purpose::Invite(_) | Purpose::Reinvite(_)) {
            self.timers.set(Instant::now() + self.config.patience, Timer::Patience(key));
        }
        self.outstanding.insert(key, out);
        key
    }

    fn with_credentials(&mut self, message: &Message) -> Message {
        let mut builder = message.edit();
        let cnonce = self.tokens.token();
        for known in self.known.values_mut() {
            known.uses = known.uses.saturating_add(1);
            let uri = message.request_uri_text().unwrap_or_default();
            let value = with_login(&self.config.user, &self.config.secret, |login| {
                known.challenge.answer(&message.method(), uri, login, &cnonce, known.uses).ok()
            });
            if let Some(value) = value.flatten() {
                builder = builder.header(known.challenge.header, value);
            }
        }
        builder.build()
    }

    /// A response came.
    pub(super) fn on_response(&mut self, key: ClientKey, response: &Message) {
        let Some(status) = response.status() else { return };
        let Some(out) = self.outstanding.get(&key) else { return };
        tracing::debug!(method = %out.sent.method(), %status, "response");
        if status.is_provisional() {
            if let Purpose::Invite(leg) = out.purpose {
                self.on_provisional(leg, response);
            }
            return;
        }
        let challenged =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        if challenged && !out.done {
            let Some(out) = self.outstanding.remove(&key) else { return };
            return self.on_challenge(out, response, status);
        }
        if status.is_success() && matches!(out.purpose, Purpose::Invite(_) | Purpose::Reinvite(_)) {
            return self.on_invite_success(key, response);
        }
        let Some(out) = self.outstanding.remove(&key) else { return };
        self.finish(out, Ok(response));
    }

    /// An INVITE may be answered more than once: by several phones behind a forking proxy.
    fn on_invite_success(&mut self, key: ClientKey, response: &Message) {
        let Some(out) = self.outstanding.get_mut(&key) else { return };
        let first = !std::mem::replace(&mut out.done, true);
        let (sent, flow) = (out.sent.clone(), out.flow);
        let (leg, reinvite) = match out.purpose {
            Purpose::Invite(leg) => (leg, false),
            Purpose::Reinvite(leg) => (leg, true),
            _ => return,
        };
        if first {
            self.timers.set(Instant::now() + TRANSACTION, Timer::Forget(key));
        }
        match (first, reinvite) {
            (true, false) => self.on_answered(leg, key, &sent, response),
            (true, true) => self.on_reinvite_accepted(leg, key, &sent, response),
            (false, _) => self.refuse_fork(key, &sent, response, flow),
        }
    }

    /// No response came, or nothing could be sent.
    pub(super) fn on_failure(&mut self, key: ClientKey, failure: Failure) {
        match self.outstanding.get(&key) {
            Some(out) if !out.done => {}
            _ => return,
        }
        let Some(out) = self.outstanding.remove(&key) else { return };
        let (server, request) = (out.flow.remote, out.sent.method().to_string());
        let error = match failure {
            Failure::TimedOut(after) => PhoneError::NoAnswer { server, request, after },
            Failure::NotSent => PhoneError::Unreachable { server, request },
        };
        self.finish(out, Err(error));
    }

    pub(super) fn on_timed_out(&mut self, key: ClientKey) {
        self.on_failure(key, Failure::TimedOut(TRANSACTION));
    }

    pub(super) fn on_patience(&mut self, key: ClientKey) {
        self.on_failure(key, Failure::TimedOut(self.config.patience));
    }

    fn finish(&mut self, out: Outstanding, result: Result<&Message, PhoneError>) {
        match out.purpose {
            Purpose::Register(attempt) => self.on_register_done(attempt, result),
            Purpose::Options(reply) => {
                let status = result.map(|response| response.status().map_or(0, u16::from));
                let _ = reply.try_send(status);
            }
            Purpose::Invite(leg) => self.on_invite_failed(leg, result),
            Purpose::Reinvite(leg) => self.on_reinvite_failed(leg, result),
            Purpose::Bye(leg) => self.on_bye_done(leg, result.ok()),
            Purpose::StrayBye => {}
        }
    }

    fn on_challenge(&mut self, mut out: Outstanding, response: &Message, status: StatusCode) {
        if let Purpose::Invite(leg) = out.purpose
            && self.is_cancelled(leg)
        {
            return self.finish(out, Ok(response));
        }
        match self.answer_challenge(&mut out, response, status) {
            Ok(()) => {
                let leg = match out.purpose {
                    Purpose::Invite(leg) | Purpose::Reinvite(leg) | Purpose::Bye(leg) => Some(leg),
                    _ => None,
                };
                let key = self.launch(out);
                if let Some(leg) = leg {
                    self.on_resent(leg, key);
                }
            }
            Err(error) => self.finish(out, Err(error)),
        }
    }

    /// Puts credentials into the request. A second challenge is answered only when it says that the nonce was stale
    /// (RFC 7616 section 3.4.1), or when the first credentials were for a nonce from before.
    fn answer_challenge(
        &mut self,
        out: &mut Outstanding,
        response: &Message,
        status: StatusCode,
    ) -> Result<(), PhoneError> {
        let (server, request, status) = (out.flow.remote, out.sent.method().to_string(), u16::from(status));
        let unanswerable =
            |reason: String| PhoneError::Challenge { server, request: request.clone(), status, reason };
        let challenge =
            with_login(&self.config.user, &self.config.secret, |login| Challenge::strongest(response, login));
        let challenge = challenge
            .ok_or_else(|| unanswerable("the phone has no password".into()))?
            .map_err(|error| unanswerable(error.to_string()))?;
        if out.answered > 1 || (out.answered == 1 && !challenge.stale) {
            self.known.remove(&challenge.header);
            return Err(PhoneError::WrongCredentials { server, request, status });
        }
        out.answered += 1;
        self.known.insert(challenge.header, Known { challenge, uses: 0 });
        let cseq = out.bare.cseq().map_err(|error| unanswerable(error.to_string()))?;
        let next = CSeq { number: cseq.number.saturating_add(1), method: cseq.method };
        out.bare = out.bare.edit().replace(Header::CSeq, next).build();
        out.sent = self.with_credentials(&out.bare);
        Ok(())
    }
}

fn with_login<T>(user: &str, secret: &Secret, then: impl FnOnce(&Login<'_>) -> T) -> Option<T> {
    match secret {
        Secret::Password(password) => Some(then(&Login { user, secret: DigestSecret::Password(password) })),
        Secret::Ha1(known) => {
            let known: Vec<_> =
                known.iter().map(|(algorithm, ha1)| (algorithm_of(*algorithm), ha1.clone())).collect();
            Some(then(&Login { user, secret: DigestSecret::Ha1(&known) }))
        }
        Secret::None => None,
    }
}

fn algorithm_of(algorithm: voip_contract::config::DigestAlgorithm) -> sip_core::digest::DigestAlgorithm {
    use sip_core::digest::DigestAlgorithm as Core;
    use voip_contract::config::DigestAlgorithm as Contract;
    match algorithm {
        Contract::Sha512_256 => Core::Sha512_256,
        Contract::Sha256 => Core::Sha256,
        Contract::Md5 => Core::Md5,
    }
}
