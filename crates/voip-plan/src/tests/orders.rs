//! Orders: what is drained and deleted, when, and when not.

mod due;
mod foreign;
mod histories;
mod model;
mod nodes;

use serde_json::{Value, json};

use super::world::{cluster, nodes};
use crate::objects::names::DRAIN;
use crate::*;
use model::Model;

fn spec(more: &Value) -> Value {
    let mut spec = json!({"media": {"pools": [{"name": "default", "nodes": 3, "callsPerNode": 50}]}, "drain": {"timeoutSeconds": 60}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// Three media-nodes that serve.
fn serving(more: &Value) -> Model {
    let mut model = Model::new(cluster(spec(more)), nodes(3));
    model.settle();
    assert_eq!(model.observed.pods.len(), 3);
    model
}

impl Model {
    fn spec(&mut self, more: &Value) {
        self.resources.cluster.spec = serde_json::from_value(spec(more)).unwrap();
    }

    /// Rounds until the newest templates are applied; the orders of the last.
    fn next(&mut self) -> Vec<Order> {
        self.round();
        self.round()
    }
}

fn drained(orders: &[Order], why: DrainCause) -> Vec<&str> {
    let mut drained = Vec::new();
    for order in orders {
        match order {
            Order::Drain { pod, cause, .. } if *cause == why => drained.push(pod.as_str()),
            _ => {}
        }
    }
    drained
}

fn deleted(orders: &[Order]) -> Vec<&str> {
    let mut deleted = Vec::new();
    for order in orders {
        match order {
            Order::DeletePod { pod: name, .. } | Order::DeleteDaemonSet { name } => {
                deleted.push(name.as_str());
            }
            _ => {}
        }
    }
    deleted
}

#[test]
fn nothing_is_ordered_where_all_is_as_asked_for() {
    let mut model = serving(&json!({}));
    assert_eq!(model.round(), []);
}

#[test]
fn a_new_template_replaces_one_after_the_other_once_their_calls_are_over() {
    let mut model = serving(&json!({}));
    let old: Vec<String> = model.observed.pods.iter().map(|pod| pod.name.clone()).collect();
    model.calls.extend(old.iter().map(|pod| (pod.clone(), 2)));
    model.release.media_image = "media:2".to_owned();
    assert_eq!(model.round(), [], "the template is not there yet");
    let orders = model.round();
    let pod = drained(&orders, DrainCause::Update)[0].to_owned();
    assert_eq!(orders, [Order::Drain { pod: pod.clone(), seconds: 60, cause: DrainCause::Update }]);
    assert_eq!(model.round(), orders, "it is said again");
    model.calls.remove(&pod);
    assert_eq!(deleted(&model.round()), [pod.as_str()]);
    assert_eq!(model.round(), [], "it ends");
    model.kubelets();
    let next = model.round();
    assert_eq!(drained(&next, DrainCause::Update).len(), 1);
    assert!(old.iter().any(|old| *old == drained(&next, DrainCause::Update)[0]) && next != orders);
    model.calls.clear();
    model.settle();
    assert!(model.observed.pods.iter().all(|pod| !old.contains(&pod.name)));
}

#[test]
fn calls_are_not_waited_for_beyond_the_deadline() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    model.calls.extend(model.observed.pods.iter().map(|pod| (pod.name.clone(), 1)));
    let pod = drained(&model.next(), DrainCause::Update)[0].to_owned();
    model.observed.now_ms += 69_999;
    assert_eq!(deleted(&model.round()), [""; 0]);
    model.observed.now_ms += 1;
    assert_eq!(deleted(&model.round()), [pod.as_str()]);
}

#[test]
fn a_report_from_before_the_order_does_not_count() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    let pod = drained(&model.next(), DrainCause::Update)[0].to_owned();
    let valid = validate(&model.resources, &model.observed).unwrap();
    let planned = plan(&valid, &model.observed);
    // It was made while the pod served and had no call; one may have come since.
    model.observed.reports.get_mut(&pod).unwrap().service = voip_contract::node_admin::Service::Serving;
    model.pod(&pod).draining_since_ms = Some(model.observed.now_ms);
    let after = |observed: &Observed| orders(&valid, &planned, observed, &model.release);
    assert_eq!(drained(&after(&model.observed), DrainCause::Update), [pod.as_str()]);
    let mut observed = model.observed.clone();
    observed.now_ms += 5_000;
    assert_eq!(deleted(&after(&observed)), [pod.as_str()]);
}

#[test]
fn as_many_at_a_time_as_may_be_down() {
    for (most, expected) in [(json!(1), 1), (json!(2), 2), (json!("70%"), 2), (json!("1%"), 1), (json!(9), 3)]
    {
        let mut model = serving(&json!({"updates": {"maxUnavailable": most}}));
        model.calls.extend(model.observed.pods.iter().map(|pod| (pod.name.clone(), 1)));
        model.release.media_image = "media:2".to_owned();
        assert_eq!(drained(&model.next(), DrainCause::Update).len(), expected, "{most}");
    }
}

#[test]
fn a_pod_that_is_down_takes_a_place_and_one_on_a_lost_node_does_not() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    let pod = drained(&model.next(), DrainCause::Update)[0].to_owned();
    let node = model.pod(&pod).node.clone().unwrap();
    assert_eq!(deleted(&model.round()), [pod.as_str()]);
    model.kubelets();
    let newer = model.on(&node);
    model.pod(&newer).ready = false;
    assert_eq!(model.round(), [], "what broke the first would break the next");
    model.node(&node).ready = false;
    assert_eq!(drained(&model.round(), DrainCause::Update).len(), 1);
}

#[test]
fn a_pod_that_does_not_start_is_replaced_at_once() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    model.calls.extend(model.observed.pods.iter().map(|pod| (pod.name.clone(), 1)));
    let name = model.on("w2");
    let pod = model.pod(&name);
    (pod.ready, pod.trouble) = (false, "ImagePullBackOff: no such image".to_owned());
    assert_eq!(deleted(&model.next()), [name.as_str()]);
}

#[test]
fn a_pod_on_a_lost_node_is_left_alone() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    model.node("w2").ready = false;
    let lost = model.on("w2");
    for _ in 0..20 {
        let orders = model.round();
        model.kubelets();
        model.observed.now_ms += 60_000;
        assert!(!format!("{orders:?}").contains(&lost), "{orders:?}");
    }
    let newest = |model: &Model, pod: &Pod| pod.rendered == model.observed.media[&pod.owner].rendered;
    assert_eq!(model.observed.pods.iter().filter(|pod| !newest(&model, pod)).count(), 1);
    model.node("w2").ready = true;
    model.settle();
    assert!(model.observed.pods.iter().all(|pod| newest(&model, pod)));
}

#[test]
fn nothing_is_replaced_or_removed_while_updates_are_paused() {
    let paused = json!({"updates": {"paused": true}, "media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 500}]}, "network": {"portRange": "20000-29999"}});
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    model.spec(&paused);
    assert_eq!((model.round(), model.round()), (vec![], vec![]));
    // What drained for it returns.
    let mut model = serving(&json!({}));
    model.calls.extend(model.observed.pods.iter().map(|pod| (pod.name.clone(), 1)));
    model.release.media_image = "media:2".to_owned();
    let pod = drained(&model.next(), DrainCause::Update)[0].to_owned();
    model.spec(&paused);
    assert_eq!(model.round(), [Order::Return { pod }]);
    assert_eq!(model.round(), []);
    // Nodes leave all the same.
    model.node("w1").cordoned = true;
    assert_eq!(drained(&model.round(), DrainCause::NodeLeaves), [model.on("w1").as_str()]);
}

#[test]
fn a_node_that_leaves_is_drained_and_its_pod_stays_until_it_returns() {
    type Change = fn(&mut Node, Option<Taint>);
    let taint = |key: &str| Taint {
        key: key.to_owned(),
        value: String::new(),
        effect: voip_api::TaintEffect::NoSchedule,
    };
    let cases: [(Change, Option<&str>); 3] = [
        (|node, taint| node.cordoned = taint.is_none(), None),
        (|node, taint| node.taints = taint.into_iter().collect(), Some("ToBeDeletedByClusterAutoscaler")),
        (|node, taint| node.taints = taint.into_iter().collect(), Some("karpenter.sh/disrupted")),
    ];
    for (change, key) in cases {
        let mut model = serving(&json!({}));
        change(model.node("w2"), key.map(taint));
        let pod = model.on("w2");
        for _ in 0..3 {
            let expected = Order::Drain { pod: pod.clone(), seconds: 60, cause: DrainCause::NodeLeaves };
            assert_eq!(model.round(), [expected]);
            model.observed.now_ms += 100_000;
        }
        model.node("w2").cordoned = false;
        model.node("w2").taints.clear();
        assert_eq!(model.round(), [Order::Return { pod }]);
        assert_eq!(model.round(), []);
    }
}

#[test]
fn a_program_that_drains_for_nobody_is_told_to_return() {
    let model = serving(&json!({}));
    let valid = validate(&model.resources, &model.observed).unwrap();
    let planned = plan(&valid, &model.observed);
    let pod = model.on("w2");
    let after = |change: fn(&mut Pod)| {
        let mut observed = model.observed.clone();
        observed.reports.get_mut(&pod).unwrap().service = voip_contract::node_admin::Service::Draining;
        observed.pods.iter_mut().filter(|one| one.name == pod).for_each(change);
        orders(&valid, &planned, &observed, &model.release)
    };
    assert_eq!(after(|_| {}), [Order::Return { pod: pod.clone() }]);
    assert_eq!(after(|pod| pod.ending = true), []);
}

#[test]
fn an_annotation_asks_for_a_drain() {
    let mut model = serving(&json!({}));
    let annotate = |model: &mut Model, value: &str| {
        let annotations = model.resources.cluster.metadata.annotations.get_or_insert_default();
        annotations.insert(DRAIN.to_owned(), value.to_owned());
    };
    annotate(&mut model, "w3, w1,,nowhere");
    let orders = model.round();
    assert_eq!(drained(&orders, DrainCause::Asked).len(), 2);
    assert_eq!(orders.len(), 2);
    annotate(&mut model, "w3");
    assert!(model.round().contains(&Order::Return { pod: model.on("w1") }));
}

#[test]
fn who_is_not_wanted_is_drained_and_goes() {
    let mut model = serving(&json!({}));
    let pod = model.on("w3");
    model.calls.insert(pod.clone(), 1);
    model.spec(&json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 50}]}}));
    assert_eq!(drained(&model.round(), DrainCause::Removed), [pod.as_str()]);
    model.calls.clear();
    let set = model.pod(&pod).owner.clone();
    assert_eq!(model.round(), [Order::DeleteDaemonSet { name: set }]);
    model.settle();
    assert_eq!(model.observed.pods.len(), 2);
    assert_eq!(model.observed.leases.len(), 2, "its ports are free");
}

#[test]
fn a_daemon_set_of_a_node_that_is_gone_goes_with_its_pod() {
    let mut model = serving(&json!({}));
    model.observed.nodes.pop();
    let orders = model.round();
    assert_eq!(orders, [], "its pod may still run");
    model.kubelets();
    assert_eq!(deleted(&model.round()).len(), 1);
}

#[test]
fn ports_move_when_the_pod_has_ended_and_not_before() {
    let mut model = serving(&json!({}));
    assert_eq!(model.ports_on("w1"), "16384-16639");
    let pods: Vec<String> = ["w1", "w2", "w3"].map(|node| model.on(node)).into();
    model.calls.extend(pods.iter().map(|pod| (pod.clone(), 1)));
    model.spec(&json!({"network": {"portRange": "20000-29999"}}));
    let orders = model.round();
    assert_eq!(drained(&orders, DrainCause::Removed).len(), 1, "one at a time: {orders:?}");
    let pod = drained(&orders, DrainCause::Removed)[0].to_owned();
    model.calls.remove(&pod);
    let set = model.pod(&pod).owner.clone();
    assert_eq!(deleted(&model.round()), [set.as_str()]);
    // Its pod still ends: the DaemonSet is not made again, and the lease stays.
    let leases = model.observed.leases.clone();
    assert_eq!(model.round(), []);
    assert_eq!(model.observed.leases, leases);
    assert!(!model.observed.media.contains_key(&set));
    model.round();
    assert!(!model.observed.media.contains_key(&set));
    model.calls.clear();
    model.settle();
    for node in ["w1", "w2", "w3"] {
        assert_eq!(model.ports_on(node), "20000-20255");
    }
}

#[test]
fn a_lease_for_which_there_is_no_room_keeps_its_pod() {
    let mut model = serving(&json!({"network": {"portRange": "20000-20300"}}));
    model.spec(&json!({"network": {"portRange": "20000-20300"}, "media": {"pools": [{"name": "default", "nodes": 3, "callsPerNode": 100}]}}));
    model.settle();
    assert_eq!(model.ports_on("w1"), "20000-20255");
    let valid = validate(&model.resources, &model.observed).unwrap();
    let plan = plan(&valid, &model.observed);
    assert_eq!(plan.advice[0].reason, Reason::PoolShort, "{:?}", plan.advice);
    assert_eq!(plan.media[0].capacity, 58);
}
