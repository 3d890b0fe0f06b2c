//! The bindings there are, as the store's replies told: for the status, and for keeping the way to phones open. Never
//! asked for where a call goes: that is the store's to say.

use std::collections::HashMap;

use crate::state::Binding;
use crate::timers::TimerKey;

/// Bindings by user.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    users: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    bindings: Vec<Binding>,
    /// When its phones are asked next.
    timer: TimerKey,
}

impl Registrations {
    /// These are the bindings of `user` now, asked at `timer`.
    pub(crate) fn insert(&mut self, user: &str, bindings: Vec<Binding>, timer: TimerKey) {
        self.users.insert(user.to_owned(), Known { bindings, timer });
    }

    /// Forgets `user`.
    pub(crate) fn remove(&mut self, user: &str) -> Option<(Vec<Binding>, TimerKey)> {
        self.users.remove(user).map(|known| (known.bindings, known.timer))
    }

    /// Forgets users who are no more, and gives back their timers.
    pub(crate) fn retain(&mut self, known: impl Fn(&str) -> bool) -> Vec<TimerKey> {
        self.users.extract_if(|user, _| !known(user)).map(|(_, gone)| gone.timer).collect()
    }

    /// Bindings that have not expired by `now_ms`.
    pub(crate) fn count(&self, now_ms: u64) -> u32 {
        let bindings = self.users.values().flat_map(|known| &known.bindings);
        let current = bindings.filter(|binding| binding.expires_at_ms > now_ms).count();
        u32::try_from(current).unwrap_or(u32::MAX)
    }
}
