//! Everything that the operator watches, and which VoipClusters a change is about.
//!
//! Nodes and leases are of the whole Kubernetes; everything else is watched by namespace. It must not know what is done
//! about a change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::api::{ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use voip_api::{Dialplan, RtpPortLease, SipUser, VoipCluster};
use voip_plan::status::Fault;

use crate::observe::{nodes, pods};
use crate::users::Referred;
use crate::wakes::Wakes;
use crate::{CLUSTER_LABEL, ClusterKey};

pub(crate) mod watch;

use watch::{Kind, Known, News, Work, every_version, keep, mark_of};

/// Label of Secrets and `ConfigMap`s that are to be read again as soon as they change.
const RELOAD_LABEL: &str = "voip.dev/reload";
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

/// Watches that fail, by what they watch, and when they last did. A watch that works again may say nothing for hours, so
/// what is not repeated is over.
#[derive(Clone, Default)]
struct Faults(Arc<Mutex<BTreeMap<String, (Instant, Fault)>>>);

/// A watch that fails is tried again every 30 s at the latest.
const REPEATED: Duration = Duration::from_secs(75);

impl Faults {
    /// Whether that is news.
    fn set(&self, plural: &str, fault: Option<Fault>) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) => {
                let before = faults.insert(plural.to_owned(), (Instant::now(), fault.clone()));
                before.is_none_or(|(at, before)| before != fault || at.elapsed() > REPEATED)
            }
            None => faults.remove(plural).is_some(),
        }
    }

    fn all(&self) -> Vec<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|_, (at, _)| at.elapsed() <= REPEATED);
        faults.values().map(|(_, fault)| fault.clone()).collect()
    }
}

impl Scope {
    /// What the server does not tell us now.
    pub(crate) fn faults(&self, shared: &Shared) -> Vec<Fault> {
        [shared.faults.all(), self.faults.all()].concat()
    }

    /// Whether everything was listed at least once: before that, what is not seen may be there.
    pub(crate) fn is_listed(&self, shared: &Shared) -> bool {
        shared.nodes.is_listed()
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

/// Watches `namespaces`, all when there are none.
pub(crate) fn watch_all(client: &Client, namespaces: &[String]) -> (Shared, Vec<Scope>, Work) {
    let named: Vec<Option<String>> = match namespaces {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let built: Vec<(Scope, Vec<Work>)> = named.into_iter().map(|name| scope(client, name)).collect();
    let (scopes, mut works): (Vec<Scope>, Vec<Vec<Work>>) = built.into_iter().unzip();
    let (shared, work) = shared(client, &scopes);
    works.push(work);
    let all = join_all(works.into_iter().flatten());
    (shared, scopes, Box::pin(async move { drop(all.await) }))
}

fn shared(client: &Client, scopes: &[Scope]) -> (Shared, Vec<Work>) {
    let faults = Faults::default();
    let everybody = |plural: &'static str| {
        let (scopes, faults) = (scopes.to_vec(), faults.clone());
        move |fault: Option<Fault>| {
            if faults.set(plural, fault.clone()) || fault.is_none() {
                scopes.iter().for_each(Scope::wake_all);
            }
        }
    };
    let told = everybody("nodes");
    let (nodes, nodes_work) = keep(
        Kind {
            plural: "nodes",
            api: Api::all(client.clone()),
            config: Config::default(),
            strip: nodes::strip,
            mark: |node| mark_of(format!("{:?}", nodes::node(node))),
        },
        &(),
        move |news| match news {
            News::Failed(fault) => told(Some(fault)),
            News::Changed(_) | News::Gone(_) | News::Listed => told(None),
        },
    );
    let told = everybody("rtpportleases");
    let concerned = scopes.to_vec();
    let (leases, leases_work) = keep(
        Kind {
            plural: "rtpportleases",
            api: Api::all(client.clone()),
            config: Config::default(),
            strip: strip::<RtpPortLease>,
            mark: |lease| mark_of(format!("{:?}", lease.spec)),
        },
        &(),
        move |news| match news {
            News::Failed(fault) => told(Some(fault)),
            News::Listed => told(None),
            News::Changed(lease) | News::Gone(lease) => wake_holders(&concerned, &lease),
        },
    );
    let holders = scopes.iter().map(|of| Holders { clusters: of.clusters.clone(), pods: of.pods.clone() });
    (Shared { nodes, leases, holders: holders.collect(), faults }, vec![nodes_work, leases_work])
}

/// Those who have a lease in it.
fn wake_holders(scopes: &[Scope], object: &RtpPortLease) {
    for lease in &object.spec.leases {
        let mut parts = lease.id.split('/');
        let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else { continue };
        for scope in scopes.iter().filter(|scope| scope.serves(namespace)) {
            scope.wakes.wake(ClusterKey { namespace: namespace.to_owned(), name: name.to_owned() });
        }
    }
}

/// What all watches of a scope share while they are made.
struct Builder {
    client: Client,
    namespace: Option<String>,
    faults: Faults,
    wakes: Wakes,
    /// Set once they are watched, before anything is polled.
    clusters: Arc<OnceLock<Known<VoipCluster>>>,
    works: Vec<Work>,
}

impl Builder {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Watches one kind; `about` says which VoipCluster of its namespace an object is about, none: all of
    /// them; `listed` is called when all were listed anew.
    fn watch<K>(
        &mut self,
        kind: Kind<K>,
        dynamic: &K::DynamicType,
        (about, listed): (impl Fn(&K) -> Option<String> + Send + 'static, impl Fn() + Send + 'static),
    ) -> Known<K>
    where
        K: Resource<DynamicType: std::hash::Hash + Eq + Clone + Send + Sync + Unpin + std::fmt::Debug>,
        K: Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let (faults, wakes, plural) = (self.faults.clone(), self.wakes.clone(), kind.plural);
        let clusters = Arc::clone(&self.clusters);
        let wake_those_of = move |namespace: Option<&str>| {
            for cluster in clusters.get().into_iter().flat_map(Known::all) {
                let key = ClusterKey::of(&cluster);
                if namespace.is_none_or(|namespace| namespace == key.namespace) {
                    wakes.wake(key);
                }
            }
        };
        let wakes = self.wakes.clone();
        let (known, work) = keep(kind, dynamic, move |news| match news {
            News::Changed(object) | News::Gone(object) => {
                if faults.set(plural, None) {
                    wake_those_of(None);
                }
                let namespace = object.namespace().unwrap_or_default();
                match about(&object) {
                    Some(name) => wakes.wake(ClusterKey { namespace, name }),
                    None => wake_those_of(Some(&namespace)),
                }
            }
            News::Listed => {
                faults.set(plural, None);
                listed();
                wake_those_of(None);
            }
            News::Failed(fault) => {
                tracing::warn!(
                    what = plural,
                    reason = fault.reason.name(),
                    message = fault.message,
                    "watch failed"
                );
                if faults.set(plural, Some(fault)) {
                    wake_those_of(None);
                }
            }
        });
        self.works.push(work);
        known
    }
}

fn scope(client: &Client, namespace: Option<String>) -> (Scope, Vec<Work>) {
    let mut build = Builder {
        client: client.clone(),
        namespace: namespace.clone(),
        faults: Faults::default(),
        wakes: Wakes::default(),
        clusters: Arc::default(),
        works: Vec::new(),
    };
    let kind = Kind {
        plural: "voipclusters",
        api: build.api(),
        config: Config::default(),
        strip: strip::<VoipCluster>,
        mark: cluster_mark,
    };
    let clusters = build.watch(kind, &(), (|cluster: &VoipCluster| Some(cluster.name_any()), || ()));
    let _ = build.clusters.set(clusters.clone());
    let kind = Kind {
        plural: "dialplans",
        api: build.api(),
        config: Config::default(),
        strip: strip::<Dialplan>,
        mark: spec_mark,
    };
    let dialplans = build.watch(kind, &(), (|it: &Dialplan| Some(it.spec.cluster_ref.name.clone()), || ()));
    let kind = Kind {
        plural: "sipusers",
        api: build.api(),
        config: Config::default(),
        strip: strip::<SipUser>,
        mark: spec_mark,
    };
    let users = build.watch(kind, &(), (|it: &SipUser| Some(it.spec.cluster_ref.name.clone()), || ()));
    let kind = Kind {
        plural: "pods",
        api: build.api(),
        config: Config::default().labels(CLUSTER_LABEL),
        strip: pods::strip,
        mark: |pod| mark_of(format!("{:?} {:?}", pods::pod(pod), pod.metadata.annotations)),
    };
    let pods = build.watch(kind, &(), (labelled, || ()));
    let owned = OWNED.iter().map(|kind| watch_owned(&mut build, *kind)).collect();
    let kind = Kind {
        plural: "secrets",
        api: build.api::<PartialObjectMeta<Secret>>(),
        config: Config::default().labels(&format!("{RELOAD_LABEL}=true")),
        strip: strip::<PartialObjectMeta<Secret>>,
        mark: every_version,
    };
    let referred = Arc::new(Referred::default());
    let (changed, listed) = (Arc::clone(&referred), Arc::clone(&referred));
    let about = move |_: &PartialObjectMeta<Secret>| {
        changed.forget_all();
        None
    };
    drop(build.watch(kind, &(), (about, move || listed.forget_all())));
    let Builder { faults, wakes, works, .. } = build;
    (Scope { namespace, clusters, dialplans, users, pods, owned, referred, faults, wakes }, works)
}

fn watch_owned(
    build: &mut Builder,
    (api_version, kind): (&'static str, &'static str),
) -> Known<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api = match &build.namespace {
        Some(namespace) => Api::namespaced_with(build.client.clone(), namespace, &resource),
        None => Api::all_with(build.client.clone(), &resource),
    };
    let watched = Kind {
        plural: kind,
        api,
        config: Config::default().labels(CLUSTER_LABEL),
        strip: strip::<DynamicObject>,
        mark: every_version,
    };
    build.watch(watched, &resource, (labelled, || ()))
}

fn labelled<K: Resource>(object: &K) -> Option<String> {
    object.labels().get(CLUSTER_LABEL).cloned()
}

fn strip<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// What the status says is our own writing.
fn cluster_mark(cluster: &VoipCluster) -> u64 {
    let metadata = &cluster.metadata;
    let metadata = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        metadata.uid,
        metadata.generation,
        metadata.deletion_timestamp,
        metadata.annotations,
        metadata.finalizers
    );
    mark_of(metadata)
}

fn spec_mark<K: Resource>(object: &K) -> u64 {
    let metadata = object.meta();
    mark_of(format!("{:?} {:?} {:?}", metadata.uid, metadata.generation, metadata.deletion_timestamp))
}
