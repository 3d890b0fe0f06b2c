//! Sessions with the programs of every VoipCluster: what they report, and what they are ordered.
//!
//! One task for each pod, which sleeps but for a report a second. What is heard feeds load, drain and acknowledgement
//! only; nothing here decides whether a pod is ready, nor what is ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use voip_contract::node_admin::{NodeOrder, NodeReport, Role};
use voip_grpc::tls::Identity;
use voip_plan::{Component, Pod};

use crate::ClusterKey;

mod bell;
mod heard;
mod session;
mod standing;
#[cfg(test)]
mod tests;

use bell::Bell;
use heard::Heard;
use session::Session;
use standing::Standing;

/// Dials that are under way at a time. A node that is gone without a word holds one for 2 s; but where CPU is short, more
/// handshakes at once would only all be too late.
const DIALS: usize = 32;

/// A program to have a session with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of its pod.
    pub pod: String,
    /// Its gRPC control port.
    pub address: SocketAddr,
    /// What it must prove to be.
    pub role: Role,
}

/// The programs of `pods` that can be dialled; `control` says the gRPC port of one, where it is known.
pub fn targets(pods: &[Pod], control: impl Fn(&Pod) -> Option<u16>) -> Vec<Target> {
    let target = |pod: &Pod| {
        let role = match pod.component {
            Component::Signaling => Role::SipNode,
            Component::Media => Role::MediaNode,
        };
        let address = SocketAddr::new(pod.address?, control(pod)?);
        Some(Target { pod: pod.name.clone(), address, role })
    };
    pods.iter().filter_map(target).collect()
}

/// All sessions of this operator. They end with its last clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    clusters: Mutex<BTreeMap<ClusterKey, Cluster>>,
    bell: Arc<Bell>,
    dials: Arc<Semaphore>,
    ringing: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ringing.abort();
    }
}

struct Cluster {
    identity: watch::Sender<Identity>,
    programs: BTreeMap<String, Program>,
}

/// A pod that there is a session with, or soon will be.
struct Program {
    target: Target,
    orders: watch::Sender<Option<Standing>>,
    heard: Arc<Heard>,
    session: JoinHandle<()>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.session.abort();
    }
}

impl Sessions {
    /// None yet. Clusters of which something new was heard are named to `woken`; many changes at once are one wake.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(woken: mpsc::Sender<ClusterKey>) -> Self {
        let bell = Arc::new(Bell::default());
        let ringing = tokio::spawn({
            let bell = Arc::clone(&bell);
            async move { bell.run(&woken).await }
        });
        let dials = Arc::new(Semaphore::new(DIALS));
        Self { inner: Arc::new(Inner { clusters: Mutex::default(), bell, dials, ringing }) }
    }

    /// Has sessions with exactly these programs of a cluster: opens those that are missing, ends all others. `identity`
    /// is who the operator is to that cluster, from the next connection on.
    pub fn keep(&self, cluster: &ClusterKey, identity: &Identity, targets: Vec<Target>) {
        let mut clusters = self.clusters();
        let kept = clusters.entry(cluster.clone()).or_insert_with(|| Cluster {
            identity: watch::Sender::new(identity.clone()),
            programs: BTreeMap::new(),
        });
        kept.identity.send_replace(identity.clone());
        let names: BTreeSet<&str> = targets.iter().map(|target| target.pod.as_str()).collect();
        kept.programs.retain(|pod, _| names.contains(pod.as_str()));
        for target in targets {
            let before = kept.programs.get(&target.pod);
            if before.is_some_and(|program| program.target == target) {
                continue;
            }
            // Its address is another one, but what it was ordered still holds.
            let standing = before.and_then(|program| *program.orders.borrow());
            let identity = kept.identity.subscribe();
            kept.programs.insert(target.pod.clone(), self.open(cluster, target, identity, standing));
        }
    }

    fn open(
        &self,
        cluster: &ClusterKey,
        target: Target,
        identity: watch::Receiver<Identity>,
        standing: Option<Standing>,
    ) -> Program {
        let heard = Arc::new(Heard::new(cluster.clone(), Arc::clone(&self.inner.bell)));
        let orders = watch::Sender::new(standing);
        let session = Session {
            target: target.clone(),
            identity,
            orders: orders.subscribe(),
            heard: Arc::clone(&heard),
            dials: Arc::clone(&self.inner.dials),
        };
        Program { target, orders, heard, session: tokio::spawn(session.run()) }
    }

    /// What the programs of a cluster last said, by name of the pod; nothing that is older than 5 s.
    pub fn reports(&self, cluster: &ClusterKey) -> BTreeMap<String, NodeReport> {
        let clusters = self.clusters();
        let programs = clusters.get(cluster).into_iter().flat_map(|kept| &kept.programs);
        programs.filter_map(|(pod, program)| Some((pod.clone(), program.heard.fresh()?))).collect()
    }

    /// Programs of a cluster that are dialled again and again and were not heard for 30 s, by name of the pod.
    pub fn silent(&self, cluster: &ClusterKey) -> BTreeMap<String, SocketAddr> {
        let clusters = self.clusters();
        let programs = clusters.get(cluster).into_iter().flat_map(|kept| &kept.programs);
        let silent = programs.filter(|(_, program)| program.heard.is_silent());
        silent.map(|(pod, program)| (pod.clone(), program.target.address)).collect()
    }

    /// Tells a program, now and again in each new session, until another order replaces this one. What stands already
    /// is not said again. A pod that [`Sessions::keep`] was not given is not told.
    pub fn order(&self, cluster: &ClusterKey, pod: &str, order: NodeOrder) {
        let clusters = self.clusters();
        let Some(program) = clusters.get(cluster).and_then(|kept| kept.programs.get(pod)) else { return };
        let asked = Standing::new(order);
        program.orders.send_if_modified(|standing| {
            let is_new = standing.is_none_or(|standing| !standing.covers(asked));
            if is_new {
                tracing::info!(%cluster, pod, ?order, "ordered");
                *standing = Some(asked);
            }
            is_new
        });
    }

    /// Ends all sessions of a cluster and forgets what was ordered.
    pub fn forget(&self, cluster: &ClusterKey) {
        self.clusters().remove(cluster);
        self.inner.bell.forget(cluster);
    }

    fn clusters(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Cluster>> {
        self.inner.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
