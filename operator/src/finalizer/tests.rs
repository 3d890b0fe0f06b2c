use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use voip_api::RtpPortLease;
use voip_contract::node_admin::Role;
use voip_plan::status::FaultReason;
use voip_plan::{Environment, LeaseKey, MediaWorkload};

use super::*;
use crate::testing::programs::{Program, authority, identity, office, report, soon, until};
use crate::testing::{Store, refusal, scripted};

const DELETED_MS: u64 = 1_800_000_000_000;
const CLUSTER: &str = "/apis/voip.dev/v1alpha1/namespaces/voip/voipclusters/office";
const LEASES: &str = "/apis/voip.dev/v1alpha1/rtpportleases/node.w1";
const OURS: &str = "voip/office/default/0@w1";
const THEIRS: &str = "voip/other/default/0@w1";

fn cluster(finalizers: &[&str]) -> Value {
    json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "spec": {},
        "metadata": {"name": "office", "namespace": "voip", "uid": "c1", "finalizers": finalizers,
            "deletionTimestamp": "2027-01-15T08:00:00Z"},
    })
}

fn lease(id: &str, cluster: &str) -> Value {
    json!({"id": id, "clusterUID": cluster, "nodeUID": "n1", "state": "Active",
        "rtp": {"start": 16_384, "length": 64}, "control": {"start": 29_996, "length": 2}})
}

fn ours() -> LeaseKey {
    LeaseKey { id: OURS.to_owned(), control: Some(29_996) }
}

fn lease_object(leases: &[Value]) -> Value {
    json!({"apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": "node.w1"},
        "spec": {"space": {"type": "Node", "name": "w1"}, "leases": leases}})
}

/// A server that has the VoipCluster and its leases.
fn server(leases: &[Value]) -> Store {
    let store = Store::default();
    store.put(CLUSTER, cluster(&["somebody.else/first", FINALIZER]));
    store.put(LEASES, lease_object(leases));
    store
}

fn pod(name: &str, component: Component, ready: bool) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("{name}-uid"),
        component,
        owner: String::new(),
        lease: None,
        rendered: String::new(),
        node: Some("w1".to_owned()),
        address: None,
        ready,
        ending: false,
        draining_since_ms: None,
        trouble: String::new(),
    }
}

fn sip(ready: bool) -> Pod {
    pod("sip", Component::Signaling, ready)
}

/// The world of `store` so long after the deletion.
fn observed(store: &Store, after_seconds: u64, pods: Vec<Pod>) -> Observed {
    let now_ms = DELETED_MS + after_seconds * 1000;
    let leases = store.object(LEASES).map(|object| serde_json::from_value(object).unwrap());
    Observed {
        pods,
        leases: leases.into_iter().collect(),
        ..Observed::empty(Environment::Kubernetes, now_ms)
    }
}

fn says(service: Service, calls: u32) -> BTreeMap<String, NodeReport> {
    BTreeMap::from([("sip".to_owned(), NodeReport { service, ..report(calls) })])
}

type Found = BTreeMap<Key, DynamicObject>;

fn object(kind: &str, name: &str, owner: &str) -> (Key, DynamicObject) {
    let object: DynamicObject = serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "voip", "uid": format!("{name}-uid"),
            "ownerReferences": [{"apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "name": "o", "uid": owner}],
        },
    }))
    .unwrap();
    (Key { kind: kind.to_owned(), name: name.to_owned() }, object)
}

fn path(key: &Key) -> String {
    let group = if key.kind == "Service" || key.kind == "Secret" { "api/v1" } else { "apis/apps/v1" };
    format!("/{group}/namespaces/voip/{}s/{}", key.kind.to_lowercase(), key.name)
}

async fn end(client: &Client, observed: &Observed, found: &Found) -> (Ending, Vec<Fault>) {
    let sessions = Sessions::new(mpsc::channel(1).0);
    end_with(client, &sessions, observed, found).await
}

async fn end_with(
    client: &Client,
    sessions: &Sessions,
    observed: &Observed,
    found: &Found,
) -> (Ending, Vec<Fault>) {
    let cluster = serde_json::from_value(cluster(&["somebody.else/first", FINALIZER])).unwrap();
    Deletion { client, sessions, cluster: &cluster, observed, epoch: Epoch(7) }.end(found).await
}

fn finalizers(store: &Store) -> Value {
    store.object(CLUSTER).unwrap()["metadata"]["finalizers"].clone()
}

#[tokio::test]
async fn callers_are_refused_and_calls_have_forty_seconds() {
    let ca = authority();
    let mut program = Program::start("sip", Role::SipNode, &ca).await;
    let sessions = Sessions::new(mpsc::channel(1).0);
    sessions.keep(&office(), &identity(&ca, Role::Operator), vec![program.target.clone()]);
    until(|| !sessions.reports(&office()).is_empty()).await;
    let store = server(&[]);
    let found = Found::from([object("Deployment", "office-sip", "c1")]);
    let mut world = observed(&store, 10, vec![sip(true)]);
    world.reports = says(Service::Serving, 0);
    let looked = end_with(&store.client(), &sessions, &world, &found).await;
    assert_eq!(looked, (Ending::Wait(LOOK), vec![]));
    let told = soon(program.orders.recv()).await.unwrap();
    assert!(matches!(told, NodeOrder::Drain { epoch: Epoch(7), seconds: 29..=30 }), "{told:?}");
}

/// Whether calls are waited for.
async fn waits(after_seconds: u64, pods: Vec<Pod>, reports: BTreeMap<String, NodeReport>) -> bool {
    let store = server(&[]);
    let (key, object) = object("Deployment", "office-sip", "c1");
    store.put(&path(&key), serde_json::to_value(&object).unwrap());
    let world = Observed { reports, ..observed(&store, after_seconds, pods) };
    end(&store.client(), &world, &Found::from([(key.clone(), object)])).await;
    store.object(&path(&key)).is_some()
}

#[tokio::test]
async fn calls_are_waited_for_until_there_are_none_or_the_time_is_over() {
    assert!(waits(1, vec![sip(true)], says(Service::Serving, 0)).await, "it may not have heard the order");
    assert!(waits(49, vec![sip(true)], says(Service::Draining, 1)).await);
    assert!(!waits(50, vec![sip(true)], says(Service::Draining, 1)).await);
    assert!(!waits(1, vec![sip(true)], says(Service::Draining, 0)).await);
    assert!(!waits(1, vec![sip(true)], says(Service::Drained, 0)).await);
}

#[tokio::test]
async fn a_sip_node_that_is_not_heard_is_waited_for_as_long_as_it_may_have_calls() {
    assert!(waits(49, vec![sip(true)], BTreeMap::new()).await);
    assert!(waits(4, vec![sip(false)], BTreeMap::new()).await);
    assert!(!waits(5, vec![sip(false)], BTreeMap::new()).await);
    assert!(!waits(0, vec![pod("media", Component::Media, true)], BTreeMap::new()).await);
}

/// What was made for the VoipCluster, and what was not.
fn made(store: &Store) -> Found {
    let found = Found::from([
        object("DaemonSet", "office-media", "c1"),
        object("Deployment", "office-sip", "c1"),
        object("Service", "office-peers", "c1"),
        object("Secret", "office-ca", "c1"),
        object("Service", "of-another", "c2"),
    ]);
    for (key, object) in &found {
        store.put(&path(key), serde_json::to_value(object).unwrap());
    }
    found
}

/// Names of those that are still there.
fn left<'a>(store: &Store, found: &'a Found) -> Vec<&'a str> {
    let there = found.keys().filter(|key| store.object(&path(key)).is_some());
    there.map(|key| key.name.as_str()).collect()
}

#[tokio::test]
async fn workloads_of_this_owner_go_first_then_its_services_and_nothing_else() {
    let store = server(&[]);
    let found = made(&store);
    let media = pod("media", Component::Media, true);
    let leaving = Pod { ending: true, ..sip(true) };
    for pods in [vec![sip(true), media.clone()], vec![leaving]] {
        let world = Observed { reports: says(Service::Drained, 0), ..observed(&store, 3, pods) };
        assert_eq!(end(&store.client(), &world, &found).await, (Ending::Wait(LOOK), vec![]));
        assert_eq!(left(&store, &found), ["office-ca", "of-another", "office-peers"], "it still answers");
    }
    let world = observed(&store, 5, vec![media]);
    assert_eq!(end(&store.client(), &world, &found).await, (Ending::Wait(LOOK), vec![]));
    assert_eq!(left(&store, &found), ["office-ca", "of-another"]);
    assert_eq!(finalizers(&store), json!(["somebody.else/first", FINALIZER]));
}

#[tokio::test]
async fn services_go_after_a_minute_whoever_still_runs() {
    let store = server(&[]);
    let found = made(&store);
    assert_eq!(
        end(&store.client(), &observed(&store, 59, vec![sip(true)]), &found).await.0,
        Ending::Wait(LOOK)
    );
    assert_eq!(left(&store, &found), ["office-ca", "of-another", "office-peers"]);
    assert_eq!(
        end(&store.client(), &observed(&store, 60, vec![sip(true)]), &found).await,
        (Ending::Over, vec![])
    );
    assert_eq!(left(&store, &found), ["office-ca", "of-another"]);
}

#[tokio::test]
async fn ports_of_pods_that_were_seen_to_end_are_free_and_the_cluster_goes() {
    let store = server(&[lease(OURS, "c1"), lease(THEIRS, "c2")]);
    let world = Observed { ended: BTreeSet::from([ours()]), ..observed(&store, 8, vec![]) };
    assert_eq!(end(&store.client(), &world, &Found::new()).await, (Ending::Over, vec![]));
    assert_eq!(finalizers(&store), json!(["somebody.else/first"]));
    assert_eq!(store.object(LEASES).unwrap()["spec"]["leases"], json!([lease(THEIRS, "c2")]));
}

#[tokio::test]
async fn after_a_minute_nobody_waits_and_ports_of_pods_that_may_run_are_quarantined() {
    let store = server(&[lease(OURS, "c1"), lease(THEIRS, "c2")]);
    let pods = vec![pod("media", Component::Media, true)];
    let waiting = observed(&store, 59, pods.clone());
    assert_eq!(end(&store.client(), &waiting, &Found::new()).await, (Ending::Wait(LOOK), vec![]));
    let late = observed(&store, 60, pods);
    assert_eq!(end(&store.client(), &late, &Found::new()).await, (Ending::Over, vec![]));
    let object: RtpPortLease = serde_json::from_value(store.object(LEASES).unwrap()).unwrap();
    let states: Vec<_> = object.spec.leases.iter().map(|lease| (lease.id.as_str(), lease.state)).collect();
    assert_eq!(states, [(OURS, voip_api::LeaseState::Quarantined), (THEIRS, voip_api::LeaseState::Active)]);
    // The default drain of 600 s, and 120 s more.
    let free = object.spec.leases[0].release_after.as_ref().map(|time| time.0.as_millisecond());
    assert_eq!(free, Some(i64::try_from(DELETED_MS).unwrap() + 60_000 + 720_000));
}

#[tokio::test]
async fn a_daemon_set_that_is_still_there_may_make_a_pod_and_is_waited_for() {
    let store = server(&[lease(OURS, "c1")]);
    let mut world = observed(&store, 10, vec![]);
    world.media.insert("office-media".to_owned(), MediaWorkload::default());
    assert_eq!(end(&store.client(), &world, &Found::new()).await, (Ending::Wait(LOOK), vec![]));
    assert_eq!(store.object(LEASES).unwrap()["spec"]["leases"], json!([lease(OURS, "c1")]));
}

#[tokio::test]
async fn what_is_not_ours_to_end_any_more_is_over() {
    let nothing = Store::default();
    let world = Observed::empty(Environment::Kubernetes, DELETED_MS);
    assert_eq!(end(&nothing.client(), &world, &Found::new()).await, (Ending::Over, vec![]));
}

#[tokio::test]
async fn somebody_who_writes_at_the_same_time_is_let_first() {
    let store = server(&[lease(OURS, "c1")]);
    let world = Observed { ended: BTreeSet::from([ours()]), ..observed(&store, 8, vec![]) };
    let theirs = lease_object(&[lease(OURS, "c1"), lease(THEIRS, "c2")]);
    store.put(LEASES, theirs);
    assert_eq!(end(&store.client(), &world, &Found::new()).await, (Ending::Wait(OVERTAKEN), vec![]));
    assert_eq!(finalizers(&store), json!(["somebody.else/first", FINALIZER]));
    // The first finalizer is gone meanwhile: the second place is another's.
    store.put(CLUSTER, cluster(&[FINALIZER, "somebody.else/second"]));
    let world = observed(&store, 60, vec![]);
    assert_eq!(end(&store.client(), &world, &Found::new()).await, (Ending::Wait(OVERTAKEN), vec![]));
    assert_eq!(finalizers(&store), json!([FINALIZER, "somebody.else/second"]));
}

#[tokio::test]
async fn refusals_are_told_and_do_not_hold_the_cluster_for_ever() {
    let store = server(&[lease(OURS, "c1")]);
    let behind = store.clone();
    let client = scripted(move |asked| {
        let refused = asked.path == LEASES || asked.path.contains("/services/");
        let answer = if refused {
            refusal(403, "Forbidden", "User \"o\" cannot do it to resource")
        } else {
            behind.answer(&asked)
        };
        async move { answer }
    });
    let found = Found::from([object("Service", "office-sip", "c1")]);
    let (ending, faults) = end(&client, &observed(&store, 20, vec![]), &found).await;
    assert_eq!(ending, Ending::Wait(LOOK));
    assert_eq!((faults.len(), faults[0].reason), (1, FaultReason::Forbidden));
    assert_eq!(faults[0].object, "Service office-sip");
    let (ending, faults) = end(&client, &observed(&store, 60, vec![]), &found).await;
    assert_eq!((ending, faults.len()), (Ending::Over, 2), "{faults:?}");
    assert_eq!(finalizers(&store), json!(["somebody.else/first"]));
}

/// As it is where only some namespaces are served and one of them is deleted: its Role is gone before its VoipCluster.
#[tokio::test]
async fn without_any_right_in_its_namespace_but_that_to_its_finalizers_the_cluster_ends() {
    let store = server(&[lease(OURS, "c1")]);
    let behind = store.clone();
    let client = scripted(move |asked| {
        let is_ours = [CLUSTER, LEASES].contains(&asked.path.as_str());
        let answer = if is_ours {
            behind.answer(&asked)
        } else {
            refusal(403, "Forbidden", "User \"o\" cannot do it to resource")
        };
        async move { answer }
    });
    let mut world = observed(&store, 60, vec![sip(true), pod("media", Component::Media, true)]);
    world.media.insert("office-media".to_owned(), MediaWorkload::default());
    let found = made(&store);
    let (ending, faults) = end(&client, &world, &found).await;
    assert_eq!(ending, Ending::Over);
    assert!(
        !faults.is_empty() && faults.iter().all(|fault| fault.reason == FaultReason::Forbidden),
        "{faults:?}"
    );
    assert_eq!(finalizers(&store), json!(["somebody.else/first"]));
}
