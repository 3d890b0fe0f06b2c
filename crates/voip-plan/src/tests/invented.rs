//! The invented Kubernetes has what a file asks.

use serde_json::{Value, json};

use super::world::{cluster, examples};
use crate::*;

fn planned(resources: &Resources) -> Plan {
    let observed = invented_world(&resources.cluster);
    let valid = validate(resources, &observed).unwrap_or_else(|errors| panic!("{errors:#?}"));
    plan(&valid, &observed)
}

#[test]
fn every_example_can_be_served_there() {
    for (name, resources) in examples() {
        assert_eq!(planned(&resources).problems, [], "{name}");
    }
}

#[test]
fn pools_find_the_nodes_that_they_select() {
    let pool = |name: &str, nodes: Value, label: &str| json!({"name": name, "nodes": nodes, "callsPerNode": 10, "template": {"spec": {"nodeSelector": {"kind": label}}}});
    let pools = [pool("a", json!(2), "x"), pool("b", json!(1), "x"), pool("c", json!("100%"), "y")];
    let resources = cluster(json!({
        "signaling": {"template": {"spec": {"nodeSelector": {"kind": "z"}}}},
        "media": {"pools": pools},
    }));
    let nodes = invented_world(&resources.cluster).nodes;
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["node-1", "node-2", "node-3", "node-4", "node-5"]);
    let kinds: Vec<&str> = nodes.iter().map(|node| node.labels["kind"].as_str()).collect();
    assert_eq!(kinds, ["x", "x", "y", "y", "z"]);
}

#[test]
fn several_nodes_stand_behind_the_one_address_of_a_router() {
    let resources = cluster(json!({"network": {"mediaAddresses": ["203.0.113.9"]}}));
    let plan = planned(&resources);
    assert_eq!(plan.problems, []);
    assert_eq!((plan.media.len(), plan.leases.len()), (2, 1));
}
