//! Whether the API server has the definitions of our kinds that this operator was made for.
//!
//! Of a field that a definition lacks it tells nothing, as if nobody had ever written it; and with a definition all its
//! objects go. Both look like a user's wish, and are none. This file must not know what is not done meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::runtime::watcher::Config;
use kube::{Api, Client, CustomResourceExt as _, Resource as _, ResourceExt as _};
use tokio::sync::Notify;
use voip_api::{VoipCluster, custom_resource_definitions};
use voip_plan::status::{Fault, FaultReason};

use super::strip;
use super::watch::{Kind, Known, News, Work, keep, mark_of};

/// What a definition is mended with.
const MEND: &str = "`kubectl apply --server-side --force-conflicts` of the crds/ of this release mends it";
/// How long an API server may take to serve a kind as its new definition says.
const SETTLED: Duration = Duration::from_secs(5);

/// The definitions of our kinds.
#[derive(Clone)]
pub(crate) struct Definitions {
    known: Vec<Known<CustomResourceDefinition>>,
    verdict: Arc<Verdict>,
}

/// What is wrong, by name of the definition. It stays although it is mended: what was told until then may lack something.
#[derive(Default)]
struct Verdict {
    wrong: Mutex<BTreeMap<String, String>>,
    mended: Notify,
}

impl Definitions {
    /// Watches them, one by one: that takes no right to see those of others. `told` hears what each watch told. The work ends
    /// when one that was wrong is right, and everything is to be listed anew.
    pub(super) fn watch<T>(client: &Client, told: impl Fn(&str) -> T) -> (Self, Work)
    where
        T: Fn(Option<Fault>) + Send + 'static,
    {
        let verdict = Arc::<Verdict>::default();
        let watched = custom_resource_definitions().into_iter().map(|wanted| {
            let told = told(&wanted.name_any());
            watch_one(client, wanted, Arc::clone(&verdict), told)
        });
        let (known, works): (Vec<_>, Vec<Work>) = watched.unzip();
        let watching = Arc::clone(&verdict);
        let work = async move {
            tokio::select! {
                _ = join_all(works) => {}
                () = watching.mended.notified() => tokio::time::sleep(SETTLED).await,
            }
        };
        (Self { known, verdict }, Box::pin(work))
    }

    /// Whether it is known which there are, or cannot be known.
    pub(super) fn is_listed(&self) -> bool {
        !self.known.iter().any(Known::is_awaited)
    }

    /// What is wrong with them.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let fault = |(name, message): (&String, &String)| Fault {
            object: format!("CustomResourceDefinition {name}"),
            action: "read".to_owned(),
            reason: FaultReason::CrdInvalid,
            message: format!("{message}; {MEND}"),
        };
        self.verdict.wrong().iter().map(fault).collect()
    }

    /// Whether a VoipCluster is kept as it was written. If not, then whatever is written to it takes more from it.
    pub(crate) fn keep_clusters(&self) -> bool {
        self.is_listed() && !self.verdict.wrong().contains_key(VoipCluster::crd_name())
    }
}

impl Verdict {
    fn wrong(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, found: Option<&CustomResourceDefinition>, wanted: &CustomResourceDefinition) {
        let (name, mut all) = (wanted.name_any(), self.wrong());
        match wrong(found, wanted) {
            Some(message) => {
                tracing::error!(definition = name, message, "nothing is decided until this is mended");
                all.insert(name, message);
            }
            None if all.contains_key(&name) => {
                tracing::info!(definition = name, "mended: everything is listed anew");
                self.mended.notify_one();
            }
            None => {}
        }
    }
}

fn watch_one(
    client: &Client,
    wanted: CustomResourceDefinition,
    verdict: Arc<Verdict>,
    told: impl Fn(Option<Fault>) + Send + 'static,
) -> (Known<CustomResourceDefinition>, Work) {
    let kind = Kind {
        plural: "customresourcedefinitions",
        api: Api::all(client.clone()),
        config: Config::default().fields(&format!("metadata.name={}", wanted.name_any())),
        strip: strip::<CustomResourceDefinition>,
        mark: |found| mark_of(format!("{:?} {}", found.meta().generation, is_leaving(found))),
    };
    // Set before anything is polled.
    let known = Arc::<OnceLock<Known<CustomResourceDefinition>>>::default();
    let listed = Arc::clone(&known);
    let (watched, work) = keep(kind, &(), move |news| {
        let fault = match news {
            News::Failed(fault) => Some(fault),
            News::Changed(found) => {
                verdict.judge(Some(&found), &wanted);
                None
            }
            News::Gone(_) => {
                verdict.judge(None, &wanted);
                None
            }
            News::Listed => {
                let found = listed.get().and_then(|known| known.all().pop());
                verdict.judge(found.as_deref(), &wanted);
                None
            }
        };
        told(fault);
    });
    let _ = known.set(watched.clone());
    (watched, work)
}

fn is_leaving(found: &CustomResourceDefinition) -> bool {
    found.metadata.deletion_timestamp.is_some()
}

/// What is wrong with a definition.
fn wrong(found: Option<&CustomResourceDefinition>, wanted: &CustomResourceDefinition) -> Option<String> {
    let Some(found) = found else { return Some("it is not there".to_owned()) };
    if is_leaving(found) {
        return Some("it is being deleted with all its objects".to_owned());
    }
    wanted.spec.versions.iter().find_map(|wanted| {
        let served =
            |found: &&api::CustomResourceDefinitionVersion| found.name == wanted.name && found.served;
        let Some(found) = found.spec.versions.iter().find(served) else {
            return Some(format!("it does not serve {}", wanted.name));
        };
        let lacking = lacking(schema(found)?, schema(wanted)?, "")?;
        Some(format!("it lacks {lacking}"))
    })
}

/// None: everything is kept.
fn schema(of: &api::CustomResourceDefinitionVersion) -> Option<&JSONSchemaProps> {
    of.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Path of the first field that `found` does not keep of `wanted`.
fn lacking(found: &JSONSchemaProps, wanted: &JSONSchemaProps, path: &str) -> Option<String> {
    if found.x_kubernetes_preserve_unknown_fields == Some(true) {
        return None;
    }
    inner(wanted).into_iter().find_map(|(name, wanted)| {
        let path = format!("{path}{name}");
        let found = inner(found).into_iter().find(|(other, _)| *other == name);
        found.map_or_else(|| Some(path.clone()), |(_, found)| lacking(found, wanted, &path))
    })
}

/// The schemas right inside a schema, by what a path calls them.
fn inner(schema: &JSONSchemaProps) -> Vec<(String, &JSONSchemaProps)> {
    let fields = schema.properties.iter().flatten().map(|(name, field)| (format!(".{name}"), field));
    let items = match &schema.items {
        Some(api::JSONSchemaPropsOrArray::Schema(items)) => Some(("[]".to_owned(), items.as_ref())),
        _ => None,
    };
    let values = match &schema.additional_properties {
        Some(api::JSONSchemaPropsOrBool::Schema(values)) => Some((".*".to_owned(), values.as_ref())),
        _ => None,
    };
    fields.chain(items).chain(values).collect()
}

#[cfg(test)]
mod tests;
