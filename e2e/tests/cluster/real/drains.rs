//! media-nodes that must go while they have calls.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use e2e::kubernetes::kubectl;
use e2e::wait::until;
use serde_json::{Value, json};
use softphone::EndedBy;

use super::nodes::{NODES, Node};
use super::office::{Office, condition};
use super::operator::Operator;
use super::phones::{Phones, SOON, Talk};

/// `drain.timeoutSeconds` of an office.
const DEADLINE: Duration = Duration::from_secs(20);

/// One call on each node, in the nodes' order.
fn one_on_each(phones: &Phones) -> [Talk; 3] {
    let mut talks: Vec<Talk> = NODES.iter().map(|_| phones.talk()).collect();
    talks.sort_by_key(|talk| talk.relays()[0]);
    let relays: Vec<IpAddr> = talks.iter().map(|talk| talk.relays()[0]).collect();
    assert_eq!(relays, NODES.map(Node::address), "the calls are spread over all nodes");
    talks.try_into().unwrap_or_else(|_| unreachable!("three nodes, three calls"))
}

/// The uid of the media pod on each node.
fn media_pods(office: &Office) -> Vec<Value> {
    let mut pods = office.pods("media");
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pods.sort_by_key(|pod| pod["spec"]["nodeName"].to_string());
    pods.into_iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
}

/// Waits until the status says that the media-node of `node` is in `state`.
fn await_state(office: &Office, node: Node, state: &str) {
    until(&format!("{} is {state}", node.name()), Duration::from_secs(15), || {
        let cluster = office.cluster();
        let nodes = cluster["status"]["nodes"].as_array().cloned().unwrap_or_default();
        let found = |entry: &&Value| entry["name"] == node.name() && entry["state"] == state;
        if nodes.iter().any(|entry| found(&entry)) { Ok(()) } else { Err(nodes) }
    });
}

/// `talk` gets a BYE with Reason when the drain that began at `began` has reached its deadline, and not before.
fn assert_ended_at_the_deadline(talk: &Talk, began: Instant) {
    for side in [&talk.caller, &talk.callee] {
        let end = side.wait_ended(DEADLINE * 2).expect("BYE at the deadline");
        assert_eq!(end.by, EndedBy::Remote, "{end:?}");
        assert!(end.reason.is_some(), "{end:?}");
    }
    assert!(began.elapsed() + Duration::from_secs(1) >= DEADLINE, "{:?}", began.elapsed());
}

/// New calls land on one of `nodes`.
fn assert_new_calls_on(phones: &Phones, nodes: &[Node]) {
    let talks = [phones.talk(), phones.talk()];
    for talk in talks {
        let relay = talk.relays()[0];
        assert!(nodes.iter().any(|node| node.address() == relay), "{relay} is none of {nodes:?}");
        talk.hang_up();
    }
}

#[test]
fn cluster_c_a_rollout_of_media_nodes_waits_for_calls_until_the_deadline() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "rollout");
    let phones = Phones::register(&office);
    let [idle, leaver, stayer] = one_on_each(&phones);
    idle.hang_up();
    let before = media_pods(&office);
    let mut spec = office.host_spec();
    spec["updates"] = json!({"maxUnavailable": 2});
    spec["media"]["pools"][0]["template"] = json!({"metadata": {"annotations": {"example.com/round": "2"}}});
    let began = Instant::now();
    office.apply(&spec);
    for node in [Node(2), Node(3)] {
        await_state(&office, node, "Draining");
    }
    until("the idle media-node is replaced", SOON, || {
        let pods = media_pods(&office);
        if pods.len() == 3 && pods[0] != before[0] { Ok(()) } else { Err(pods) }
    });
    await_state(&office, Node(1), "Ready");
    assert_new_calls_on(&phones, &[Node(1)]);
    leaver.assert_bit_for_bit();
    leaver.hang_up();
    assert_ended_at_the_deadline(&stayer, began);
    until("every media-node is replaced", Duration::from_secs(30), || {
        let cluster = office.cluster();
        let replaced = media_pods(&office).iter().zip(&before).filter(|(new, old)| new != old).count();
        let done = condition(&cluster, "Progressing")["status"] == "False";
        if replaced == 3 && done { Ok(()) } else { Err(format!("{replaced}: {:#}", cluster["status"])) }
    });
    phones.talk().hang_up();
    office.records.await_answered(3 + 2 + 1, SOON);
}

#[test]
fn cluster_c_kubectl_drain_empties_the_media_node_of_the_node_and_uncordon_brings_it_back() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "drain");
    let sip = office.server().ip();
    let node = [Node(3), Node(2)].into_iter().find(|node| node.address() != sip).expect("one of two");
    let rest: Vec<Node> = NODES.into_iter().filter(|other| *other != node).collect();
    let phones = Phones::register(&office);
    let talks = one_on_each(&phones);
    let began = Instant::now();
    let guard = Cordoned(node);
    kubectl(&["drain", &node.name(), "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"]).ok();
    await_state(&office, node, "Draining");
    assert_new_calls_on(&phones, &rest);
    for talk in &talks {
        let on_node = talk.relays()[0] == node.address();
        if on_node {
            assert_ended_at_the_deadline(talk, began);
        }
    }
    for talk in talks.iter().filter(|talk| talk.relays()[0] != node.address()) {
        talk.assert_bit_for_bit();
        talk.hang_up();
    }
    drop(guard);
    await_state(&office, node, "Ready");
    until("new calls land there again", SOON, || {
        let again = one_on_each_or_fewer(&phones);
        if again.contains(&node.address()) { Ok(()) } else { Err(again) }
    });
}

/// Where three calls at a time land.
fn one_on_each_or_fewer(phones: &Phones) -> Vec<IpAddr> {
    let talks: Vec<Talk> = NODES.iter().map(|_| phones.talk()).collect();
    let relays = talks.iter().map(|talk| talk.relays()[0]).collect();
    talks.iter().for_each(Talk::hang_up);
    relays
}

/// A node that is cordoned, until dropped.
struct Cordoned(Node);

impl Drop for Cordoned {
    fn drop(&mut self) {
        kubectl(&["uncordon", &self.0.name()]);
    }
}
