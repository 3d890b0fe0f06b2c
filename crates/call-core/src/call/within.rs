//! Requests inside the dialogs of a call, but for INVITE: BYE, INFO, OPTIONS, and what is not served.

use sip_core::{ClientKey, DialogError, Flow, Header, Message, Method, ServerKey, StatusCode};
use voip_contract::LegId;

use super::end::ends_dialog;
use super::{ActiveCall, CALLER, Ending, Stage};
use crate::cause::{Cause, cause_in_reason};
use crate::requests::{self, ALLOW, Refusal, check_require, respond_to};
use crate::state::LegState;
use crate::turn::Turn;

/// INFO requests of one call on their way at a time.
const MAX_PASSING: usize = 16;
/// What says how the body of an INFO is meant: goes with it.
const INFO_HEADERS: [Header; 2] = [Header::ContentDisposition, Header::Other("Info-Package")];

/// A request on its way to the other leg.
pub(super) struct Passing {
    client: ClientKey,
    server: ServerKey,
    request: Message,
}

impl ActiveCall {
    /// A request with the tag of `leg`.
    pub(crate) fn request(
        &mut self,
        turn: &mut Turn,
        leg: LegId,
        key: ServerKey,
        flow: Flow,
        request: &Message,
    ) {
        if let Err(refusal) = self.accept_request(leg, request).and_then(|()| check_require(request)) {
            return refusal.send(turn, key, request);
        }
        match request.method() {
            Method::Bye => self.said_bye(turn, leg, key, request),
            Method::Invite => self.reinvite(turn, leg, key, flow, request),
            Method::Info => self.info(turn, leg, key, request),
            Method::Options => requests::options(turn, key, request),
            Method::Other(_) => not_allowed(StatusCode::NOT_IMPLEMENTED).send(turn, key, request),
            _ => not_allowed(StatusCode::METHOD_NOT_ALLOWED).send(turn, key, request),
        }
    }

    /// Checks that the request is of this dialog, and in order (RFC 3261 section 12.2.2).
    fn accept_request(&mut self, leg: LegId, request: &Message) -> Result<(), Refusal> {
        let gone = Refusal::new(StatusCode::CALL_DOES_NOT_EXIST, "no-dialog");
        let Some(dialog) = self.leg_mut(leg).and_then(|leg| leg.dialog.as_mut()) else { return Err(gone) };
        dialog.accept(request).map_err(|error| match error {
            DialogError::OutOfOrder => Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "out-of-order"),
            DialogError::Field(_) => Refusal::new(StatusCode::BAD_REQUEST, "bad-request"),
            DialogError::OtherDialog | DialogError::NoTag => gone,
        })
    }

    /// BYE (section 15.1.2): from either side, from the caller even before the answer.
    fn said_bye(&mut self, turn: &mut Turn, leg: LegId, key: ServerKey, request: &Message) {
        let response = respond_to(turn, request, StatusCode::OK).build();
        turn.respond(key, response);
        let cause = cause_in_reason(request.headers(Header::Reason));
        self.end(turn, &Ending::bye(leg, cause, reason_of(request)));
    }

    /// The caller's CANCEL, for the INVITE that opened the call or for one of its re-INVITEs.
    pub(crate) fn cancelled(&mut self, turn: &mut Turn, key: ServerKey, cancel: &Message) {
        if self.caller.invite.as_ref().is_some_and(|(invite, _)| *invite == key) {
            let cause = cause_in_reason(cancel.headers(Header::Reason));
            self.end(turn, &Ending::cancelled(cause, reason_of(cancel)));
        } else {
            self.modify_cancelled(turn, key);
        }
    }

    /// An ACK for a 2xx of ours.
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn, key: ServerKey, ack: &Message) {
        turn.core.servers.remove(&key);
        if self.caller.unacknowledged == Some(key) {
            self.caller.unacknowledged = None;
            if let Some(leg) = self.leg_mut(CALLER) {
                leg.unacknowledged = None;
            }
            self.late_acknowledged(turn, ack);
        } else {
            self.modify_acknowledged(turn, key, ack);
        }
    }

    /// No ACK came for a 2xx of ours (section 13.3.1.4).
    pub(crate) fn not_acknowledged(&mut self, turn: &mut Turn, key: ServerKey) {
        turn.core.servers.remove(&key);
        if self.caller.unacknowledged == Some(key) {
            self.caller.unacknowledged = None;
        }
        self.end(turn, &Ending::broken(Cause::TIMER_EXPIRED, "no ACK"));
    }

    /// A response to a request of ours.
    pub(crate) fn response(
        &mut self,
        turn: &mut Turn,
        leg: LegId,
        key: ClientKey,
        source: Flow,
        response: &Message,
    ) {
        let is_final = response.status().is_some_and(StatusCode::is_final);
        if let Some(at) = self.passing.iter().position(|passing| passing.client == key) {
            if is_final {
                turn.core.clients.remove(&key);
                let passing = self.passing.swap_remove(at);
                self.pass_back(turn, &passing, response);
            }
        } else if self.is_modify(key) {
            self.modify_response(turn, key, source, response);
        } else {
            self.branch_response(turn, leg, source, response);
        }
    }

    /// A request of ours got no final response: not in time, or it could not be sent.
    pub(crate) fn no_response(&mut self, turn: &mut Turn, leg: LegId, key: ClientKey, timed_out: bool) {
        turn.core.clients.remove(&key);
        if let Some(at) = self.passing.iter().position(|passing| passing.client == key) {
            let passing = self.passing.swap_remove(at);
            let response = respond_to(turn, &passing.request, StatusCode::REQUEST_TIMEOUT).build();
            turn.respond(passing.server, response);
            self.end(turn, &Ending::broken(Cause::TIMER_EXPIRED, "no response"));
        } else if self.is_modify(key) {
            self.modify_silent(turn);
        } else {
            self.branch_silent(turn, leg, timed_out);
        }
    }

    /// INFO goes to the other leg as it is: DTMF by signaling must not be lost at a B2BUA.
    fn info(&mut self, turn: &mut Turn, leg: LegId, key: ServerKey, request: &Message) {
        match self.other_leg(leg) {
            Some(_) if self.passing.len() >= MAX_PASSING => {
                Refusal::overload("too-many-requests").send(turn, key, request);
            }
            Some(other) => self.pass(turn, other, key, request),
            None if request.body().is_empty() => {
                let response = respond_to(turn, request, StatusCode::OK).build();
                turn.respond(key, response);
            }
            // Nobody is there to understand it.
            None => {
                Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-body").send(turn, key, request);
            }
        }
    }

    fn pass(&mut self, turn: &mut Turn, to: LegId, key: ServerKey, request: &Message) {
        let id = self.id();
        let Some(leg) = self.leg_mut(to).filter(|leg| leg.state == LegState::Confirmed) else { return };
        let flow = leg.flow;
        let Some(dialog) = leg.dialog.as_mut() else { return };
        let mut builder =
            dialog.request(request.method()).header(Header::UserAgent, &turn.core.config.server);
        for name in INFO_HEADERS {
            if let Some(value) = request.header(name) {
                builder = builder.header_bytes(name, value);
            }
        }
        if let Some(content_type) = request.text(Header::ContentType) {
            builder = builder.body(&content_type, request.body_bytes());
        }
        let client = turn.request(id, to, flow, builder.build());
        self.passing.push(Passing { client, server: key, request: request.clone() });
    }

    fn pass_back(&mut self, turn: &mut Turn, passing: &Passing, response: &Message) {
        let status = response.status().unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
        let mut back = respond_to(turn, &passing.request, status);
        if let Some(content_type) = response.text(Header::ContentType) {
            back = back.body(&content_type, response.body_bytes());
        }
        turn.respond(passing.server, back.build());
        if ends_dialog(&Method::Info, status) {
            self.end(turn, &Ending::broken(Cause::TIMER_EXPIRED, "dialog lost"));
        }
    }

    /// Requests on their way when the call ends are answered all the same.
    pub(super) fn end_passing(&mut self, turn: &mut Turn) {
        for passing in std::mem::take(&mut self.passing) {
            turn.core.clients.remove(&passing.client);
            let response = respond_to(turn, &passing.request, StatusCode::REQUEST_TERMINATED).build();
            turn.respond(passing.server, response);
        }
    }

    /// Whether nothing is to be done for it any more.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Ended { closed: true })
    }
}

fn not_allowed(status: StatusCode) -> Refusal {
    Refusal::new(status, "method-not-allowed").with(Header::Allow, ALLOW.to_owned())
}

/// The first Reason of a request, to be given on.
fn reason_of(request: &Message) -> Option<String> {
    request.text(Header::Reason).map(std::borrow::Cow::into_owned)
}
