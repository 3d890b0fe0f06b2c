//! Nodes that come, go, change and are cordoned, and ports that something else holds.

use std::time::Duration;

use e2e::kubernetes::{Namespace, apply, get, install_crds, kubectl};
use e2e::leases::{Witness, held, held_spans};
use e2e::nodes::Nodes;
use e2e::office::Office;
use e2e::operator::Settings;
use e2e::wait::until;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
/// No program answers here: a pod counts as drained 10 s after the deadline of its drain, which is at once.
const DRAINED: Duration = Duration::from_secs(30);

fn everywhere(nodes: &Nodes, network: &Value) -> Value {
    let pool = json!({"name": "default", "nodes": "100%", "callsPerNode": 50, "template": nodes.template()});
    json!({
        "signaling": {"exposure": "ClusterIP"}, "media": {"pools": [pool]}, "drain": {"timeoutSeconds": 0},
        "network": network,
    })
}

fn state(office: &Office, node: &str) -> String {
    let leases = held(&office.prefix());
    let lease = leases.iter().find(|(id, _)| id.ends_with(&format!("@{node}")));
    lease.map(|(_, lease)| lease["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[test]
fn cluster_b_a_node_that_returns_gets_its_ports_back() {
    install_crds();
    let (namespace, mut nodes) = (Namespace::new("return"), Nodes::new("return", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let office = Office::open(&namespace, "office", &everywhere(&nodes, &json!({})));
    let names = [nodes.name(0).to_owned(), nodes.name(1).to_owned()];
    office.until_media_on(&[&names[0], &names[1]], SOON);
    office.until_pods_have_their_leases(SOON);
    let (before, witness) = (held_spans(&office.prefix()), Witness::start());

    let third = nodes.add();
    office.until_media_on(&[&names[0], &names[1], &third], SOON);
    office.until_pods_have_their_leases(SOON);

    // The end of its pod was not seen: something may still hold the ports.
    kubectl(&["delete", "node", &names[1]]).ok();
    until("quarantine", SOON, || {
        let state = state(&office, &names[1]);
        if state == "Quarantined" { Ok(()) } else { Err(state) }
    });
    office.until_media_on(&[&names[0], &third], DRAINED);
    assert_eq!(state(&office, &names[0]), "Active");

    nodes.make(&names[1]);
    office.until_media_on(&[&names[0], &names[1], &third], DRAINED);
    office.until_pods_have_their_leases(DRAINED);
    assert_eq!(state(&office, &names[1]), "Active");
    let after = held_spans(&office.prefix());
    assert!(before.iter().all(|(id, spans)| after[id] == *spans), "{before:?} {after:?}");
    witness.found_no_overlap(&[office.prefix()]);
}

#[test]
fn cluster_b_a_node_is_cordoned_returned_relabelled_and_gets_another_address() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("change"), Nodes::new("change", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let office = Office::open(&namespace, "office", &everywhere(&nodes, &json!({})));
    let [a, b] = [nodes.name(0), nodes.name(1)];
    office.until_media_on(&[a, b], SOON);
    office.until_pods_have_their_leases(SOON);
    let before = held_spans(&office.prefix());
    let pod_of = |node: &str| {
        let pods = office.media_pods();
        pods.into_iter().find(|pod| pod["spec"]["nodeName"] == node).unwrap_or_default()
    };
    let uid = pod_of(b)["metadata"]["uid"].clone();
    let until_draining = |wanted: bool| {
        until(&format!("draining: {wanted}"), SOON, || {
            let pod = pod_of(b);
            let draining = !pod["metadata"]["annotations"]["voip.dev/draining"].is_null();
            if draining == wanted { Ok(()) } else { Err(pod) }
        });
    };

    kubectl(&["cordon", b]).ok();
    until_draining(true);
    kubectl(&["uncordon", b]).ok();
    until_draining(false);
    assert_eq!(pod_of(b)["metadata"]["uid"], uid, "the pod stayed");

    let patch =
        json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.99.255.1"}]}}).to_string();
    kubectl(&["patch", "node", b, "--subresource=status", "--type=merge", "-p", &patch]).ok();
    until("the status tells the new address", SOON, || {
        let status = office.status();
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let found = nodes.iter().any(|node| node["name"] == *b && node["address"] == "10.99.255.1");
        if found { Ok(()) } else { Err(nodes) }
    });
    office.until_condition("Progressing", "False UpToDate", DRAINED);
    office.until_pods_have_their_leases(DRAINED);
    assert_eq!(held_spans(&office.prefix()), before);

    // The pool does not match it any more.
    kubectl(&["label", "node", b, "test.voip.dev/nodes-"]).ok();
    office.until_media_on(&[a], DRAINED);
    office.until_pods_have_their_leases(SOON);
    kubectl(&["delete", "node", b]).ok();
}

#[test]
fn cluster_b_another_node_takes_over_from_one_that_is_cordoned_and_gives_back() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("over"), Nodes::new("over", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let mut spec = everywhere(&nodes, &json!({}));
    spec["media"]["pools"][0]["nodes"] = json!(1);
    let office = Office::open(&namespace, "office", &spec);
    let [a, b] = [nodes.name(0), nodes.name(1)];
    office.until_media_on(&[a], SOON);
    office.until_pods_have_their_leases(SOON);
    let before = held_spans(&office.prefix());

    kubectl(&["cordon", a]).ok();
    office.until_media_on(&[a, b], SOON);
    office.until_pods_have_their_leases(SOON);
    kubectl(&["uncordon", a]).ok();
    office.until_media_on(&[a], DRAINED);
    office.until_pods_have_their_leases(SOON);
    assert_eq!(held_spans(&office.prefix()), before);
}

#[test]
fn cluster_b_nodes_that_come_to_share_an_address_move_to_common_ports_one_pod_after_the_other() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("share"), Nodes::new("share", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let mut spec = everywhere(&nodes, &json!({}));
    spec["media"]["pools"][0]["podsPerNode"] = json!(2);
    spec["updates"] = json!({"maxUnavailable": 2});
    let office = Office::open(&namespace, "office", &spec);
    let [a, b] = [nodes.name(0), nodes.name(1)];
    office.until_media_on(&[a, a, b, b], SOON);
    office.until_pods_have_their_leases(SOON);
    let witness = Witness::start();

    let group = format!("voip.dev/port-space={}", namespace.name());
    kubectl(&["label", "node", a, b, &group]).ok();
    until("all leases are in the common space", 3 * DRAINED, || {
        assert_eq!(office.pods_that_share_a_port_of_a_node(), [""; 0]);
        let object = get(&["rtpportleases"]);
        let of_nodes: Vec<_> = object["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|object| {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                [a, b].iter().any(|node| name == format!("node.{node}"))
            })
            .map(|object| object["spec"]["leases"].clone())
            .collect();
        if of_nodes.is_empty() { Ok(()) } else { Err(of_nodes) }
    });
    office.until_pods_have_their_leases(SOON);
    office.until_condition("Progressing", "False UpToDate", SOON);
    let spans = held_spans(&office.prefix());
    assert_eq!(spans.len(), 4, "{spans:?}");
    witness.found_no_overlap(&[]);
}

#[test]
fn cluster_b_leases_that_are_deleted_by_hand_come_back_and_nobody_gets_their_ports() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("lost"), Nodes::new("lost", 1));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let node = nodes.name(0);
    let pool = |name: &str, calls: u32| json!({"name": name, "nodes": "100%", "callsPerNode": calls, "template": nodes.template()});
    let spec = |pools: &[Value]| json!({"signaling": {"exposure": "ClusterIP"}, "media": {"pools": pools}, "drain": {"timeoutSeconds": 0}});
    let office = Office::open(&namespace, "office", &spec(&[pool("default", 50), pool("extra", 200)]));
    office.until_media_on(&[node, node], SOON);
    office.until_pods_have_their_leases(SOON);
    // Whoever chose again would choose the ports of the pool that went.
    office.edit(&spec(&[pool("extra", 200)]));
    office.until_media_on(&[node], DRAINED);
    office.until_pods_have_their_leases(DRAINED);
    office.until_condition("Progressing", "False UpToDate", SOON);
    let uids = || office.media_pods().iter().map(|pod| pod["metadata"]["uid"].clone()).collect::<Vec<_>>();
    let (before, pods, witness) = (held_spans(&office.prefix()), uids(), Witness::start());
    let rtp = before.values().next().expect("one lease")[0];
    assert!(rtp.0 > 16_384, "{before:?}");

    // Too wide for the gap: without the lease it would be given the ports of the other.
    kubectl(&["delete", "rtpportlease", &format!("node.{node}")]).ok();
    let other = Office::open(&namespace, "other", &spec(&[pool("default", 100)]));
    other.until_media_on(&[node], SOON);
    other.until_pods_have_their_leases(SOON);
    office.until_pods_have_their_leases(SOON);
    assert_eq!(held_spans(&office.prefix()), before);
    assert_eq!(uids(), pods);
    witness.found_no_overlap(&[office.prefix(), other.prefix()]);
}

#[test]
fn cluster_b_leases_keep_out_of_node_ports_and_of_ports_that_others_hold() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("taken"), Nodes::new("taken", 1));
    let node = nodes.name(0);
    let object = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": format!("node.{node}")},
        "spec": {
            "space": {"type": "Node", "name": node},
            "foreign": [{"protocol": "UDP", "port": 29_040, "seen": "2026-01-01T00:00:00Z"}],
        },
    });
    apply(&object.to_string()).ok();
    let settings = Settings::serving(&[namespace.name()]);
    let _operator = settings.start();
    // 29000-29999 is left of it: node ports begin at 30000. 50 calls need 256 ports of a row.
    let office =
        Office::open(&namespace, "office", &everywhere(&nodes, &json!({"portRange": "29000-32767"})));
    office.until_condition("PortsAllocated", "True Allocated", SOON);
    office.until_pods_have_their_leases(SOON);
    let spans = held_spans(&office.prefix());
    let rtp = spans.values().next().expect("one lease")[0];
    assert!(rtp.0 > 29_040 && rtp.1 < 30_000, "{spans:?}");

    // Another with the same needs fits, one with twice as many does not, and is told so; nobody moves for it.
    let wide = |calls: u32| {
        let mut spec = everywhere(&nodes, &json!({"portRange": "29000-32767"}));
        spec["media"]["pools"][0]["callsPerNode"] = json!(calls);
        spec
    };
    let second = Office::open(&namespace, "second", &wide(50));
    second.until_pods_have_their_leases(SOON);
    let third = Office::open(&namespace, "third", &wide(200));
    let message = third.until_condition("PortsAllocated", "False NoRoom", SOON);
    assert!(message.contains(&namespace.name().to_owned()), "it names who holds the ports: {message}");
    assert_eq!(held_spans(&office.prefix()), spans);
}
