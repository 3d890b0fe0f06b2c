//! Which VoipClusters are to be looked at again.
//!
//! A VoipCluster is in the set once however often it is woken, so the set is as small as there are VoipClusters. It must
//! not know why.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::ClusterKey;

/// Changes come in bursts: a rollout, a node that starts. What comes within this time is one.
const TOGETHER: Duration = Duration::from_millis(150);

/// The set. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<BTreeSet<ClusterKey>>,
    changed: Notify,
}

impl Wakes {
    /// Adds one.
    pub fn wake(&self, cluster: ClusterKey) {
        self.waiting().insert(cluster);
        self.inner.changed.notify_one();
    }

    /// Waits for the first, and a moment more for others.
    pub async fn next(&self) -> BTreeSet<ClusterKey> {
        loop {
            self.inner.changed.notified().await;
            tokio::time::sleep(TOGETHER).await;
            let woken = std::mem::take(&mut *self.waiting());
            if !woken.is_empty() {
                return woken;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<ClusterKey>> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ClusterKey {
        ClusterKey { namespace: "voip".to_owned(), name: name.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_look_at_each() {
        let wakes = Wakes::default();
        for name in ["a", "b", "a"] {
            wakes.wake(key(name));
        }
        assert_eq!(wakes.next().await, BTreeSet::from([key("a"), key("b")]));
        let again = tokio::time::timeout(Duration::from_mins(1), wakes.next()).await;
        assert!(again.is_err(), "{again:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_woken_all_the_time_is_looked_at_all_the_same() {
        let wakes = Wakes::default();
        let waker = wakes.clone();
        let restless = async move {
            loop {
                waker.wake(key("a"));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = restless => {}
            woken = tokio::time::timeout(Duration::from_secs(1), wakes.next()) => assert!(woken.is_ok()),
        }
    }
}
