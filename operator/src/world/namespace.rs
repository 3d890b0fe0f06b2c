//! What is watched namespace by namespace: VoipClusters, what belongs to them and what was made for them.

use std::sync::{Arc, OnceLock};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use voip_api::{Dialplan, SipUser, VoipCluster};

use super::faults::Faults;
use super::watch::{Kind, Known, News, Work, every_version, keep, mark_of};
use super::{OWNED, Scope, strip};
use crate::observe::pods;
use crate::users::Referred;
use crate::wakes::Wakes;
use crate::{CLUSTER_LABEL, ClusterKey};

/// Label of Secrets and `ConfigMap`s that are to be read again as soon as they change.
const RELOAD_LABEL: &str = "voip.dev/reload";

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

/// Watches `namespace`, or all.
pub(super) fn scope(client: &Client, namespace: Option<String>) -> (Scope, Vec<Work>) {
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
        mark: if kind == "DaemonSet" { set_mark } else { every_version },
    };
    build.watch(watched, &resource, (labelled, || ()))
}

fn labelled<K: Resource>(object: &K) -> Option<String> {
    object.labels().get(CLUSTER_LABEL).cloned()
}

/// Its controller writes the status whenever a pod of it changes; what counts of that is told by the watch of pods.
fn set_mark(set: &DynamicObject) -> u64 {
    let it = &set.metadata;
    let (labels, annotations, owners) = (&it.labels, &it.annotations, &it.owner_references);
    mark_of(format!(
        "{:?} {:?} {:?} {labels:?} {annotations:?} {owners:?}",
        it.uid, it.generation, it.deletion_timestamp
    ))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_daemon_set_is_looked_at_when_something_else_than_its_status_changed() {
        let object = |generation: u32, labels: &Value, status: &Value| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet", "status": status,
                "metadata": {"name": "d", "uid": "u", "generation": generation, "labels": labels},
            }))
            .unwrap()
        };
        let mark = |generation, labels, status| set_mark(&object(generation, &labels, &status));
        let before = mark(1, json!({"a": "b"}), json!({}));
        assert_eq!(mark(1, json!({"a": "b"}), json!({"numberReady": 1})), before);
        assert_ne!(mark(2, json!({"a": "b"}), json!({})), before);
        assert_ne!(mark(1, json!({}), json!({})), before);
    }
}
