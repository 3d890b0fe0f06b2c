//! The INVITE server transaction (RFC 3261 figure 7, with the Accepted state of RFC 6026 figure 3), and the
//! retransmission of its 2xx (section 13.3.1.4).

use std::time::Duration;

use bytes::Bytes;

use super::out::Out;
use super::timers::{Fired, T1, T1_64, T4, TRYING, Timers, doubled};
use crate::event::{ServerKey, SipEvent};
use crate::flow::Flow;
use crate::message::Message;
use crate::status::StatusCode;
use crate::time::Now;

/// What a transaction is told.
pub(super) enum Input {
    /// The INVITE came again.
    Repeated,
    /// The user answers.
    Respond(Message),
    /// The ACK came, for a 2xx or not.
    Ack(Message),
    /// A CANCEL came; it is answered elsewhere.
    Cancel(Message),
    /// A timer fired.
    Timer(Fired),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Proceeding,
    Accepted,
    Completed,
    Confirmed,
    Terminated,
}

/// One INVITE that was received.
pub(super) struct ServerInvite {
    key: ServerKey,
    flow: Flow,
    state: State,
    timers: Timers,
    interval: Duration,
    /// Kept until there is a response, for the 100.
    request: Option<Message>,
    /// The last response.
    last: Bytes,
    /// The tag in it.
    local_tag: Option<String>,
    cancelled: bool,
    acknowledged: bool,
}

impl ServerInvite {
    pub(super) fn new(now: Now, key: ServerKey, flow: Flow, request: Message) -> Self {
        Self {
            key,
            flow,
            state: State::Proceeding,
            timers: Timers { repeat: Some(now.instant.after(TRYING)), end: None },
            interval: T1,
            request: Some(request),
            last: Bytes::new(),
            local_tag: None,
            cancelled: false,
            acknowledged: false,
        }
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// The To tag of our responses, once there was one.
    pub(super) fn local_tag(&self) -> Option<&str> {
        self.local_tag.as_deref()
    }

    pub(super) fn on(&mut self, now: Now, input: Input, out: &mut Out) {
        match self.state {
            State::Proceeding => self.proceeding(now, input, out),
            State::Accepted => self.accepted(now, input, out),
            State::Completed => self.completed(now, &input, out),
            State::Confirmed => self.confirmed(&input),
            State::Terminated => {}
        }
    }

    fn proceeding(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Repeated if self.last.is_empty() => self.send_trying(out),
            Input::Repeated => out.resend(self.flow, &self.last),
            Input::Respond(response) => self.respond(now, &response, out),
            Input::Ack(_) => out.counters.strays += 1,
            Input::Cancel(_) if self.cancelled => {}
            Input::Cancel(message) => {
                self.cancelled = true;
                out.event(SipEvent::Cancelled { key: self.key, message });
            }
            Input::Timer(Fired::Repeat) => self.send_trying(out),
            Input::Timer(Fired::End) => {}
        }
    }

    fn accepted(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            // Absorbed (RFC 6026 section 7.1): the timer sends the 2xx again.
            Input::Repeated | Input::Cancel(_) => {}
            Input::Respond(_) => out.counters.late_responses += 1,
            Input::Ack(_) if self.acknowledged => {}
            Input::Ack(message) => {
                self.acknowledged = true;
                self.timers.repeat = None;
                self.last = Bytes::new();
                out.event(SipEvent::Acked { key: self.key, message });
            }
            Input::Timer(Fired::Repeat) => self.repeat_last(now, out),
            Input::Timer(Fired::End) => {
                if !self.acknowledged {
                    out.counters.acks_missing += 1;
                    out.event(SipEvent::AckMissing { key: self.key });
                }
                self.state = State::Terminated;
            }
        }
    }

    fn completed(&mut self, now: Now, input: &Input, out: &mut Out) {
        match input {
            Input::Repeated => out.resend(self.flow, &self.last),
            Input::Respond(_) => out.counters.late_responses += 1,
            Input::Ack(_) => {
                self.state = State::Confirmed;
                let absorb = if self.flow.transport.is_reliable() { Duration::ZERO } else { T4 };
                self.timers = Timers { repeat: None, end: Some(now.instant.after(absorb)) };
            }
            Input::Cancel(_) => {}
            Input::Timer(Fired::Repeat) => self.repeat_last(now, out),
            Input::Timer(Fired::End) => {
                out.counters.acks_missing += 1;
                self.state = State::Terminated;
            }
        }
    }

    fn confirmed(&mut self, input: &Input) {
        match input {
            Input::Timer(Fired::End) => self.state = State::Terminated,
            Input::Repeated
            | Input::Respond(_)
            | Input::Ack(_)
            | Input::Cancel(_)
            | Input::Timer(Fired::Repeat) => {}
        }
    }

    fn respond(&mut self, now: Now, response: &Message, out: &mut Out) {
        let Some(status) = response.status() else { return };
        self.timers.repeat = None;
        self.request = None;
        self.last = response.bytes().clone();
        if self.local_tag.is_none() {
            self.local_tag = response.to_tag().map(str::to_owned);
        }
        out.send(self.flow, &self.last);
        if status.is_provisional() {
            return;
        }
        self.interval = T1;
        self.timers.end = Some(now.instant.after(T1_64));
        // A failure is sent again on datagrams only; a 2xx everywhere, for proxies may pass it on by datagram.
        if status.is_success() || !self.flow.transport.is_reliable() {
            self.timers.repeat = Some(now.instant.after(T1));
        }
        self.state = if status.is_success() { State::Accepted } else { State::Completed };
    }

    fn send_trying(&mut self, out: &mut Out) {
        self.timers.repeat = None;
        if let Some(request) = self.request.take() {
            self.last = Message::response_to(&request, StatusCode::TRYING).build().bytes().clone();
            out.send(self.flow, &self.last);
        }
    }

    fn repeat_last(&mut self, now: Now, out: &mut Out) {
        out.resend(self.flow, &self.last);
        self.interval = doubled(self.interval);
        self.timers.repeat = Some(now.instant.after(self.interval));
    }
}
