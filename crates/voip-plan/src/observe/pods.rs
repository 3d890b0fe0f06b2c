//! A Pod object, as far as planning needs it.

use k8s_openapi::api::core::v1::{self as core, ContainerStatus, PodCondition};

use crate::leases::LeaseKey;
pub use crate::objects::names::{COMPONENT as COMPONENT_LABEL, LEASE};
use crate::objects::names::{CONTROL, RENDERED};
use crate::observed::{Component, Pod};

/// Annotation of a pod: when it was first ordered to drain, Unix time in milliseconds.
pub const DRAINING: &str = "voip.dev/draining";

/// What of `pod` is planned with; none when it has ended or is not of our making.
pub fn pod(pod: &core::Pod) -> Option<Pod> {
    let component = component(pod)?;
    let status = pod.status.clone().unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let annotation = |name: &str| pod.metadata.annotations.as_ref()?.get(name).cloned();
    let conditions = status.conditions.iter().flatten();
    Some(Pod {
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        component,
        owner: owner(pod),
        lease: annotation(LEASE).map(|id| LeaseKey::said(id, annotation(CONTROL).as_deref())),
        rendered: annotation(RENDERED).unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty()),
        address: status.pod_ip.as_deref().and_then(|address| address.parse().ok()),
        ready: conditions.clone().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        ending: pod.metadata.deletion_timestamp.is_some(),
        draining_since_ms: annotation(DRAINING).and_then(|text| text.parse().ok()),
        trouble: containers_trouble(status.container_statuses.iter().flatten())
            .or_else(|| unscheduled(conditions))
            .unwrap_or_default(),
    })
}

/// Takes away what is large and never planned with, before the object is kept.
pub fn strip(pod: &mut core::Pod) {
    pod.metadata.managed_fields = None;
    if let Some(spec) = &mut pod.spec {
        *spec = core::PodSpec { node_name: spec.node_name.take(), ..core::PodSpec::default() };
    }
}

fn component(pod: &core::Pod) -> Option<Component> {
    match pod.metadata.labels.as_ref()?.get(COMPONENT_LABEL)?.as_str() {
        "signaling" => Some(Component::Signaling),
        "media" => Some(Component::Media),
        _ => None,
    }
}

fn owner(pod: &core::Pod) -> String {
    let owners = pod.metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    controller.map(|owner| owner.name.clone()).unwrap_or_default()
}

/// `ContainerCreating` and `PodInitializing` are no trouble, they pass.
fn containers_trouble<'a>(mut containers: impl Iterator<Item = &'a ContainerStatus>) -> Option<String> {
    containers.find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        Some(with_message(reason, waiting.message.as_deref()))
    })
}

fn unscheduled<'a>(mut conditions: impl Iterator<Item = &'a PodCondition>) -> Option<String> {
    let scheduled = conditions.find(|condition| condition.type_ == "PodScheduled")?;
    (scheduled.status == "False").then(|| {
        with_message(scheduled.reason.as_deref().unwrap_or("Unschedulable"), scheduled.message.as_deref())
    })
}

fn with_message(reason: &str, message: Option<&str>) -> String {
    message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}"))
}

#[cfg(test)]
mod tests;
