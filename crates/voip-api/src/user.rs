//! `SipUser`: somebody who registers and calls.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::SipUserStatus;
use crate::{ClusterRef, defaults, text};

/// Who may register and call.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "voip.dev",
    version = "v1alpha1",
    kind = "SipUser",
    plural = "sipusers",
    namespaced,
    status = "SipUserStatus",
    derive = "PartialEq",
    doc = "Somebody who registers phones with a VoipCluster and calls.",
    validation = Rule::new("has(self.spec.username) || (self.metadata.name.size() <= 64)")
        .message("metadata.name: it is the user name too: use at most 64 characters, or set spec.username"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Context", type_ = "string", json_path = ".spec.context"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new(
        "has(self.username) == has(oldSelf.username) && (!has(self.username) || self.username == oldSelf.username)")
        .message("username is immutable: make another SipUser")
        .field_path(".username")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SipUserSpec {
    /// The VoipCluster, in the same namespace. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterRef is immutable: make another SipUser"))]
    pub cluster_ref: ClusterRef,

    /// User name for registration and digest. Default: metadata.name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = text::USERNAME))]
    pub username: Option<String>,

    /// Secret with the password, or with `realm` and `ha1-sha-256`, `ha1-md5` (lower-case hexadecimal) instead.
    /// Read again every 10 minutes, or as often as the operator's `resyncSeconds` says; at once when it is labelled
    /// `voip.dev/reload: "true"`. Absent: a password is generated once, in Secret `NAME-sip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,

    /// Name shown to those who are called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128), regex(pattern = text::DISPLAY_NAME))]
    pub display_name: String,

    /// Other numbers that ring this user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64), regex(pattern = text::NUMBER)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub numbers: Vec<String>,

    /// Dialplan context of the user's calls.
    #[serde(default = "defaults::context")]
    #[schemars(length(min = 1, max = 63), regex(pattern = text::LABEL_1123))]
    pub context: String,

    /// Number shown to those who are called. Empty: the user name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64), regex(pattern = text::OPTIONAL_NUMBER))]
    pub caller_id: String,

    /// Calls at a time, made and taken together.
    #[serde(default = "defaults::four")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_calls: u32,

    /// Phones registered at a time.
    #[serde(default = "defaults::four")]
    #[schemars(range(min = 1, max = 100))]
    pub max_contacts: u32,

    /// A user who is not may neither register nor call.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,
}

/// A key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in it.
    #[serde(default = "defaults::password_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}
