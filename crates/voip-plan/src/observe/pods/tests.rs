use serde_json::{Value, json};

use super::*;

fn real(status: &Value) -> core::Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "office-media-default-1a2b-0-x7", "uid": "p1",
            "labels": {"voip.dev/cluster": "office", "voip.dev/component": "media"},
            "annotations": {LEASE: "voip/office/default/0@w1", CONTROL: "29998,29999", RENDERED: "f00", DRAINING: "1700000000000"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "other", "uid": "o"},
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "office-media-default-1a2b-0", "uid": "d", "controller": true},
            ],
        },
        "spec": {"nodeName": "w1", "containers": [{"name": "media-node", "image": "m"}]},
        "status": status,
    }))
    .unwrap()
}

#[test]
fn a_pod_is_what_its_object_says_and_stripping_changes_nothing() {
    let mut object = real(&json!({
        "phase": "Running", "podIP": "10.0.0.4", "conditions": [{"type": "Ready", "status": "True"}],
    }));
    let seen = pod(&object).unwrap();
    assert_eq!(seen.owner, "office-media-default-1a2b-0");
    let lease = LeaseKey { id: "voip/office/default/0@w1".to_owned(), control: Some(29_998) };
    assert_eq!(seen.lease, Some(lease));
    assert_eq!((seen.node.as_deref(), seen.ready, seen.ending), (Some("w1"), true, false));
    assert_eq!(seen.draining_since_ms, Some(1_700_000_000_000));
    assert_eq!(seen.trouble, "");
    strip(&mut object);
    assert!(object.spec.as_ref().unwrap().containers.is_empty());
    assert_eq!(pod(&object), Some(seen));
}

#[test]
fn a_pod_that_has_ended_or_is_not_ours_is_none() {
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(pod(&real(&json!({"phase": phase}))), None);
    }
    let mut stranger = real(&json!({"phase": "Running"}));
    stranger.metadata.labels = None;
    assert_eq!(pod(&stranger), None);
}

#[test]
fn a_pod_that_was_told_to_end_is_ending_until_it_is_gone() {
    let mut object = real(&json!({"phase": "Running"}));
    object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert!(pod(&object).unwrap().ending);
}

#[test]
fn the_kubelets_trouble_is_told_and_a_start_is_none() {
    let waiting = |reason: &str| {
        json!({"phase": "Pending", "containerStatuses": [{
            "name": "media-node", "image": "m", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": "pull access denied"}},
        }]})
    };
    let trouble = |status: &Value| pod(&real(status)).unwrap().trouble;
    assert_eq!(trouble(&waiting("ImagePullBackOff")), "ImagePullBackOff: pull access denied");
    assert_eq!(trouble(&waiting("ContainerCreating")), "");
    let unschedulable = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
    }]});
    assert_eq!(trouble(&unschedulable), "Unschedulable: 0/3 nodes are available");
}
