//! The client transaction of every method but INVITE and ACK (RFC 3261 figure 6).

use std::time::Duration;

use super::out::Out;
use super::timers::{Fired, PROBE, T1, T1_64, T2, T4, Timers, doubled};
use crate::event::{ClientKey, SipEvent};
use crate::flow::Flow;
use crate::message::Message;
use crate::time::Now;

/// What a transaction is told.
pub(super) enum Input {
    /// A response.
    Response(Flow, Message),
    /// The request could not be sent.
    Unreachable,
    /// A timer fired.
    Timer(Fired),
}

/// Who wants to know what becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The user, by this number.
    User(ClientKey),
    /// Nobody: its INVITE says more.
    Cancel,
    /// Nobody: it is about the way, not about the answer.
    Probe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// One request of ours.
pub(super) struct ClientOther {
    purpose: Purpose,
    flow: Flow,
    state: State,
    timers: Timers,
    interval: Duration,
    /// As sent; kept until there is a final response.
    request: Option<Message>,
}

impl ClientOther {
    /// Sends `request`, which has our Via.
    pub(super) fn start(now: Now, purpose: Purpose, flow: Flow, request: Message, out: &mut Out) -> Self {
        out.send(flow, request.bytes());
        let repeat = (!flow.transport.is_reliable()).then(|| now.instant.after(T1));
        let patience = if purpose == Purpose::Probe { PROBE } else { T1_64 };
        let timers = Timers { repeat, end: Some(now.instant.after(patience)) };
        Self { purpose, flow, state: State::Trying, timers, interval: T1, request: Some(request) }
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// Fires what is due.
    pub(super) fn fire(&mut self, now: Now, out: &mut Out) {
        if let Some(fired) = self.timers.take_due(now.instant) {
            self.on(now, Input::Timer(fired), out);
        }
    }

    pub(super) fn on(&mut self, now: Now, input: Input, out: &mut Out) {
        match self.state {
            State::Trying => self.trying(now, input, out),
            State::Proceeding => self.proceeding(now, input, out),
            State::Completed => self.completed(&input),
            State::Terminated => {}
        }
    }

    fn trying(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Response(flow, response) => self.response(now, flow, response, out),
            Input::Unreachable => self.fail(out),
            Input::Timer(Fired::Repeat) => self.repeat(now, doubled(self.interval), out),
            Input::Timer(Fired::End) => self.time_out(out),
        }
    }

    fn proceeding(&mut self, now: Now, input: Input, out: &mut Out) {
        match input {
            Input::Response(flow, response) => self.response(now, flow, response, out),
            Input::Unreachable => self.fail(out),
            Input::Timer(Fired::Repeat) => self.repeat(now, T2, out),
            Input::Timer(Fired::End) => self.time_out(out),
        }
    }

    fn completed(&mut self, input: &Input) {
        match input {
            Input::Response(..) | Input::Timer(Fired::Repeat) => {}
            Input::Unreachable | Input::Timer(Fired::End) => self.state = State::Terminated,
        }
    }

    fn response(&mut self, now: Now, flow: Flow, response: Message, out: &mut Out) {
        let Some(status) = response.status() else { return };
        if status.is_provisional() {
            self.state = State::Proceeding;
        } else if self.purpose == Purpose::Probe {
            // Repeated answers are of no interest either.
            self.state = State::Terminated;
        } else {
            self.state = State::Completed;
            self.request = None;
            let absorb = if self.flow.transport.is_reliable() { Duration::ZERO } else { T4 };
            self.timers = Timers { repeat: None, end: Some(now.instant.after(absorb)) };
        }
        if status != crate::StatusCode::TRYING {
            self.report(out, |key| SipEvent::Response { key, flow, message: response });
        }
    }

    fn repeat(&mut self, now: Now, interval: Duration, out: &mut Out) {
        if let Some(request) = &self.request {
            out.resend(self.flow, request.bytes());
        }
        self.interval = interval;
        self.timers.repeat = Some(now.instant.after(interval));
    }

    fn fail(&mut self, out: &mut Out) {
        self.state = State::Terminated;
        self.count_unanswered(out);
        self.report(out, |key| SipEvent::Failed { key });
    }

    fn time_out(&mut self, out: &mut Out) {
        self.state = State::Terminated;
        if matches!(self.purpose, Purpose::User(_)) {
            out.counters.timed_out += 1;
        }
        self.count_unanswered(out);
        self.report(out, |key| SipEvent::TimedOut { key });
    }

    fn count_unanswered(&self, out: &mut Out) {
        if self.purpose == Purpose::Probe {
            out.counters.probes_unanswered += 1;
        }
    }

    fn report(&self, out: &mut Out, event: impl FnOnce(ClientKey) -> SipEvent) {
        if let Purpose::User(key) = self.purpose {
            out.event(event(key));
        }
    }
}
