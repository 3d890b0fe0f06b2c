//! What every Kubernetes object has around its `spec`.
//!
//! Server-set metadata is accepted, so that the output of `kubectl get -o yaml` loads; everything else unknown is
//! an error, as it would be for `kubectl apply`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Says which kind a document is of; the rest is read again once that is known.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypeMeta {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
}

/// A document of one of our kinds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Object<S> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    pub(super) metadata: Metadata,
    pub(super) spec: S,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

/// A `v1` Secret (Kubernetes API, `SecretSpec`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretObject {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    pub(super) metadata: Metadata,
    /// Base64.
    #[serde(default)]
    pub(super) data: BTreeMap<String, String>,
    /// Wins over `data`.
    #[serde(default)]
    pub(super) string_data: BTreeMap<String, String>,
    #[serde(default, rename = "type")]
    _type: Option<String>,
    #[serde(default, rename = "immutable")]
    _immutable: Option<bool>,
}

/// A `v1` `ConfigMap`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConfigMapObject {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    pub(super) metadata: Metadata,
    #[serde(default, rename = "data")]
    _data: BTreeMap<String, String>,
    #[serde(default, rename = "binaryData")]
    _binary_data: BTreeMap<String, String>,
    #[serde(default, rename = "immutable")]
    _immutable: Option<bool>,
}

/// The parts of `metadata` that mean something here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) name: String,
    /// Empty where the document names none.
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    #[serde(default, rename = "uid")]
    _uid: IgnoredAny,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: IgnoredAny,
    #[serde(default, rename = "generation")]
    _generation: IgnoredAny,
    #[serde(default, rename = "creationTimestamp")]
    _creation_timestamp: IgnoredAny,
    #[serde(default, rename = "managedFields")]
    _managed_fields: IgnoredAny,
    #[serde(default, rename = "finalizers")]
    _finalizers: IgnoredAny,
    #[serde(default, rename = "ownerReferences")]
    _owner_references: IgnoredAny,
}

/// An object with metadata.
pub(super) trait HasMetadata {
    /// Its metadata.
    fn metadata(&mut self) -> &mut Metadata;
}

impl<S> HasMetadata for Object<S> {
    fn metadata(&mut self) -> &mut Metadata {
        &mut self.metadata
    }
}

impl HasMetadata for SecretObject {
    fn metadata(&mut self) -> &mut Metadata {
        &mut self.metadata
    }
}

impl HasMetadata for ConfigMapObject {
    fn metadata(&mut self) -> &mut Metadata {
        &mut self.metadata
    }
}
