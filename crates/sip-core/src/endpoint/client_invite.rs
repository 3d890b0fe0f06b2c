//! The INVITE client transaction (RFC 3261 figure 5, with the Accepted state of RFC 6026 figure 4), its CANCEL
//! (section 9.1), and the ACKs of its 2xx (section 13.2.2.4).

use std::time::Duration;

use bytes::Bytes;

use super::client_other::{self, ClientOther, Purpose};
use super::out::Out;
use super::timers::{D, Fired, T1, T1_64, Timers};
use crate::event::{ClientKey, SipEvent};
use crate::flow::Flow;
use crate::header::Header;
use crate::message::{CSeq, Message};
use crate::method::Method;
use crate::time::{Instant, Now};

/// Most branches of one INVITE whose 2xx are reported; further ones are dropped.
const MAX_BRANCHES: usize = 16;

/// What a transaction is told.
pub(super) enum Input {
    /// A response to the INVITE.
    Response(Flow, Message),
    /// The user gives up.
    Cancel(Option<String>),
    /// The user acknowledges a 2xx: To tag, way and bytes.
    Ack(String, Flow, Bytes),
    /// The request could not be sent.
    Unreachable,
    /// A timer fired.
    Timer(Fired),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Calling,
    Proceeding,
    Accepted,
    Completed,
    Terminated,
}

/// How far a CANCEL is.
enum Cancelling {
    No,
    /// Held until a provisional response.
    Wanted(Option<String>),
    Sent(ClientOther),
}

/// A 2xx's To tag, and its ACK once the user has made it.
struct Accepted {
    tag: String,
    ack: Option<(Flow, Bytes)>,
}

/// One INVITE of ours.
pub(super) struct ClientInvite {
    key: ClientKey,
    flow: Flow,
    state: State,
    timers: Timers,
    interval: Duration,
    /// As sent; kept until there is a final response.
    request: Option<Message>,
    cancelling: Cancelling,
    /// The ACK of a failure.
    ack: Bytes,
    accepted: Vec<Accepted>,
}

impl ClientInvite {
    /// Sends `request`, which has our Via.
    pub(super) fn start(now: Now, key: ClientKey, flow: Flow, request: Message, out: &mut Out) -> Self {
        out.send(flow, request.bytes());
        let repeat = (!flow.transport.is_reliable()).then(|| now.instant.after(T1));
        Self {
            key,
            flow,
            state: State::Calling,
            timers: Timers { repeat, end: Some(now.instant.after(T1_64)) },
            interval: T1,
            request: Some(request),
            cancelling: Cancelling::No,
            ack: Bytes::new(),
            accepted: Vec::new(),
        }
    }

    pub(super) fn next_timer(&mut self) -> Option<Instant> {
        let cancel = match &mut self.cancelling {
            Cancelling::Sent(cancel) => cancel.timers().next(),
            Cancelling::No | Cancelling::Wanted(_) => None,
        };
        [self.timers.next(), cancel].into_iter().flatten().min()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// Fires what is due, of the INVITE and of its CANCEL.
    pub(super) fn fire(&mut self, now: Now, out: &mut Out) {
        if let Some(fired) = self.timers.take_due(now.instant) {
            self.on(now, Input::Timer(fired), out);
        }
        if let Cancelling::Sent(cancel) = &mut self.cancelling {
            cancel.fire(now, out);
        }
    }

    /// A response to the CANCEL.
    pub(super) fn on_cancel_response(&mut self, now: Now, flow: Flow, response: Message, out: &mut Out) {
        match &mut self.cancelling {
            Cancelling::Sent(cancel) => cancel.on(now, client_other::Input::Response(flow, response), out),
            Cancelling::No | Cancelling::Wanted(_) => out.counters.strays += 1,
        }
    }

    pub(super) fn on(&mut self, now: Now, input: Input, out: &mut Out) {
        match self.state {
            State::Calling => self.calling(now, input, out),
            State::Proceeding => self.proceeding(now, input, out),
            State::Accepted => self.accepted(input, out),
            State::Completed => self.completed(&input, out),
            State::Terminated => {}
        }
    }

    fn calling(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Response(flow, response) => self.response(now, flow, response, out),
            Input::Cancel(reason) => self.cancelling = Cancelling::Wanted(reason),
            Input::Ack(..) => {}
            Input::Unreachable => self.fail(out),
            Input::Timer(Fired::Repeat) => {
                if let Some(request) = &self.request {
                    out.resend(self.flow, request.bytes());
                }
                self.interval = self.interval.saturating_mul(2);
                self.timers.repeat = Some(now.instant.after(self.interval));
            }
            Input::Timer(Fired::End) => self.time_out(out),
        }
    }

    fn proceeding(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Response(flow, response) => self.response(now, flow, response, out),
            Input::Cancel(reason) => {
                if matches!(self.cancelling, Cancelling::No) {
                    self.send_cancel(now, reason.as_deref(), out);
                }
            }
            Input::Ack(..) => {}
            Input::Unreachable => self.fail(out),
            Input::Timer(Fired::Repeat) => {}
            Input::Timer(Fired::End) => self.time_out(out),
        }
    }

    fn accepted(&mut self, input: Input, out: &mut Out) {
        match input {
            Input::Response(flow, response) => self.further_success(flow, response, out),
            Input::Ack(tag, flow, bytes) => {
                if let Some(accepted) = self.accepted.iter_mut().find(|accepted| accepted.tag == tag) {
                    accepted.ack = Some((flow, bytes));
                }
            }
            Input::Cancel(_) | Input::Unreachable | Input::Timer(Fired::Repeat) => {}
            Input::Timer(Fired::End) => self.state = State::Terminated,
        }
    }

    fn completed(&mut self, input: &Input, out: &mut Out) {
        match input {
            Input::Response(_, response) if response.status().is_some_and(crate::StatusCode::is_failure) => {
                out.resend(self.flow, &self.ack);
            }
            Input::Response(..) | Input::Cancel(_) | Input::Ack(..) => {}
            Input::Unreachable | Input::Timer(Fired::End) => self.state = State::Terminated,
            Input::Timer(Fired::Repeat) => {}
        }
    }

    /// A response in Calling or Proceeding.
    fn response(&mut self, now: Now, flow: Flow, response: Message, out: &mut Out) {
        let Some(status) = response.status() else { return };
        if status.is_provisional() {
            self.provisional(now, flow, response, out);
        } else if status.is_success() {
            self.state = State::Accepted;
            self.request = None;
            self.timers = Timers { repeat: None, end: Some(now.instant.after(T1_64)) };
            self.further_success(flow, response, out);
        } else {
            self.state = State::Completed;
            self.ack = self.request.take().map(|request| ack_for(&request, &response)).unwrap_or_default();
            out.send(self.flow, &self.ack);
            let absorb = if self.flow.transport.is_reliable() { Duration::ZERO } else { D };
            self.timers = Timers { repeat: None, end: Some(now.instant.after(absorb)) };
            out.event(SipEvent::Response { key: self.key, flow, message: response });
        }
    }

    fn provisional(&mut self, now: Now, flow: Flow, response: Message, out: &mut Out) {
        if self.state == State::Calling {
            self.state = State::Proceeding;
            self.timers = Timers::default();
        }
        if let Cancelling::Wanted(reason) = &mut self.cancelling {
            let reason = reason.take();
            self.send_cancel(now, reason.as_deref(), out);
        }
        if response.status() != Some(crate::StatusCode::TRYING) {
            out.event(SipEvent::Response { key: self.key, flow, message: response });
        }
    }

    /// A 2xx: reported once for each To tag; one that comes again gets its ACK again.
    fn further_success(&mut self, flow: Flow, response: Message, out: &mut Out) {
        if !response.status().is_some_and(crate::StatusCode::is_success) {
            return;
        }
        let tag = response.to_tag().unwrap_or("");
        if let Some(known) = self.accepted.iter().find(|accepted| accepted.tag == tag) {
            if let Some((flow, bytes)) = &known.ack {
                out.resend(*flow, bytes);
            }
        } else if self.accepted.len() < MAX_BRANCHES {
            self.accepted.push(Accepted { tag: tag.to_owned(), ack: None });
            out.event(SipEvent::Response { key: self.key, flow, message: response });
        } else {
            out.counters.strays += 1;
        }
    }

    fn send_cancel(&mut self, now: Now, reason: Option<&str>, out: &mut Out) {
        let Some(request) = &self.request else { return };
        let cancel = cancel_for(request, reason);
        self.cancelling = Cancelling::Sent(ClientOther::start(now, Purpose::Cancel, self.flow, cancel, out));
        self.timers.end = Some(now.instant.after(T1_64));
    }

    fn fail(&mut self, out: &mut Out) {
        self.state = State::Terminated;
        out.event(SipEvent::Failed { key: self.key });
    }

    fn time_out(&mut self, out: &mut Out) {
        self.state = State::Terminated;
        out.counters.timed_out += 1;
        out.event(SipEvent::TimedOut { key: self.key });
    }
}

/// The ACK of a failure: the INVITE's Request-URI, top Via, From, Call-ID, `CSeq` number and Route, and the response's
/// To (section 17.1.1.3).
fn ack_for(invite: &Message, response: &Message) -> Bytes {
    let to = response.header(Header::To).unwrap_or_default();
    hop_by_hop(invite, Method::Ack, to).build().bytes().clone()
}

/// The CANCEL of an INVITE (section 9.1).
fn cancel_for(invite: &Message, reason: Option<&str>) -> Message {
    let to = invite.header(Header::To).unwrap_or_default();
    let builder = hop_by_hop(invite, Method::Cancel, to);
    match reason {
        Some(reason) => builder.header(Header::Reason, reason).build(),
        None => builder.build(),
    }
}

fn hop_by_hop(invite: &Message, method: Method, to: &[u8]) -> crate::MessageBuilder {
    let uri = invite.request_uri_text().unwrap_or_default();
    let number = invite.cseq().map(|cseq| cseq.number).unwrap_or_default();
    let via = invite.list(Header::Via).next().unwrap_or_default();
    let mut builder = Message::request(method.clone(), &uri)
        .header_bytes(Header::Via, via)
        .header(Header::MaxForwards, 70)
        .header_bytes(Header::From, invite.header(Header::From).unwrap_or_default())
        .header_bytes(Header::To, to)
        .header(Header::CallId, invite.call_id())
        .header(Header::CSeq, CSeq { number, method });
    for route in invite.headers(Header::Route) {
        builder = builder.header_bytes(Header::Route, route);
    }
    builder
}
