//! Rendered objects: snapshots to be reviewed, and what must hold of all of them.

mod rules;
mod users;

use serde_json::{Value, json};

use super::world::{cluster, examples, kubernetes, nodes};
use crate::objects::{Object, Release, render};
use crate::*;

fn release() -> Release {
    Release {
        version: "0.1.0".to_owned(),
        signaling_image: "registry.example/sip-node:0.1.0".to_owned(),
        media_image: "registry.example/media-node:0.1.0".to_owned(),
    }
}

/// Planned on nodes `w1`, `w2`, .. and with this network, whatever else would have been chosen.
fn planned(resources: &Resources, count: usize, mode: NetworkMode) -> (ValidCluster, Plan) {
    let observed = kubernetes(nodes(count));
    let valid = validate(resources, &observed).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let mut plan = plan(&valid, &observed);
    plan.network = Network { mode: Some(mode), reason: NetworkReason::Spec };
    if mode == NetworkMode::PodAddress {
        for pod in &mut plan.media {
            pod.control = ControlPorts { grpc: 8081, http: 8080 };
        }
    }
    (valid, plan)
}

fn rendered(resources: &Resources, count: usize, mode: NetworkMode) -> Vec<Object> {
    let (valid, plan) = planned(resources, count, mode);
    render(&valid, &plan, &release())
}

fn yaml(objects: &[Object]) -> String {
    let documents = objects.iter().map(|object| serde_saphyr::to_string(&object.redacted()).unwrap());
    documents.collect::<Vec<_>>().join("---\n")
}

fn of_kind<'a>(objects: &'a [Object], kind: &str) -> Vec<&'a Object> {
    objects.iter().filter(|object| object.kind == kind).collect()
}

#[test]
fn examples_as_objects() {
    for (name, resources) in examples() {
        let objects = rendered(&resources, 3, NetworkMode::HostNetwork);
        insta::assert_snapshot!(format!("example-{name}"), yaml(&objects));
    }
}

#[test]
fn networks_as_objects() {
    let few = json!({"media": {"pools": [{"name": "default", "nodes": 1, "callsPerNode": 4}]}});
    for (name, mode) in [("host-port", NetworkMode::HostPort), ("pod-address", NetworkMode::PodAddress)] {
        let objects = rendered(&cluster(few.clone()), 1, mode);
        let sets: Vec<Object> = of_kind(&objects, "DaemonSet").into_iter().cloned().collect();
        insta::assert_snapshot!(format!("network-{name}"), yaml(&sets));
    }
}

#[test]
fn exposures_as_objects() {
    let service = json!({
        "annotations": {"example.com/pool": "voice"},
        "loadBalancerClass": "example.com/edge",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
        "externalTrafficPolicy": "Cluster",
    });
    for exposure in ["LoadBalancer", "NodePort", "HostNetwork", "ClusterIP"] {
        let spec = json!({"signaling": {"exposure": exposure, "service": service}});
        let mut objects = rendered(&cluster(spec), 2, NetworkMode::HostNetwork);
        objects.retain(|object| matches!(object.kind.as_str(), "Service" | "Deployment"));
        insta::assert_snapshot!(format!("exposure-{}", exposure.to_lowercase()), yaml(&objects));
    }
}

#[test]
fn templates_and_shards_as_objects() {
    let mut objects = rendered(&cluster(with_templates()), 2, NetworkMode::HostNetwork);
    objects.retain(|object| matches!(object.kind.as_str(), "DaemonSet" | "Deployment"));
    insta::assert_snapshot!("templates-and-shards", yaml(&objects));
}

/// Everything that users may say of pods, in two pools.
fn with_templates() -> Value {
    let template = json!({
        "metadata": {"labels": {"team": "voice"}, "annotations": {"example.com/scrape": "true"}},
        "spec": {
            "tolerations": [
                {"key": "voice", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
            ],
            "priorityClassName": "voice",
            "imagePullSecrets": [{"name": "registry"}],
            "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}},
        },
    });
    json!({
        "signaling": {"template": template},
        "media": {"pools": [
            {"name": "small", "nodes": 1, "callsPerNode": 20, "template": template},
            {"name": "large", "nodes": 2, "callsPerNode": 100, "podsPerNode": 2},
        ]},
        "images": {"media": "registry.example/own:1", "pullPolicy": "Always"},
    })
}
