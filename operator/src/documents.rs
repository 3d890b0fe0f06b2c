//! Tells pods that their config documents changed.
//!
//! A kubelet looks at mounted files about once a minute, and at once when their pod changes. So the fingerprint of what
//! is wanted is written on the pod, never into its template, which would replace it. This file must not know what is in a
//! document.

use k8s_openapi::api::core::v1 as core;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use voip_plan::Component;
use voip_plan::status::Fault;

use crate::fault::unless_gone;
use crate::observe::pods::pod;
use crate::{FIELD_MANAGER, at_once};

/// Annotation of a pod: fingerprint of the documents that its files should have.
pub const CONFIG: &str = "voip.dev/config";

/// Writes the fingerprint that `wanted` says for a component on those of `pods` that do not say it.
pub async fn announce<'a>(
    client: &Client,
    namespace: &str,
    pods: impl IntoIterator<Item = &'a core::Pod>,
    wanted: impl Fn(Component) -> String,
) -> Vec<Fault> {
    let api: Api<core::Pod> = Api::namespaced(client.clone(), namespace);
    let (signaling, media) = (wanted(Component::Signaling), wanted(Component::Media));
    let mut work = Vec::new();
    for object in pods {
        // One that has ended or is told to reads no files.
        let Some(seen) = pod(object).filter(|seen| !seen.ending) else { continue };
        let wanted = match seen.component {
            Component::Signaling => &signaling,
            Component::Media => &media,
        };
        if object.annotations().get(CONFIG) != Some(wanted) {
            work.push(tell(&api, seen.name, seen.uid, wanted));
        }
    }
    at_once::all(work).await
}

async fn tell(api: &Api<core::Pod>, name: String, uid: String, wanted: &str) -> Result<(), Fault> {
    let patch = json!({"metadata": {"uid": uid, "annotations": {CONFIG: wanted}}});
    let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let told = api.patch_metadata(&name, &how, &Patch::Merge(patch)).await;
    tracing::debug!(pod = name, documents = wanted, told = told.is_ok(), "new documents announced");
    unless_gone(told, &format!("Pod {name}"), "patch")
}

#[cfg(test)]
mod tests;
