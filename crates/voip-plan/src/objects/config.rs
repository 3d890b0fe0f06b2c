//! The config documents: ConfigMaps for what anybody may read, Secrets for the users.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::Serialize;
use voip_contract::config::{MEDIA_DOCUMENT, SIP_DOCUMENT};

use super::manifest::{metadata, object};
use super::users::buckets;
use super::{Object, names};
use crate::observed::Component;
use crate::plan::Plan;
use crate::validate::ValidCluster;

/// All of them; a bucket without users has no Secret.
pub(super) fn render(valid: &ValidCluster, plan: &Plan) -> Vec<Object> {
    let (sip, media) = (&plan.documents.sip, &plan.documents.media);
    let mut objects = vec![
        config_map(valid, names::signaling_config(&valid.name), Component::Signaling, SIP_DOCUMENT, sip),
        config_map(valid, names::media_config(&valid.name), Component::Media, MEDIA_DOCUMENT, media),
    ];
    let filled = buckets(&plan.documents.users).documents.into_iter().enumerate();
    let filled = filled.filter(|(_, document)| !document.users.is_empty());
    objects.extend(filled.map(|(bucket, document)| secret(valid, bucket, &document)));
    objects
}

fn config_map(
    valid: &ValidCluster,
    name: String,
    component: Component,
    file: &str,
    document: &impl Serialize,
) -> Object {
    object(&ConfigMap {
        metadata: metadata(valid, name, names::of_component(&valid.name, component)),
        data: Some(BTreeMap::from([(file.to_owned(), json(document))])),
        ..ConfigMap::default()
    })
}

fn secret(valid: &ValidCluster, bucket: usize, document: &impl Serialize) -> Object {
    let labels = names::of_component(&valid.name, Component::Signaling);
    let content = ByteString(json(document).into_bytes());
    object(&Secret {
        metadata: metadata(valid, names::users(&valid.name, bucket), labels),
        data: Some(BTreeMap::from([(names::users_file(bucket), content)])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

/// These documents hold strings, numbers and lists only, which always serialise.
fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}
