//! What holds of every object.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::objects::names;

/// Clusters whose objects differ as much as they can.
fn all_kinds() -> Vec<Vec<Object>> {
    let host = json!({"signaling": {"exposure": "HostNetwork"}});
    let mut all = vec![
        rendered(&cluster(with_templates()), 2, NetworkMode::HostNetwork),
        rendered(&cluster(json!({})), 2, NetworkMode::PodAddress),
        rendered(&cluster(host), 2, NetworkMode::HostPort),
    ];
    all.extend(examples().iter().map(|(_, resources)| rendered(resources, 3, NetworkMode::HostNetwork)));
    all
}

fn pod(object: &Object) -> &Value {
    &object.manifest["spec"]["template"]
}

fn workloads(objects: &[Object]) -> Vec<&Object> {
    let is = |object: &&Object| matches!(object.kind.as_str(), "Deployment" | "DaemonSet");
    objects.iter().filter(is).collect()
}

#[test]
fn names_and_labels_fit_their_limits() {
    let long = json!({"media": {"pools": [{"name": "p".repeat(20), "nodes": 2, "callsPerNode": 160, "podsPerNode": 16}]}});
    let mut resources = cluster(long);
    resources.cluster.metadata.name = Some("c".repeat(40));
    let mut observed = kubernetes(nodes(2));
    for (node, end) in observed.nodes.iter_mut().zip(["a", "b"]) {
        node.name = format!("{}.{end}", vec!["n".repeat(60); 4].join("."));
    }
    let valid = validate(&resources, &observed).unwrap();
    let objects = render(&valid, &plan(&valid, &observed), &release());
    let sets = of_kind(&objects, "DaemonSet");
    assert_eq!(sets.len(), 32);
    assert_eq!(sets.iter().map(|set| &set.name).collect::<std::collections::BTreeSet<_>>().len(), 32);
    for object in &objects {
        assert!(voip_api::text::is_label_1035(&object.name), "{}", object.name);
        // A pod's name has six characters more.
        let most = if object.kind == "DaemonSet" { 57 } else { 63 };
        assert!(object.name.len() <= most, "{}", object.name);
        let own = object.manifest["metadata"]["labels"].as_object().unwrap();
        let of_pods = pod(object)["metadata"]["labels"].as_object();
        for (key, value) in own.iter().chain(of_pods.into_iter().flatten()) {
            assert!(value.as_str().unwrap().len() <= 63, "{key}: {value}");
        }
    }
}

#[test]
fn pods_of_two_pools_nodes_and_clusters_never_share_a_name() {
    let name = names::media_daemon_set;
    let short = name("office", "default", "w1", 0);
    assert_eq!(short, format!("office-media-default-{}-0", names::node_hash("w1")));
    let long = "a".repeat(40);
    let other = format!("{}b", "a".repeat(39));
    let pool = "p".repeat(20);
    let all = [
        name(&long, &pool, "w1", 0),
        name(&long, &pool, "w1", 15),
        name(&long, &pool, "w2", 0),
        name(&long, &"p".repeat(19), "w1", 0),
        name(&other, &pool, "w1", 0),
    ];
    assert_eq!(std::collections::BTreeSet::from(all.clone()).len(), all.len(), "{all:?}");
}

#[test]
fn selectors_never_change_and_match_their_pods() {
    let selectors = |objects: &[Object]| -> BTreeMap<String, Value> {
        let of = |object: &Object| match object.kind.as_str() {
            "Service" => Some(object.manifest["spec"]["selector"].clone()),
            "Deployment" | "DaemonSet" => Some(object.manifest["spec"]["selector"]["matchLabels"].clone()),
            _ => None,
        };
        objects
            .iter()
            .filter_map(|object| Some((format!("{} {}", object.kind, object.name), of(object)?)))
            .collect()
    };
    let plain = json!({"media": {"pools": [
        {"name": "small", "nodes": 1, "callsPerNode": 20},
        {"name": "large", "nodes": 2, "callsPerNode": 100, "podsPerNode": 2},
    ]}});
    let before = rendered(&cluster(plain), 2, NetworkMode::HostNetwork);
    let (valid, mut plan) = planned(&cluster(with_templates()), 2, NetworkMode::HostPort);
    for pod in &mut plan.media {
        pod.rtp = PortRange::new(20000, 20063);
        pod.capacity += 1;
        pod.address = Some(Address { address: [192, 0, 2, 1].into(), source: AddressSource::Spec });
    }
    let newer =
        Release { version: "9".to_owned(), signaling_image: "a".to_owned(), media_image: "b".to_owned() };
    let after = render(&valid, &plan, &newer);
    assert_eq!(selectors(&before), selectors(&after));
    for object in workloads(&after) {
        let labels = pod(object)["metadata"]["labels"].as_object().unwrap();
        let selector = object.manifest["spec"]["selector"]["matchLabels"].as_object().unwrap();
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{}", object.name);
    }
}

/// The fingerprints of pods by workload.
fn fingerprints(objects: &[Object]) -> BTreeMap<&str, &Value> {
    let workloads = workloads(objects).into_iter();
    workloads
        .map(|object| (object.name.as_str(), &pod(object)["metadata"]["annotations"][names::RENDERED]))
        .collect()
}

#[test]
fn no_pod_is_replaced_for_a_drain_deadline_or_a_document() {
    let plain = rendered(&cluster(json!({})), 2, NetworkMode::HostNetwork);
    let hot =
        json!({"drain": {"timeoutSeconds": 5}, "domains": ["sip.example.com"], "digestAlgorithms": ["MD5"]});
    let changed = rendered(&cluster(hot), 2, NetworkMode::HostNetwork);
    assert_eq!(fingerprints(&plain), fingerprints(&changed));
    let set = of_kind(&changed, "DaemonSet")[0];
    assert_eq!(pod(set)["spec"]["terminationGracePeriodSeconds"], 35);
    let old = of_kind(&plain, "DaemonSet")[0];
    let annotation = |object: &Object| object.manifest["metadata"]["annotations"][names::RENDERED].clone();
    assert_ne!(annotation(old), annotation(set), "the DaemonSet itself is to be applied");
}

#[test]
fn pods_are_replaced_for_another_image_and_another_listener_on_the_host() {
    let rendered = |spec| rendered(&cluster(spec), 2, NetworkMode::HostNetwork);
    let (plain, other) = (rendered(json!({})), rendered(json!({"images": {"media": "x"}})));
    let (plain, other) = (fingerprints(&plain), fingerprints(&other));
    for (name, fingerprint) in &plain {
        assert_eq!(other[name] == *fingerprint, *name == "office-sip", "{name}");
    }
    let listening = |exposure: &str, port: u16| {
        let listeners = json!([{"name": "udp", "protocol": "UDP", "port": port}]);
        let objects = rendered(json!({"signaling": {"exposure": exposure, "listeners": listeners}}));
        fingerprints(&objects)["office-sip"].clone()
    };
    assert_ne!(listening("HostNetwork", 5060), listening("HostNetwork", 5062));
    assert_ne!(listening("LoadBalancer", 5060), listening("LoadBalancer", 5062));
}

#[test]
fn the_fingerprint_that_orders_compare_is_the_one_on_the_pod() {
    let (valid, plan) = planned(&cluster(with_templates()), 2, NetworkMode::HostNetwork);
    let all = render(&valid, &plan, &release());
    let on_pods = fingerprints(&all);
    for wanted in &plan.media {
        let name = names::media_daemon_set("office", &wanted.pool, &wanted.node, wanted.shard);
        let told = objects::media_fingerprint(&valid, &plan, wanted, &release());
        assert_eq!(told.as_deref(), on_pods[name.as_str()].as_str());
    }
}

/// The fields of the Pod Security level `restricted`; the last two are its `baseline` part that a bridge must keep too.
#[test]
fn pods_with_a_network_of_their_own_are_restricted() {
    for object in workloads(&rendered(&cluster(json!({})), 2, NetworkMode::PodAddress)) {
        let spec = &pod(object)["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_ne!(spec["securityContext"]["runAsUser"], 0);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &spec["containers"][0];
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        let allowed = ["configMap", "emptyDir", "projected", "secret"];
        for volume in spec["volumes"].as_array().unwrap() {
            assert!(allowed.iter().any(|kind| volume.get(kind).is_some()), "{volume}");
        }
        assert_eq!(spec.get("hostNetwork"), None);
        assert!(container["ports"].as_array().unwrap().iter().all(|port| port.get("hostPort").is_none()));
    }
}

#[test]
fn host_ports_cover_the_range_and_nothing_else() {
    let few = json!({"media": {"pools": [{"name": "default", "nodes": 1, "callsPerNode": 58}]}});
    let (valid, plan) = planned(&cluster(few), 1, NetworkMode::HostPort);
    let objects = render(&valid, &plan, &release());
    let set = of_kind(&objects, "DaemonSet")[0];
    let ports = pod(set)["spec"]["containers"][0]["ports"].as_array().unwrap();
    let on_node: Vec<u64> = ports.iter().filter_map(|port| port["hostPort"].as_u64()).collect();
    let rtp = plan.media[0].rtp;
    assert_eq!(on_node, (u64::from(rtp.first)..=u64::from(rtp.last)).collect::<Vec<_>>());
    assert_eq!(on_node.len(), 256);
}

#[test]
fn secrets_are_in_secrets_only_and_never_printed() {
    for (name, resources) in examples() {
        let (valid, plan) = planned(&resources, 3, NetworkMode::HostNetwork);
        let values: Vec<&String> =
            plan.documents.users.users.iter().flat_map(|user| user.ha1.values()).collect();
        assert!(!values.is_empty(), "{name}");
        let objects = render(&valid, &plan, &release());
        let (secrets, others): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object.kind == "Secret");
        assert!(!secrets.is_empty(), "{name}");
        for object in &others {
            let text = object.manifest.to_string();
            assert!(!values.iter().any(|value| text.contains(*value)), "{name}: {object:?}");
        }
        for object in secrets {
            let data = object.redacted()["data"].clone();
            assert!(data.as_object().unwrap().values().all(|value| value == "REDACTED"), "{name}: {data}");
            assert_eq!(object.redacted()["metadata"].get("annotations"), None, "{name}");
        }
    }
}

/// What the API server would drop or set itself would come back different, and be applied for ever.
#[test]
fn nothing_is_null_or_empty_or_of_the_moment() {
    fn check(path: &str, value: &Value) {
        match value {
            Value::Null => panic!("{path} is null"),
            Value::Object(map) => {
                assert!(!map.is_empty(), "{path} is empty");
                map.iter().for_each(|(key, value)| check(&format!("{path}.{key}"), value));
            }
            Value::Array(list) => {
                assert!(!list.is_empty(), "{path} is empty");
                for value in list {
                    check(path, value);
                }
            }
            _ => {}
        }
    }
    for object in all_kinds().iter().flatten() {
        check(&object.kind, &object.manifest);
        assert_eq!(object.manifest["metadata"].get("creationTimestamp"), None);
        assert_eq!(object.manifest.get("status"), None);
        assert_eq!(object.manifest["kind"], object.kind.as_str());
        assert_eq!(object.manifest["apiVersion"], object.api_version.as_str());
    }
}

#[test]
fn what_pods_mount_and_name_comes_before_them() {
    let order = ["ServiceAccount", "ConfigMap", "Secret", "Service", "Deployment", "DaemonSet"];
    let at = |object: &Object| order.iter().position(|kind| *kind == object.kind).unwrap();
    for objects in all_kinds() {
        assert!(objects.is_sorted_by_key(at));
    }
    assert_eq!(all_kinds(), all_kinds());
}

#[test]
fn every_object_is_owned_once_its_cluster_is_one() {
    let owned = rendered(&cluster(json!({})), 2, NetworkMode::HostNetwork);
    for object in &owned {
        let owner = &object.manifest["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["uid"]), (&json!("VoipCluster"), &json!("uid-office")));
        assert_eq!((&owner["controller"], &owner["blockOwnerDeletion"]), (&json!(true), &json!(true)));
    }
    let mut file = cluster(json!({}));
    file.cluster.metadata.uid = None;
    let objects = rendered(&file, 2, NetworkMode::HostNetwork);
    assert!(objects.iter().all(|object| object.manifest["metadata"].get("ownerReferences").is_none()));
}

#[test]
fn a_paused_cluster_still_starts() {
    let resources = cluster(json!({"updates": {"paused": true}}));
    let mut observed = kubernetes(nodes(2));
    let mut paused = || {
        let valid = validate(&resources, &observed).unwrap();
        let objects = render(&valid, &plan(&valid, &observed), &release());
        let is = of_kind(&objects, "Deployment")[0].manifest["spec"]["paused"].clone();
        observed.signaling = Some(Workload { replicas: 1, ..Workload::default() });
        is
    };
    assert_eq!((paused(), paused()), (Value::Null, json!(true)));
}

#[test]
fn a_media_node_that_cannot_say_where_it_is_is_not_started() {
    let (valid, mut plan) = planned(&cluster(json!({})), 2, NetworkMode::HostNetwork);
    plan.media[0].address = None;
    assert_eq!(of_kind(&render(&valid, &plan, &release()), "DaemonSet").len(), 1);
    plan.network.mode = None;
    assert_eq!(of_kind(&render(&valid, &plan, &release()), "DaemonSet").len(), 0);
}

#[test]
fn probe_pods_differ_in_the_network_only() {
    let (valid, _) = planned(&cluster(with_templates()), 2, NetworkMode::HostNetwork);
    let pods = objects::probe_pods(&valid, &release());
    let plain = serde_json::to_value(&pods.plain).unwrap();
    assert_eq!(plain["spec"].get("hostNetwork"), None);
    assert_eq!(plain["spec"]["serviceAccountName"], "default");
    let mut ports = serde_json::to_value(&pods.host_ports).unwrap();
    let mut host = serde_json::to_value(&pods.host_network).unwrap();
    assert_eq!(host["spec"]["hostNetwork"], true);
    assert!(
        ports["spec"]["containers"][0]["ports"]
            .as_array()
            .unwrap()
            .iter()
            .any(|port| port["hostPort"].is_u64())
    );
    for other in [&mut ports, &mut host] {
        other["metadata"]["annotations"] = plain["metadata"]["annotations"].clone();
        other["spec"]["dnsPolicy"] = plain["spec"]["dnsPolicy"].clone();
        other["spec"].as_object_mut().unwrap().remove("hostNetwork");
        for field in ["ports", "readinessProbe", "livenessProbe"] {
            other["spec"]["containers"][0][field] = plain["spec"]["containers"][0][field].clone();
        }
        assert_eq!(*other, plain);
    }
}
