//! Wakes clusters of which something new was heard, seldom enough that a thousand programs at once are one wake.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::ClusterKey;

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// How often a cluster is woken for nothing but its load.
const LOAD: Duration = Duration::from_secs(10);

/// How soon somebody must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Something that decisions rest on.
    Change,
    /// Figures.
    Load,
}

/// When which cluster is to be woken: one entry for each that has sessions.
#[derive(Debug, Default)]
pub(super) struct Bell {
    wakes: Mutex<BTreeMap<ClusterKey, Wakes>>,
    earlier: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct Wakes {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Bell {
    /// `cluster` is to be woken.
    pub(super) fn ring(&self, cluster: &ClusterKey, urgency: Urgency) {
        let mut wakes = self.wakes();
        if !wakes.contains_key(cluster) {
            wakes.insert(cluster.clone(), Wakes::default());
        }
        let Some(of_cluster) = wakes.get_mut(cluster) else { return };
        let soon = Instant::now() + GATHER;
        let asked = match (urgency, of_cluster.last) {
            (Urgency::Load, Some(last)) => soon.max(last + LOAD),
            _ => soon,
        };
        if of_cluster.due.is_none_or(|due| asked < due) {
            of_cluster.due = Some(asked);
            self.earlier.notify_one();
        }
    }

    /// `cluster` is woken no more.
    pub(super) fn forget(&self, cluster: &ClusterKey) {
        self.wakes().remove(cluster);
    }

    /// Wakes until nobody listens any more.
    pub(super) async fn run(&self, woken: &mpsc::Sender<ClusterKey>) {
        loop {
            tokio::select! {
                () = woken.closed() => return,
                () = self.earlier.notified() => {}
                () = next(self.soonest()) => {}
            }
            for cluster in self.take_due() {
                // Waits while the listener is busy; what rings meanwhile is gathered.
                if woken.send(cluster).await.is_err() {
                    return;
                }
            }
        }
    }

    fn soonest(&self) -> Option<Instant> {
        self.wakes().values().filter_map(|wakes| wakes.due).min()
    }

    fn take_due(&self) -> Vec<ClusterKey> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (cluster, wakes) in self.wakes().iter_mut() {
            if wakes.due.is_some_and(|at| at <= now) {
                *wakes = Wakes { last: Some(now), due: None };
                due.push(cluster.clone());
            }
        }
        due
    }

    fn wakes(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Wakes>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(soonest: Option<Instant>) {
    match soonest {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn key(name: &str) -> ClusterKey {
        ClusterKey { namespace: "voip".to_owned(), name: name.to_owned() }
    }

    fn hung() -> (Arc<Bell>, mpsc::Receiver<ClusterKey>) {
        let bell = Arc::new(Bell::default());
        let (woken, wakes) = mpsc::channel(1);
        let ringing = Arc::clone(&bell);
        tokio::spawn(async move { ringing.run(&woken).await });
        (bell, wakes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_changes_at_once_are_one_wake() {
        let (bell, mut wakes) = hung();
        let start = Instant::now();
        for _ in 0..1000 {
            bell.ring(&key("office"), Urgency::Change);
        }
        assert_eq!(wakes.recv().await, Some(key("office")));
        assert_eq!(start.elapsed(), GATHER);
        let more = tokio::time::timeout(Duration::from_mins(1), wakes.recv()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn load_wakes_every_ten_seconds_and_a_change_does_not_wait_for_it() {
        let (bell, mut wakes) = hung();
        let start = Instant::now();
        bell.ring(&key("office"), Urgency::Load);
        wakes.recv().await;
        bell.ring(&key("office"), Urgency::Load);
        wakes.recv().await;
        assert_eq!(start.elapsed(), GATHER + LOAD);
        bell.ring(&key("office"), Urgency::Load);
        bell.ring(&key("office"), Urgency::Change);
        wakes.recv().await;
        assert_eq!(start.elapsed(), GATHER + LOAD + GATHER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_listener_hears_of_each_cluster_once() {
        let (bell, mut wakes) = hung();
        for _ in 0..5 {
            for name in ["a", "b", "c"] {
                bell.ring(&key(name), Urgency::Change);
            }
            tokio::time::sleep(GATHER * 2).await;
        }
        let mut heard = Vec::new();
        while let Ok(Some(cluster)) = tokio::time::timeout(Duration::from_secs(1), wakes.recv()).await {
            heard.push(cluster.name);
        }
        // Those of the first ring, one of which waited in the queue, and those that rang meanwhile.
        assert_eq!(heard, ["a", "b", "c", "a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_is_forgotten_is_not_woken() {
        let (bell, mut wakes) = hung();
        bell.ring(&key("office"), Urgency::Change);
        bell.forget(&key("office"));
        bell.ring(&key("other"), Urgency::Change);
        assert_eq!(wakes.recv().await, Some(key("other")));
    }
}
