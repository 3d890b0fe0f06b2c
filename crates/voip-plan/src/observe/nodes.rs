//! A Node object, as far as planning needs it.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{self as core, NodeAddress};
use voip_api::TaintEffect;

use crate::addresses::{Address, AddressSource};
use crate::observed::{Node, Taint};

/// What of `node` is planned with.
pub fn node(node: &core::Node) -> Node {
    let spec = node.spec.clone().unwrap_or_default();
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    Node {
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        taints: spec.taints.iter().flatten().filter_map(taint).collect(),
        addresses: addresses.filter_map(address).collect(),
        ready: is_ready(node),
        cordoned: spec.unschedulable.unwrap_or(false),
    }
}

/// Takes away what is large and never planned with, before the object is kept.
pub fn strip(node: &mut core::Node) {
    node.metadata.managed_fields = None;
    node.metadata.annotations = None;
    if let Some(status) = &mut node.status {
        status.images = None;
        status.volumes_attached = None;
        status.volumes_in_use = None;
        status.node_info = None;
        status.allocatable = None;
        status.capacity = None;
        // Kubelets renew the time of each condition every few minutes; only whether the node is well matters.
        for condition in status.conditions.iter_mut().flatten() {
            condition.last_heartbeat_time = None;
            condition.message = None;
        }
    }
}

fn is_ready(node: &core::Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// An effect that we do not know keeps no pod of ours away.
fn taint(taint: &core::Taint) -> Option<Taint> {
    let effect = match taint.effect.as_str() {
        "NoSchedule" => TaintEffect::NoSchedule,
        "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        _ => return None,
    };
    Some(Taint { key: taint.key.clone(), value: taint.value.clone().unwrap_or_default(), effect })
}

/// Host names are not resolved: what they mean here may not be what they mean to a caller.
fn address(address: &NodeAddress) -> Option<Address> {
    let source = match address.type_.as_str() {
        "ExternalIP" => AddressSource::NodeExternalIP,
        "InternalIP" => AddressSource::NodeInternalIP,
        _ => return None,
    };
    Some(Address { address: address.address.parse::<IpAddr>().ok()?, source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn real() -> core::Node {
        serde_json::from_value(json!({
            "metadata": {
                "name": "w1", "uid": "77aa", "labels": {"zone": "a"}, "annotations": {"csi": "x"},
                "managedFields": [{"manager": "kubelet"}],
            },
            "spec": {
                "unschedulable": true,
                "taints": [{"key": "voip", "effect": "NoSchedule"}, {"key": "later", "effect": "Whatever"}],
            },
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": "10.0.0.4"}, {"type": "Hostname", "address": "w1"},
                    {"type": "ExternalIP", "address": "198.51.100.7"}, {"type": "InternalIP", "address": "not-an-ip"},
                ],
                "conditions": [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z", "message": "well"},
                ],
                "images": [{"names": ["a"], "sizeBytes": 1}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_node_is_what_its_object_says() {
        let node = node(&real());
        assert_eq!((node.name.as_str(), node.uid.as_str()), ("w1", "77aa"));
        assert!(node.ready && node.cordoned);
        assert_eq!(node.taints.len(), 1);
        let sources: Vec<AddressSource> = node.addresses.iter().map(|address| address.source).collect();
        assert_eq!(sources, [AddressSource::NodeInternalIP, AddressSource::NodeExternalIP]);
    }

    #[test]
    fn nothing_that_is_planned_with_is_stripped() {
        let mut stripped = real();
        strip(&mut stripped);
        assert!(stripped.status.as_ref().unwrap().images.is_none());
        assert!(stripped.metadata.managed_fields.is_none());
        assert_eq!(format!("{:?}", node(&stripped)), format!("{:?}", node(&real())));
    }

    #[test]
    fn a_heartbeat_is_no_change() {
        let (mut before, mut after) = (real(), real());
        let heartbeat =
            json!([{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:05:00Z"}]);
        before.status.as_mut().unwrap().conditions = serde_json::from_value(heartbeat).unwrap();
        let later = json!([{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:10:00Z"}]);
        after.status.as_mut().unwrap().conditions = serde_json::from_value(later).unwrap();
        assert_ne!(before, after);
        strip(&mut before);
        strip(&mut after);
        assert_eq!(before, after);
    }

    #[test]
    fn a_node_that_says_nothing_is_not_ready() {
        let silent = node(&core::Node::default());
        assert!(!silent.ready && silent.addresses.is_empty());
    }
}
