//! The DaemonSets of media-nodes, as far as planning needs them.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::leases::LeaseKey;
use crate::objects::names::{CONTROL, LEASE, RENDERED};
use crate::observed::MediaWorkload;
use crate::plan::NetworkMode;

/// What of a DaemonSet is planned with.
pub fn media(set: &DaemonSet) -> MediaWorkload {
    let metadata = template(set).and_then(|template| template.metadata.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    let said = |name: &str| annotations.and_then(|annotations| annotations.get(name)).map(String::as_str);
    MediaWorkload {
        lease: LeaseKey::said(said(LEASE).unwrap_or_default(), said(CONTROL)),
        rendered: said(RENDERED).unwrap_or_default().to_owned(),
    }
}

/// The mode that its pods are in; for when the status that said so was lost.
pub fn mode(set: &DaemonSet) -> Option<NetworkMode> {
    let spec = template(set)?.spec.as_ref()?;
    let ports = || spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    Some(if spec.host_network == Some(true) {
        NetworkMode::HostNetwork
    } else if ports().any(|port| port.host_port.is_some()) {
        NetworkMode::HostPort
    } else {
        NetworkMode::PodAddress
    })
}

fn template(set: &DaemonSet) -> Option<&PodTemplateSpec> {
    set.spec.as_ref().map(|spec| &spec.template)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn set(spec: &Value) -> DaemonSet {
        let annotations = json!({LEASE: "voip/office/default/0@w1", CONTROL: "29998,29999", RENDERED: "f00"});
        serde_json::from_value(json!({
            "metadata": {"name": "x"},
            "spec": {"selector": {}, "template": {"metadata": {"annotations": annotations}, "spec": spec}},
        }))
        .unwrap()
    }

    #[test]
    fn a_daemon_set_says_its_lease_and_template() {
        let seen = media(&set(&json!({"containers": []})));
        let lease = LeaseKey { id: "voip/office/default/0@w1".to_owned(), control: Some(29_998) };
        assert_eq!((seen.lease, seen.rendered.as_str()), (lease, "f00"));
        assert_eq!(media(&DaemonSet::default()), MediaWorkload::default());
    }

    #[test]
    fn its_pod_says_the_mode() {
        let with = |port: Value| set(&json!({"containers": [{"name": "m", "ports": [port]}]}));
        assert_eq!(
            mode(&set(&json!({"hostNetwork": true, "containers": []}))),
            Some(NetworkMode::HostNetwork)
        );
        let mapped = with(json!({"containerPort": 20000, "hostPort": 20000}));
        assert_eq!(mode(&mapped), Some(NetworkMode::HostPort));
        assert_eq!(mode(&with(json!({"containerPort": 8080}))), Some(NetworkMode::PodAddress));
    }
}
