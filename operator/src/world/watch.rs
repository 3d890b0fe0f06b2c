//! Keeps what the API server has of one kind in a store, and says what changed.
//!
//! A list that fails changes nothing in the store: what is not known to be gone is still there. It must not know what the
//! objects are for.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use kube::runtime::reflector::{Store, reflector};
use kube::runtime::watcher::{self, Config, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use voip_plan::status::{Fault, FaultReason};

use crate::fault::fault;

/// A watch at work: it never ends, and ends when it is dropped.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What became of a watch.
pub(crate) enum News<K> {
    /// It was made or changed in a way that counts.
    Changed(K),
    /// It is gone.
    Gone(K),
    /// Everything was listed anew: anything may have changed.
    Listed,
    /// The server does not tell us any more.
    Failed(Fault),
}

/// What is watched, and which of its changes count.
pub(crate) struct Kind<K: Resource> {
    /// For messages: `nodes`.
    pub(crate) plural: &'static str,
    /// Where.
    pub(crate) api: Api<K>,
    /// Which.
    pub(crate) config: Config,
    /// Takes away what is never read.
    pub(crate) strip: fn(&mut K),
    /// Two versions of an object with the same mark are the same to us.
    pub(crate) mark: fn(&K) -> u64,
}

/// What is known of one kind.
#[derive(Clone)]
pub(crate) struct Known<K: Resource<DynamicType: Hash + Eq + Clone> + 'static> {
    store: Store<K>,
    listed: Arc<AtomicBool>,
    forbidden: Arc<AtomicBool>,
}

impl<K> Known<K>
where
    K: Resource<DynamicType: Hash + Eq + Clone> + Clone + 'static,
{
    /// Whether everything was listed at least once.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// Whether a list is still to come. Where we may not list we can wait for ever.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.is_listed() && !self.forbidden.load(Ordering::Acquire)
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// Those of a namespace that `wanted` picks.
    pub(crate) fn within(&self, namespace: &str, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.store
            .state_filter(|object| object.meta().namespace.as_deref() == Some(namespace) && wanted(object))
    }

    /// The store that the library's runner reads.
    pub(crate) fn store(&self) -> Store<K> {
        self.store.clone()
    }
}

/// Watches until it is dropped; `news` must not block. The first is the knowledge, the second the work.
pub(crate) fn keep<K>(
    kind: Kind<K>,
    dynamic: &K::DynamicType,
    news: impl Fn(News<K>) + Send + 'static,
) -> (Known<K>, Work)
where
    K: Resource<DynamicType: Hash + Eq + Clone + Send + Sync + Unpin + Debug>,
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let writer = kube::runtime::reflector::store::Writer::new(dynamic.clone());
    let (listed, forbidden) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let known =
        Known { store: writer.as_reader(), listed: Arc::clone(&listed), forbidden: Arc::clone(&forbidden) };
    let strip = kind.strip;
    let work = async move {
        let events = watch(kind.api, kind.config).default_backoff().modify(strip);
        let mut events = pin!(reflector(writer, events));
        let mut marks = Marks { mark: kind.mark, seen: HashMap::new() };
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if matches!(event, Event::InitDone) {
                        listed.store(true, Ordering::Release);
                    }
                    if let Some(told) = marks.told(event) {
                        news(told);
                    }
                }
                // A watch that starts anew.
                Err(error) if is_expired(&error) => {
                    tracing::debug!(what = kind.plural, %error, "listed anew");
                }
                Err(error) => {
                    let failure = failure(kind.plural, &error);
                    forbidden.store(failure.reason == FaultReason::Forbidden, Ordering::Release);
                    news(News::Failed(failure));
                }
            }
        }
    };
    (known, Box::pin(work))
}

/// What was last told of each object.
struct Marks<K> {
    mark: fn(&K) -> u64,
    seen: HashMap<(Option<String>, String), u64>,
}

impl<K: Resource> Marks<K> {
    fn told(&mut self, event: Event<K>) -> Option<News<K>> {
        match event {
            Event::Init => {
                self.seen.clear();
                None
            }
            Event::InitApply(object) => {
                self.is_new(&object);
                None
            }
            Event::InitDone => Some(News::Listed),
            Event::Apply(object) => self.is_new(&object).then_some(News::Changed(object)),
            Event::Delete(object) => {
                self.seen.remove(&key(&object));
                Some(News::Gone(object))
            }
        }
    }

    fn is_new(&mut self, object: &K) -> bool {
        let mark = (self.mark)(object);
        self.seen.insert(key(object), mark) != Some(mark)
    }
}

fn key<K: Resource>(object: &K) -> (Option<String>, String) {
    (object.namespace(), object.name_any())
}

/// A mark of anything that can be hashed.
pub(crate) fn mark_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Every version counts.
pub(crate) fn every_version<K: Resource>(object: &K) -> u64 {
    mark_of(&object.meta().resource_version)
}

/// Whether the server has forgotten where the watch was, and everything is listed at once.
fn is_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

fn failure(plural: &str, error: &watcher::Error) -> Fault {
    match error {
        watcher::Error::InitialListFailed(source) => fault(plural, "list", source),
        watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => {
            fault(plural, "watch", source)
        }
        watcher::Error::WatchError(status) => fault(plural, "watch", &kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => Fault {
            object: plural.to_owned(),
            action: "watch".to_owned(),
            reason: FaultReason::ApiUnavailable,
            message: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
