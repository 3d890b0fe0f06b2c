//! Orders while the spec is invalid.

use super::*;

fn drain(pod: &str, cause: DrainCause) -> Order {
    Order::Drain { pod: pod.to_owned(), seconds: 60, cause }
}

fn of_nodes(model: &Model) -> Vec<Order> {
    orders_of_nodes(&model.resources.cluster, &model.observed)
}

#[test]
fn a_node_is_emptied_and_returns_without_a_plan() {
    let mut model = serving(&json!({}));
    model.next();
    assert_eq!(of_nodes(&model), []);
    let pod = model.on("w2");
    model.node("w2").cordoned = true;
    assert_eq!(of_nodes(&model), [drain(&pod, DrainCause::NodeLeaves)]);
    model.pod(&pod).draining_since_ms = Some(1);
    model.node("w2").cordoned = false;
    assert_eq!(of_nodes(&model), [Order::Return { pod: pod.clone() }]);
    model.resources.cluster.metadata.annotations = Some([(DRAIN.to_owned(), "w2".to_owned())].into());
    assert_eq!(of_nodes(&model), [drain(&pod, DrainCause::Asked)]);
    model.node("w2").ready = false;
    assert_eq!(of_nodes(&model), [], "nobody would hear it");
}

#[test]
fn who_drains_to_be_replaced_or_removed_is_not_brought_back_without_a_plan() {
    let mut model = serving(&json!({}));
    let removed = model.on("w3");
    model.calls.insert(removed.clone(), 1);
    model.spec(&json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 50}]}}));
    model.next();
    assert!(model.pod(&removed).draining_since_ms.is_some());
    assert_eq!(of_nodes(&model), []);

    let mut model = serving(&json!({}));
    for node in ["w1", "w2", "w3"] {
        model.calls.insert(model.on(node), 1);
    }
    model.release.media_image = "media:2".to_owned();
    model.next();
    model.next();
    assert!(model.observed.pods.iter().any(|pod| pod.draining_since_ms.is_some()));
    assert_eq!(of_nodes(&model), []);
}
