//! What is known of a call, shared between its holder and the phone's thread.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::PhoneError;
use crate::media::{Farewell, MediaStream};

/// Provisional statuses remembered.
const MOST_PROVISIONAL: usize = 32;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// INVITE sent or received, nothing more.
    Trying,
    /// 180 sent or received.
    Ringing,
    /// 183 with SDP sent or received.
    Early,
    /// 200 sent or received.
    Answered,
    /// Over.
    Ended,
}

impl CallState {
    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trying => "not yet ringing",
            Self::Ringing => "ringing",
            Self::Early => "in early media",
            Self::Answered => "answered",
            Self::Ended => "over",
        }
    }
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// We did.
    Local,
    /// The far side, or the server.
    Remote,
    /// Nobody: no answer to a request, no ACK, nothing could be sent.
    Failure,
}

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndReason {
    /// Who.
    pub by: EndedBy,
    /// Final status of the INVITE, when it was not answered by 2xx.
    pub status: Option<u16>,
    /// Its reason phrase, or what went wrong.
    pub phrase: String,
    /// Reason header (RFC 3326) of the BYE, CANCEL or final response.
    pub reason: Option<String>,
    /// Status that our BYE was answered with.
    pub bye_status: Option<u16>,
    /// Challenged again although credentials were sent.
    pub wrong_credentials: bool,
}

impl EndReason {
    pub(crate) fn new(by: EndedBy, phrase: impl Into<String>) -> Self {
        Self {
            by,
            status: None,
            phrase: phrase.into(),
            reason: None,
            bye_status: None,
            wrong_credentials: false,
        }
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        f.write_str(&self.phrase)?;
        if let Some(reason) = &self.reason {
            write!(f, " (Reason: {reason})")?;
        }
        if self.wrong_credentials {
            f.write_str(" after credentials were sent: wrong user or password")?;
        }
        Ok(())
    }
}

/// What happens once in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Milestone {
    Ringing,
    Early,
    Answered,
    Ended,
}

impl Milestone {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Early => "early media",
            Self::Answered => "answer",
            Self::Ended => "end of the call",
        }
    }
}

/// The part that changes.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) state: CallState,
    /// Time since the call began, per milestone.
    reached: [Option<Duration>; 4],
    pub(crate) provisional: Vec<u16>,
    pub(crate) held_by_peer: bool,
    pub(crate) reinvites: u32,
    pub(crate) ended: Option<EndReason>,
}

impl View {
    pub(crate) fn reached(&self, milestone: Milestone) -> Option<Duration> {
        self.reached.get(milestone as usize).copied().flatten()
    }
}

/// A call, shared.
#[derive(Debug)]
pub(crate) struct CallShared {
    pub(crate) key: u64,
    pub(crate) incoming: bool,
    pub(crate) call_id: String,
    pub(crate) peer: String,
    pub(crate) peer_name: String,
    pub(crate) began: Instant,
    view: Mutex<View>,
    changed: Condvar,
    stream: MediaStream,
}

impl CallShared {
    pub(crate) fn new(
        key: u64,
        incoming: bool,
        names: Names,
        began: Instant,
        stream: MediaStream,
    ) -> Arc<Self> {
        let view = View {
            state: CallState::Trying,
            reached: [None; 4],
            provisional: Vec::new(),
            held_by_peer: false,
            reinvites: 0,
            ended: None,
        };
        let Names { call_id, peer, peer_name } = names;
        Arc::new(Self {
            key,
            incoming,
            call_id,
            peer,
            peer_name,
            began,
            view: Mutex::new(view),
            changed: Condvar::new(),
            stream,
        })
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stream(&self) -> &MediaStream {
        &self.stream
    }

    /// Changes the view and tells who waits.
    pub(crate) fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view());
        self.changed.notify_all();
    }

    /// The call got there, for the first time or again; never back from where it is.
    pub(crate) fn reach(&self, milestone: Milestone) {
        let at = self.began.elapsed();
        self.update(|view| {
            let state = match milestone {
                Milestone::Ringing => CallState::Ringing,
                Milestone::Early => CallState::Early,
                Milestone::Answered => CallState::Answered,
                Milestone::Ended => CallState::Ended,
            };
            if (view.state as u8) < state as u8 {
                view.state = state;
            }
            if let Some(slot) = view.reached.get_mut(milestone as usize) {
                slot.get_or_insert(at);
            }
        });
    }

    pub(crate) fn note_provisional(&self, status: u16) {
        self.update(|view| {
            if view.provisional.len() < MOST_PROVISIONAL {
                view.provisional.push(status);
            }
        });
    }

    /// It is over. The first reason stays.
    pub(crate) fn end(&self, reason: EndReason) {
        self.stream().stop(Farewell::Bye);
        self.update(|view| {
            view.ended.get_or_insert(reason);
        });
        self.reach(Milestone::Ended);
    }

    /// Waits until `done`, the end of the call, or the end of patience.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        done: impl Fn(&View) -> bool,
        event: &'static str,
    ) -> Result<(), PhoneError> {
        let pending = |view: &mut View| !done(view) && view.state != CallState::Ended;
        let waited = self.changed.wait_timeout_while(self.view(), timeout, pending);
        let (view, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if done(&view) {
            return Ok(());
        }
        Err(match &view.ended {
            Some(reason) if view.state == CallState::Ended => PhoneError::Ended(reason.clone()),
            _ => PhoneError::Waited { event, after: timeout },
        })
    }
}

/// Who is on a call.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) call_id: String,
    pub(crate) peer: String,
    pub(crate) peer_name: String,
}
