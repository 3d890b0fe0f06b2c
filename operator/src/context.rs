//! What every reconcile needs: the client, what is watched, and what is remembered between two looks at a VoipCluster.
//!
//! What is remembered saves requests and makes nothing right: a new operator that remembers nothing decides the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::runtime::events::Recorder;
use voip_contract::Epoch;
use voip_plan::objects::Release;
use voip_plan::{LeaseKey, ReservedPorts};

use crate::ClusterKey;
use crate::admission::Answers;
use crate::identity::Held;
use crate::metrics::Metrics;
use crate::node_admin::Sessions;
use crate::world::{Scope, Shared};

/// How long a DaemonSet that was made is believed to be there although no watch has told it.
const MADE: Duration = Duration::from_secs(30);
/// How long after a DaemonSet without a pod was deleted its controller may still make one that it had decided to make.
const DELETED: Duration = Duration::from_secs(10);

/// What does not change while the operator runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Version and images.
    pub release: Release,
    /// Ports that are never leased.
    pub reserved: ReservedPorts,
    /// How often everything is looked at although nothing changed.
    pub resync: Duration,
    /// Of this leadership.
    pub epoch: Epoch,
}

/// Everything that a reconcile needs. One for each scope.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Watches of the whole Kubernetes.
    pub shared: Shared,
    /// Watches of the namespace.
    pub scope: Scope,
    /// What does not change.
    pub settings: Settings,
    /// What admission said.
    pub answers: Arc<Answers>,
    /// What programs say, and what they are ordered.
    pub sessions: Sessions,
    /// Events.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Metrics,
    pub(crate) memories: Mutex<HashMap<ClusterKey, Memory>>,
}

/// What is remembered of a VoipCluster.
#[derive(Default)]
pub(crate) struct Memory {
    /// The operator's certificate for it.
    pub(crate) identity: Option<Held>,
    /// When its load was last written, Unix time in milliseconds.
    pub(crate) load_written_ms: Option<u64>,
    /// How often in a row something could not be done.
    pub(crate) failures: u32,
    /// Leases whose pod may appear although nothing that is watched says so, and until when.
    expected: BTreeMap<LeaseKey, Instant>,
}

impl Memory {
    /// DaemonSets with these leases were made just now.
    pub(crate) fn made(&mut self, leases: impl IntoIterator<Item = LeaseKey>) {
        self.expect(leases, MADE);
    }

    /// Watches tell of DaemonSets with these leases: that they were made need not be remembered.
    pub(crate) fn told<'a>(&mut self, leases: impl Iterator<Item = &'a LeaseKey>) {
        for lease in leases {
            self.expected.remove(lease);
        }
    }

    /// DaemonSets with these leases are deleted, and no pod of theirs was seen.
    pub(crate) fn deleted(&mut self, leases: impl IntoIterator<Item = LeaseKey>) {
        self.expect(leases, DELETED);
    }

    fn expect(&mut self, leases: impl IntoIterator<Item = LeaseKey>, time: Duration) {
        let until = Instant::now() + time;
        self.expected.extend(leases.into_iter().map(|lease| (lease, until)));
    }

    /// Leases whose pod may appear.
    pub(crate) fn expected(&mut self) -> BTreeSet<LeaseKey> {
        let now = Instant::now();
        self.expected.retain(|_, until| *until > now);
        self.expected.keys().cloned().collect()
    }

    /// When there is one less of these.
    pub(crate) fn next_expected(&self) -> Option<Duration> {
        let next = self.expected.values().min()?;
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(50))
    }
}

impl Context {
    /// Uses what is remembered of `cluster`.
    pub(crate) fn memory<T>(&self, cluster: &ClusterKey, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(self.memories().entry(cluster.clone()).or_default())
    }

    /// The VoipCluster is gone.
    pub(crate) fn forget(&self, cluster: &ClusterKey) {
        self.sessions.forget(cluster);
        self.metrics.forget(cluster);
        self.memories().remove(cluster);
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<ClusterKey, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_watches_tell_of_need_not_be_remembered() {
        let mut memory = Memory::default();
        let [a, b] = ["a", "b"].map(|id| LeaseKey::said(id, Some("29998,29999")));
        memory.made([a.clone(), b.clone()]);
        memory.told([&a].into_iter());
        assert_eq!(memory.expected(), BTreeSet::from([b]));
        assert!(memory.next_expected().is_some_and(|next| next <= MADE + Duration::from_secs(1)));
    }
}
