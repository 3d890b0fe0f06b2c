//! The decision thread: owns the sockets, the transaction layer and the switch, and runs each input to completion.
//!
//! It never blocks but in its own sleep: every queue from it is tried, never waited for; every queue to it is bounded
//! and holds up whoever fills it. It must not log, read files or await.

mod inbox;
mod round;
mod snapshot;

pub(crate) use inbox::{Control, Post, Posts, inbox};
pub(crate) use round::{Decider, Parts};
pub(crate) use snapshot::{Board, Snapshot};
