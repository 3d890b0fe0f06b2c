//! How many bindings there are, as the store's replies told: a figure for the status, never asked for a decision.

use std::collections::HashMap;

use crate::state::Binding;

/// Expiry times (Unix ms) by user.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    expiries: HashMap<String, Vec<u64>>,
}

impl Registrations {
    /// These are the bindings of `user` now.
    pub(crate) fn note(&mut self, user: &str, bindings: &[Binding]) {
        if bindings.is_empty() {
            self.expiries.remove(user);
        } else {
            let expiries = bindings.iter().map(|binding| binding.expires_at_ms).collect();
            self.expiries.insert(user.to_owned(), expiries);
        }
    }

    /// Forgets users who are no more.
    pub(crate) fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.expiries.retain(|user, _| known(user));
    }

    /// Bindings that have not expired by `now_ms`.
    pub(crate) fn count(&self, now_ms: u64) -> u32 {
        let current = self.expiries.values().flatten().filter(|expiry| **expiry > now_ms).count();
        u32::try_from(current).unwrap_or(u32::MAX)
    }
}
