//! The server transaction of every method but INVITE and ACK (RFC 3261 figure 8, RFC 4320).

use std::time::Duration;

use bytes::Bytes;

use super::out::Out;
use super::timers::{T1_64, Timers};
use crate::flow::Flow;
use crate::message::Message;
use crate::status::StatusCode;
use crate::time::Now;

/// What a transaction is told.
pub(super) enum Input {
    /// The request came again.
    Repeated,
    /// The user answers.
    Respond(Message),
    /// The timer fired.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// One request that was received.
pub(super) struct ServerOther {
    flow: Flow,
    state: State,
    timers: Timers,
    /// The last response.
    last: Bytes,
}

impl ServerOther {
    pub(super) fn new(now: Now, flow: Flow) -> Self {
        let timers = Timers { repeat: None, end: Some(now.instant.after(T1_64)) };
        Self { flow, state: State::Trying, timers, last: Bytes::new() }
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    pub(super) fn on(&mut self, now: Now, input: Input, out: &mut Out) {
        match self.state {
            State::Trying => self.trying(now, input, out),
            State::Proceeding => self.proceeding(now, input, out),
            State::Completed => self.completed(&input, out),
            State::Terminated => {}
        }
    }

    fn trying(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Repeated => {}
            Input::Respond(response) => self.respond(now, &response, out),
            Input::End => self.state = State::Terminated,
        }
    }

    fn proceeding(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Repeated => out.resend(self.flow, &self.last),
            Input::Respond(response) => self.respond(now, &response, out),
            Input::End => self.state = State::Terminated,
        }
    }

    fn completed(&mut self, input: &Input, out: &mut Out) {
        match input {
            Input::Repeated => out.resend(self.flow, &self.last),
            Input::Respond(_) => out.counters.late_responses += 1,
            Input::End => self.state = State::Terminated,
        }
    }

    fn respond(&mut self, now: Now, response: &Message, out: &mut Out) {
        let Some(status) = response.status() else { return };
        if status == StatusCode::REQUEST_TIMEOUT {
            // RFC 4320 section 4.2: a 408 always comes too late to be of use, so none is sent.
            self.state = State::Terminated;
            return;
        }
        self.last = response.bytes().clone();
        out.send(self.flow, &self.last);
        if status.is_provisional() {
            self.state = State::Proceeding;
            return;
        }
        self.state = State::Completed;
        let absorb = if self.flow.transport.is_reliable() { Duration::ZERO } else { T1_64 };
        self.timers.end = Some(now.instant.after(absorb));
    }
}
