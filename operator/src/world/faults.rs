//! Which watches fail now.
//!
//! It must not know what is watched, nor what is not done while it is not seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use voip_plan::status::Fault;

/// Watches that fail, by what they watch, and when they last did. A watch that works again may say nothing for hours, so
/// what is not repeated is over.
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<Mutex<BTreeMap<String, (Instant, Fault)>>>);

/// A watch that fails is tried again after 30 s and up to 30 s more at random, and a try may take another 30 s.
const REPEATED: Duration = Duration::from_mins(2);

impl Faults {
    /// Whether that is news.
    pub(super) fn set(&self, plural: &str, fault: Option<Fault>) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) => {
                let before = faults.insert(plural.to_owned(), (Instant::now(), fault.clone()));
                before.is_none_or(|(at, before)| before != fault || at.elapsed() > REPEATED)
            }
            None => faults.remove(plural).is_some(),
        }
    }

    pub(super) fn all(&self) -> Vec<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|_, (at, _)| at.elapsed() <= REPEATED);
        faults.values().map(|(_, fault)| fault.clone()).collect()
    }
}
