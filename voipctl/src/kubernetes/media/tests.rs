use serde_json::{Value, json};

use super::*;

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A cluster whose status names the media-node on `w1`, and says how many it omits.
fn cluster(omitted: u32) -> Cluster {
    of(json!({
        "metadata": {"name": "office", "namespace": "voip", "uid": "u"},
        "status": {"nodesOmitted": omitted, "nodes": [
            {"name": "w1", "pool": "default", "address": "192.0.2.1", "ports": "16384-17535", "state": "Lost"},
        ]},
    }))
}

fn set(node: &str) -> DaemonSet {
    of(json!({
        "metadata": {"name": format!("office-media-{node}"), "labels": {"voip.dev/pool": "default", "voip.dev/shard": "0"}},
        "spec": {"selector": {}, "template": {
            "metadata": {"annotations": {"voip.dev/rtp": "20000-20063", "voip.dev/control": "29996,29997"}},
            "spec": {
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]},
                ]}}},
                "containers": [{"name": "media-node", "args": [
                    format!("--name=default-{node}"), "--advertise=192.0.2.9",
                ]}],
            },
        }},
    }))
}

fn pod(node: &str, more: &Value) -> core::Pod {
    let mut pod = json!({
        "metadata": {
            "name": format!("pod-{node}"), "uid": "p", "labels": {"voip.dev/component": "media"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": format!("office-media-{node}"),
                                 "uid": "d", "controller": true}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    for (key, value) in more.as_object().unwrap() {
        pod["metadata"][key] = value.clone();
    }
    of(pod)
}

fn states(nodes: &[MediaNode]) -> Vec<(&str, State)> {
    nodes.iter().map(|node| (node.node.as_str(), node.state)).collect()
}

#[test]
fn the_operator_knows_best_and_daemon_sets_add_what_it_does_not_name() {
    let nodes =
        merge(&cluster(0), &[set("w1"), set("w2")], &[pod("w1", &json!({})), pod("w2", &json!({}))], &[]);
    assert_eq!(states(&nodes), [("w1", State::Lost), ("w2", State::Ready)]);
    assert_eq!((nodes[0].ports.as_str(), nodes[0].control.as_str()), ("16384-17535", "29996,29997"));
    assert_eq!((nodes[1].ports.as_str(), nodes[1].address.as_str()), ("20000-20063", "192.0.2.9"));
    assert_eq!(nodes[1].name, "default-w2");
}

#[test]
fn a_pod_tells_the_state_of_what_is_in_no_status() {
    let draining = pod("w2", &json!({"annotations": {"voip.dev/draining": "1700000000000"}}));
    let ending = pod("w2", &json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    for (pods, state) in [
        (vec![draining], State::Draining),
        (vec![ending.clone()], State::Draining),
        (vec![ending, pod("w2", &json!({}))], State::Ready),
        (vec![], State::NotReady),
    ] {
        let nodes = merge(&cluster(0), &[set("w2")], &pods, &[]);
        assert_eq!(states(&nodes)[1], ("w2", state));
    }
}

#[test]
fn a_lease_is_the_last_trace_of_a_media_node() {
    let lease = |cluster_uid: &str, node: &str, state: &str| -> RtpPortLease {
        of(
            json!({"apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": node}, "spec": {
                "space": {"type": "Node", "name": node}, "leases": [{
                    "id": format!("voip/office/default/0@{node}"), "clusterUID": cluster_uid, "nodeUID": "n", "state": state,
                    "rtp": {"start": 16_384, "length": 64}, "control": {"start": 29_996, "length": 2},
                }],
            }}),
        )
    };
    let leases = [
        lease("u", "w1", "Active"),
        lease("u", "w3", "Quarantined"),
        lease("u", "w4", "Active"),
        lease("other", "w5", "Active"),
    ];
    let nodes = merge(&cluster(1), &[], &[], &leases);
    let expected = [("w1", State::Lost), ("w3", State::Quarantined), ("w4", State::NotReady)];
    assert_eq!(states(&nodes), expected);
    assert_eq!((nodes[1].ports.as_str(), nodes[1].control.as_str()), ("16384-16447", "29996,29997"));
}
