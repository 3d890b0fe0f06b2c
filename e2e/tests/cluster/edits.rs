//! What is edited in a VoipCluster is done, and nobody else's ports move for it.

use std::time::Duration;

use e2e::kubernetes::{Namespace, install_crds};
use e2e::leases::{Witness, held_spans};
use e2e::nodes::Nodes;
use e2e::office::Office;
use e2e::operator::Settings;
use serde_json::{Value, json};

/// No program answers here: a pod counts as drained 10 s after the deadline of its drain, which is at once.
const DRAINED: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(10);

fn pool(name: &str, nodes: &Value, calls: u32, on: &Nodes) -> Value {
    json!({"name": name, "nodes": nodes, "callsPerNode": calls, "template": on.template()})
}

fn spec(pools: &[Value]) -> Value {
    json!({"signaling": {"exposure": "ClusterIP"}, "media": {"pools": pools}, "drain": {"timeoutSeconds": 0}})
}

#[test]
fn cluster_b_pools_grow_shrink_come_and_go() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("edits"), Nodes::new("edits", 3));
    let [a, b, c] = [0, 1, 2].map(|nth| nodes.name(nth));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let two = pool("default", &json!(2), 50, &nodes);
    let office = Office::open(&namespace, "office", &spec(&[two]));
    office.until_condition("Ready", "True CallsPossible", SOON);
    office.until_media_on(&[a, b], SOON);
    let before = held_spans(&office.prefix());
    let witness = Witness::start();

    let three = pool("default", &json!("100%"), 50, &nodes);
    office.edit(&spec(&[three.clone(), pool("extra", &json!(1), 10, &nodes)]));
    office.until_media_on(&[a, a, b, c], SOON);
    office.until_pods_have_their_leases(SOON);
    let after = held_spans(&office.prefix());
    assert!(before.iter().all(|(id, spans)| after[id] == *spans), "{before:?} {after:?}");

    // The pool that goes, and the nodes that are too many, are drained first.
    office.edit(&spec(&[pool("default", &json!(1), 50, &nodes)]));
    office.until_condition("Progressing", "True DrainingMedia", SOON);
    office.until_media_on(&[a], DRAINED);
    office.until_pods_have_their_leases(SOON);
    office.until_condition("Progressing", "False UpToDate", SOON);
    assert_eq!(held_spans(&office.prefix()).len(), 1);
    witness.found_no_overlap(&[office.prefix()]);

    // 50 calls need 256 ports, 80 calls 384: the pod is replaced on more of them.
    office.edit(&spec(&[pool("default", &json!(1), 80, &nodes)]));
    let grown = e2e::wait::until("the lease has grown", DRAINED, || {
        let spans = held_spans(&office.prefix());
        let rtp = spans.values().next().map(|spans| spans[0]);
        rtp.filter(|(first, last)| last - first + 1 == 384).ok_or(spans)
    });
    office.until_pods_have_their_leases(DRAINED);
    office.until_condition("Progressing", "False UpToDate", SOON);
    assert_eq!(grown.0, before.values().next().unwrap()[0].0, "it has grown in its place");
}

#[test]
fn cluster_b_clusters_and_operators_share_nodes_without_an_overlap() {
    install_crds();
    let nodes = Nodes::new("shared", 2);
    let (ours, theirs) = (Namespace::new("ours"), Namespace::new("theirs"));
    let _our_operator = Settings::serving(&[ours.name()]).start();
    let _their_operator = Settings::serving(&[theirs.name()]).start();
    let witness = Witness::start();
    let of = |calls: u32| spec(&[pool("default", &json!(2), calls, &nodes)]);
    let offices = [
        Office::open(&ours, "one", &of(100)),
        Office::open(&ours, "two", &of(200)),
        Office::open(&theirs, "one", &of(300)),
    ];
    for office in &offices {
        office.until_pods_have_their_leases(SOON);
    }
    // The first cannot grow where it is: it moves, and nobody else does.
    offices[0].edit(&of(400));
    let grown = |spans: &Vec<(u64, u64)>| spans[0].1 - spans[0].0 + 1 == 1_792;
    e2e::wait::until("both leases have moved", DRAINED * 2, || {
        let spans = held_spans(&offices[0].prefix());
        if spans.values().all(grown) { Ok(()) } else { Err(spans) }
    });
    offices[0].until_pods_have_their_leases(DRAINED);
    for office in &offices[1..] {
        office.until_pods_have_their_leases(SOON);
    }
    witness.found_no_overlap(&[offices[1].prefix(), offices[2].prefix()]);
}
