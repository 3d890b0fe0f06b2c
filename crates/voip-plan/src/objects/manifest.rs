//! From typed objects to what is sent: JSON with a fingerprint, no null, no status, no time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::{Metadata, Resource};
use serde::Serialize;
use serde_json::{Value, json};
use voip_api::{GROUP, VERSION};

use super::Object;
use super::names::{Labels, RENDERED};
use crate::digest::fingerprint;
use crate::validate::ValidCluster;

/// Metadata of an object that the VoipCluster owns. Without a UID (a file, not a cluster) it has no owner yet.
pub(super) fn metadata(valid: &ValidCluster, name: String, labels: Labels) -> ObjectMeta {
    let owner = OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "VoipCluster".to_owned(),
        name: valid.name.clone(),
        uid: valid.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    ObjectMeta {
        name: Some(name),
        namespace: Some(valid.namespace.clone()),
        labels: Some(labels),
        owner_references: (!valid.uid.is_empty()).then(|| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// Serialises, and notes the fingerprint of the result in it.
pub(super) fn object<K: Resource + Metadata<Ty = ObjectMeta> + Serialize>(item: &K) -> Object {
    // Strings, numbers, lists and maps with string keys always serialise.
    let mut manifest = serde_json::to_value(item).unwrap_or_default();
    let rendered = fingerprint(manifest.to_string().as_bytes());
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(RENDERED.to_owned(), Value::String(rendered));
        }
    }
    Object {
        api_version: K::API_VERSION.to_owned(),
        kind: K::KIND.to_owned(),
        name: item.metadata().name.clone().unwrap_or_default(),
        manifest,
    }
}

/// A list that is left out when it is empty.
pub(super) fn list<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

/// A text that is left out when it is empty.
pub(super) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
