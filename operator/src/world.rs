//! Everything that the operator watches, and which VoipClusters a change is about.
//!
//! Nodes, leases and definitions are of the whole Kubernetes; everything else is watched by namespace. It must not know what is done
//! about a change.

use std::sync::Arc;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::DynamicObject;
use kube::{Client, Resource};
use voip_api::{Dialplan, RtpPortLease, SipUser, VoipCluster};
use voip_plan::status::Fault;

use crate::ClusterKey;
use crate::users::Referred;
use crate::wakes::Wakes;

mod definitions;
mod everywhere;
mod faults;
mod namespace;
pub(crate) mod watch;

use definitions::Definitions;
use everywhere::shared;
use faults::Faults;
use namespace::scope;
use watch::{Known, Work};

/// The kinds that are made for a VoipCluster.
pub(crate) const OWNED: &[(&str, &str)] = &[
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
];

/// What is not of a namespace.
#[derive(Clone)]
pub struct Shared {
    pub(crate) nodes: Known<Node>,
    pub(crate) leases: Known<RtpPortLease>,
    /// VoipClusters and pods of every scope, for they share ports.
    pub(crate) holders: Vec<Holders>,
    /// What the API server keeps of our kinds.
    pub(crate) definitions: Definitions,
    faults: Faults,
}

/// Who may hold ports in one scope.
#[derive(Clone)]
pub(crate) struct Holders {
    pub(crate) clusters: Known<VoipCluster>,
    pub(crate) pods: Known<Pod>,
}

/// What is of one namespace, or of all.
#[derive(Clone)]
pub struct Scope {
    /// None: all.
    pub(crate) namespace: Option<String>,
    pub(crate) clusters: Known<VoipCluster>,
    pub(crate) dialplans: Known<Dialplan>,
    pub(crate) users: Known<SipUser>,
    pub(crate) pods: Known<Pod>,
    pub(crate) owned: Vec<Known<DynamicObject>>,
    /// Secrets that users refer to.
    pub(crate) referred: Arc<Referred>,
    faults: Faults,
    /// VoipClusters of this scope that are to be looked at.
    pub(crate) wakes: Wakes,
}

impl Scope {
    /// What the server does not tell us now.
    pub(crate) fn faults(&self, shared: &Shared) -> Vec<Fault> {
        [shared.definitions.faults(), shared.faults.all(), self.faults.all()].concat()
    }

    /// Whether everything was listed at least once: before that, what is not seen may be there.
    pub(crate) fn is_listed(&self, shared: &Shared) -> bool {
        shared.definitions.is_listed()
            && shared.nodes.is_listed()
            && shared.leases.is_listed()
            && !shared.holders.iter().any(|of| of.clusters.is_awaited() || of.pods.is_awaited())
            && self.clusters.is_listed()
            && self.dialplans.is_listed()
            && self.users.is_listed()
            && self.pods.is_listed()
            && self.owned.iter().all(Known::is_listed)
    }

    /// All of them are looked at again.
    pub(crate) fn wake_all(&self) {
        for cluster in self.clusters.all() {
            self.wakes.wake(ClusterKey::of(&cluster));
        }
    }

    /// Whether the namespace is one of this scope.
    pub(crate) fn serves(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}

/// Watches `namespaces`, all when there are none. The work ends when everything is to be listed anew.
pub(crate) fn watch_all(client: &Client, namespaces: &[String]) -> (Shared, Vec<Scope>, Work) {
    let named: Vec<Option<String>> = match namespaces {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let built: Vec<(Scope, Vec<Work>)> = named.into_iter().map(|name| scope(client, name)).collect();
    let (scopes, mut works): (Vec<Scope>, Vec<Vec<Work>>) = built.into_iter().unzip();
    let (shared, work, definitions) = shared(client, &scopes);
    works.push(work);
    let all = join_all(works.into_iter().flatten());
    let work = async move {
        tokio::select! {
            _ = all => {}
            () = definitions => {}
        }
    };
    (shared, scopes, Box::pin(work))
}

fn strip<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}
