//! A `dial` action: finds the callee's contacts and tries them one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dialplan::Target;
use sip_core::StatusCode;
use voip_contract::config::UserDocument;

use super::{ActiveCall, Dial, Failure, Stage};
use crate::cause::Cause;
use crate::state::AddressOfRecord;
use crate::store::{StoreReply, StoreRequest};
use crate::turn::{StoreWaiter, Turn};

impl ActiveCall {
    pub(super) fn dial(&mut self, turn: &mut Turn, target: &Target, timeout_seconds: u32) {
        let Target::User(name) = target;
        let callee = match callee(turn, name) {
            Ok(callee) => callee,
            Err(failure) => return self.dial_failed(turn, failure),
        };
        let aor = AddressOfRecord(callee.username.clone());
        let until = turn.now.instant.after(Duration::from_secs(u64::from(timeout_seconds)));
        self.occupy(turn, &callee.username);
        self.stage = Stage::Locating(Dial { callee, until, candidates: VecDeque::new() });
        let now_ms = turn.now.wall.0;
        turn.store(StoreWaiter::Located(self.id()), StoreRequest::LoadBindings { aor, now_ms });
    }

    /// The store has looked the callee up.
    pub(crate) fn located(&mut self, turn: &mut Turn, reply: StoreReply) {
        if !matches!(self.stage, Stage::Locating(_)) {
            return;
        }
        let Stage::Locating(mut dial) = std::mem::replace(&mut self.stage, Stage::Routing) else { return };
        let failure = match reply {
            StoreReply::Bindings(bindings) if !bindings.is_empty() => {
                turn.note_bindings(&dial.callee.username, &bindings);
                dial.candidates = VecDeque::from(bindings);
                return self.next_contact(turn, dial);
            }
            StoreReply::Bindings(_) => Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::ABSENT),
            _ => Failure::ours(StatusCode::SERVICE_UNAVAILABLE, Cause::TEMPORARY_FAILURE),
        };
        self.finish_dial(turn, &dial, failure);
    }

    /// Tries the next contact. The time that is left is shared: one that never answers must not use up all of it.
    pub(super) fn next_contact(&mut self, turn: &mut Turn, mut dial: Dial) {
        if let Some(binding) = dial.candidates.pop_front() {
            return self.begin_branch(turn, dial, binding);
        }
        let absent = Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::NO_RESPONSE);
        self.finish_dial(turn, &dial, absent);
    }

    /// The action is over without an answer; the callee no longer counts as busy with this call.
    pub(super) fn finish_dial(&mut self, turn: &mut Turn, dial: &Dial, failure: Failure) {
        self.vacate(turn, &dial.callee.username);
        self.dial_failed(turn, failure);
    }

    fn dial_failed(&mut self, turn: &mut Turn, failure: Failure) {
        self.note_failure(failure);
        self.next_action(turn);
    }

    /// Remembers a failure when it is a better one to tell the caller.
    pub(super) fn note_failure(&mut self, failure: Failure) {
        if self.failure.is_none_or(|known| failure.rank() <= known.rank()) {
            self.failure = Some(failure);
        }
    }

    fn occupy(&mut self, turn: &mut Turn, user: &str) {
        turn.occupy(user);
        self.occupied.push(user.to_owned());
    }

    fn vacate(&mut self, turn: &mut Turn, user: &str) {
        if let Some(at) = self.occupied.iter().rposition(|name| name == user) {
            self.occupied.remove(at);
            turn.vacate(user);
        }
    }
}

impl Dial {
    /// How long the contact tried next may ring.
    pub(super) fn share(&self, turn: &Turn) -> Duration {
        let contacts = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX).saturating_add(1);
        let left = turn.now.instant.until(self.until);
        left.checked_div(contacts).unwrap_or(left)
    }
}

/// Who is called by that name or number, when that user takes another call.
fn callee(turn: &Turn, name: &str) -> Result<Arc<UserDocument>, Failure> {
    let Some(user) = turn.core.directory.user_by_number(name) else {
        return Err(Failure::ours(StatusCode::NOT_FOUND, Cause::UNALLOCATED));
    };
    if !user.enabled {
        return Err(Failure::ours(StatusCode::TEMPORARILY_UNAVAILABLE, Cause::ABSENT));
    }
    if turn.calls_of(&user.username) >= user.max_calls {
        return Err(Failure::ours(StatusCode::BUSY_HERE, Cause::BUSY));
    }
    Ok(user.clone())
}
