//! How handles speak to the phone's thread: a bounded queue, a waker, and one reply per question.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::call::CallShared;
use crate::config::{AnswerPolicy, CallOptions};
use crate::error::PhoneError;
use crate::wake::Waker;

/// Commands that wait at most.
const QUEUE: usize = 1024;

/// Where an answer goes.
pub(crate) type Reply<T> = SyncSender<Result<T, PhoneError>>;

/// What can be done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallAction {
    Ring,
    EarlyMedia,
    Answer,
    Reject(u16),
    Cancel,
    Hold(bool),
    Reinvite { late_offer: bool },
    Hangup,
}

/// What a phone can be told.
pub(crate) enum Command {
    Register {
        expires: Duration,
        reply: Reply<Duration>,
    },
    Unregister {
        reply: Reply<()>,
    },
    Options {
        reply: Reply<u16>,
    },
    SetAnswer {
        policy: AnswerPolicy,
        reply: Reply<()>,
    },
    Call {
        number: String,
        options: Box<CallOptions>,
        reply: Reply<Arc<CallShared>>,
    },
    OnCall {
        key: u64,
        action: CallAction,
        reply: Reply<()>,
    },
    /// The handle of a call is gone.
    Drop {
        key: u64,
    },
    /// Ends calls and registration, then the thread.
    Shutdown,
    /// Ends the thread and nothing else, as a power cut would.
    Vanish,
}

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    queue: SyncSender<Command>,
    waker: Arc<Waker>,
    patience: Duration,
}

impl Mailbox {
    /// A mailbox whose questions may take `patience`, and its other end.
    pub(crate) fn new(waker: Waker, patience: Duration) -> (Self, Receiver<Command>) {
        let (queue, commands) = sync_channel(QUEUE);
        (Self { queue, waker: Arc::new(waker), patience }, commands)
    }

    /// Says something that has no answer.
    pub(crate) fn tell(&self, command: Command) {
        match self.queue.try_send(command) {
            Ok(()) => self.waker.wake(),
            Err(TrySendError::Full(_)) => tracing::warn!("a phone does not keep up with its commands"),
            // The thread has ended, and everything with it.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Says the last thing, and waits for room if need be.
    pub(crate) fn tell_last(&self, command: Command) {
        self.waker.wake();
        // An error: the thread has ended already.
        let _ = self.queue.send(command);
        self.waker.wake();
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, PhoneError> {
        let (reply, answer) = sync_channel(1);
        self.queue.try_send(command(reply)).map_err(|_| PhoneError::Gone)?;
        self.waker.wake();
        match answer.recv_timeout(self.patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(PhoneError::Gone),
        }
    }
}
