//! The Kubernetes objects of a plan, in the order in which they are applied.
//!
//! Leases are not among them: they are written first, by compare-and-swap. Nor are the Secrets that the operator makes
//! once at random. Nothing here knows a client, a clock or what is in the cluster; the same plan gives the same bytes.
//!
//! A media-node that is no longer wanted is not in the list, but its DaemonSet must not be pruned for that: its pod may
//! have calls, and an order of the plan ends it once they are over.

mod config;
mod manifest;
mod media;
pub mod names;
mod pod;
mod probe;
mod signaling;
pub(crate) mod users;

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Value;

pub(crate) use pod::default_request;
pub use probe::{ProbePods, probe_pods};
pub use users::{BUCKET_BYTES, BUCKETS};

use crate::observed::Component;
use crate::plan::{MediaPod, Plan};
use crate::validate::ValidCluster;

/// What the programs are run from unless the spec says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Version of the operator.
    pub version: String,
    /// Image of sip-node.
    pub signaling_image: String,
    /// Image of media-node.
    pub media_image: String,
}

impl Release {
    fn image(&self, asked: &str, component: Component) -> String {
        let own = match component {
            Component::Signaling => &self.signaling_image,
            Component::Media => &self.media_image,
        };
        if asked.is_empty() { own } else { asked }.to_owned()
    }
}

/// An object as it is applied.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
    /// Its name; the namespace is the VoipCluster's.
    pub name: String,
    /// All of it. That of a Secret is never printed: see [`Object::redacted`].
    pub manifest: Value,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Object {
    /// The manifest without the values of a Secret, nor the fingerprint from which a weak one could be guessed.
    pub fn redacted(&self) -> Value {
        let mut manifest = self.manifest.clone();
        if self.kind != "Secret" {
            return manifest;
        }
        let values = manifest.get_mut("data").and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(serde_json::Map::values_mut) {
            *value = Value::String("REDACTED".to_owned());
        }
        if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
        manifest
    }
}

/// Renders everything.
pub fn render(valid: &ValidCluster, plan: &Plan, release: &Release) -> Vec<Object> {
    let mut objects = vec![
        service_account(valid, names::signaling(&valid.name), Component::Signaling),
        service_account(valid, names::media(&valid.name), Component::Media),
    ];
    objects.extend(config::render(valid, plan));
    objects.extend(signaling::services(valid, plan));
    objects.push(signaling::deployment(valid, plan, release));
    objects.extend(media::daemon_sets(valid, plan, release));
    objects
}

/// What the annotation `voip.dev/rendered` of the pod of this media-node says once it is up to date; none while its
/// DaemonSet cannot be rendered.
pub fn media_fingerprint(
    valid: &ValidCluster,
    plan: &Plan,
    pod: &MediaPod,
    release: &Release,
) -> Option<String> {
    media::rollout(valid, plan, pod, release)
}

/// The programs never speak to the API server.
fn service_account(valid: &ValidCluster, name: String, component: Component) -> Object {
    manifest::object(&ServiceAccount {
        metadata: manifest::metadata(valid, name, names::of_component(&valid.name, component)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}
