use std::sync::{Arc, Mutex};

use http::Method;
use tokio::sync::mpsc;
use voip_contract::node_admin::Role;
use voip_plan::status::FaultReason;
use voip_plan::{Component, DrainCause, Environment};

use super::*;
use crate::CLUSTER_LABEL;
use crate::testing::programs::{Program, authority, identity, office, report, soon, until};
use crate::testing::{Store, refusal, scripted};

const NOW_MS: u64 = 1_800_000_000_000;
const POD: &str = "/api/v1/namespaces/voip/pods/media-a";
/// UID of the VoipCluster.
const OWNER: &str = "c1";
const SET: &str = "/apis/apps/v1/namespaces/voip/daemonsets/media";

fn observed(draining_since_ms: Option<u64>) -> Observed {
    let pod = Pod {
        name: "media-a".to_owned(),
        uid: "u1".to_owned(),
        component: Component::Media,
        owner: "media".to_owned(),
        lease: None,
        rendered: String::new(),
        node: Some("w1".to_owned()),
        address: None,
        ready: true,
        ending: false,
        draining_since_ms,
        trouble: String::new(),
    };
    Observed { pods: vec![pod], ..Observed::empty(Environment::Kubernetes, NOW_MS) }
}

fn stored(uid: &str) -> Store {
    let store = Store::default();
    let pod = json!({"metadata": {"name": "media-a", "uid": uid, "annotations": {"kept": "x"}}});
    store.put(POD, pod);
    store
}

/// Carries out one order. Nobody has a session.
async fn alone(client: &Client, observed: &Observed, order: Order) -> Vec<Fault> {
    let sessions = Sessions::new(mpsc::channel(1).0);
    execute(client, &sessions, (&office(), OWNER), observed, &[order], Epoch(7)).await
}

fn drain() -> Order {
    Order::Drain { pod: "media-a".to_owned(), seconds: 600, cause: DrainCause::Asked }
}

fn bring_back() -> Order {
    Order::Return { pod: "media-a".to_owned() }
}

fn delete_pod() -> Order {
    Order::DeletePod { pod: "media-a".to_owned(), uid: "u1".to_owned() }
}

fn delete_set() -> Order {
    Order::DeleteDaemonSet { name: "media".to_owned() }
}

fn note(store: &Store) -> Value {
    store.object(POD).unwrap()["metadata"]["annotations"][DRAINING].clone()
}

#[tokio::test]
async fn a_drain_is_noted_once_and_taken_back() {
    let store = stored("u1");
    assert_eq!(alone(&store.client(), &observed(None), drain()).await, vec![]);
    assert_eq!(note(&store), NOW_MS.to_string());
    let writes = store.writes();
    assert_eq!(alone(&store.client(), &observed(Some(NOW_MS)), drain()).await, vec![]);
    assert_eq!(store.writes(), writes);
    assert_eq!(alone(&store.client(), &observed(Some(NOW_MS)), bring_back()).await, vec![]);
    assert_eq!(store.object(POD).unwrap()["metadata"]["annotations"], json!({"kept": "x"}));
}

/// The program of the pod, and sessions in which it was heard.
async fn heard() -> (Program, Sessions) {
    let ca = authority();
    let program = Program::start("media-a", Role::MediaNode, &ca).await;
    let sessions = Sessions::new(mpsc::channel(1).0);
    sessions.keep(&office(), &identity(&ca, Role::Operator), vec![program.target.clone()]);
    until(|| !sessions.reports(&office()).is_empty()).await;
    (program, sessions)
}

#[tokio::test]
async fn the_program_is_told_the_time_that_is_left_by_the_epoch_of_this_operator() {
    let (mut program, sessions) = heard().await;
    let store = stored("u1");
    let observed = observed(Some(NOW_MS - 540_000));
    execute(&store.client(), &sessions, (&office(), OWNER), &observed, &[drain()], Epoch(7)).await;
    let told = soon(program.orders.recv()).await.unwrap();
    assert!(matches!(told, NodeOrder::Drain { epoch: Epoch(7), seconds: 59..=60 }), "{told:?}");
    execute(&store.client(), &sessions, (&office(), OWNER), &observed, &[bring_back()], Epoch(7)).await;
    assert_eq!(soon(program.orders.recv()).await, Some(NodeOrder::Return { epoch: Epoch(7) }));
}

#[tokio::test]
async fn a_program_is_not_told_to_drain_before_it_is_noted() {
    let (mut program, sessions) = heard().await;
    let refuses = scripted(|_| async { refusal(503, "ServiceUnavailable", "the server is shutting down") });
    let order = async |client: &Client, order: Order| {
        execute(client, &sessions, (&office(), OWNER), &observed(None), &[order], Epoch(7)).await
    };
    assert_eq!(order(&refuses, drain()).await.len(), 1);
    // Orders come one after the other: had the first been given, it would be heard first.
    assert_eq!(order(&refuses, bring_back()).await, vec![]);
    assert_eq!(soon(program.orders.recv()).await, Some(NodeOrder::Return { epoch: Epoch(7) }));
    assert_eq!(order(&stored("u1").client(), drain()).await, vec![]);
    assert_eq!(soon(program.orders.recv()).await, Some(NodeOrder::Drain { epoch: Epoch(7), seconds: 600 }));
}

#[tokio::test]
async fn a_pod_that_is_another_by_now_is_neither_noted_nor_deleted() {
    let store = stored("u2");
    let before = (store.writes(), store.object(POD));
    for order in [drain(), delete_pod()] {
        assert_eq!(alone(&store.client(), &observed(None), order).await, vec![]);
    }
    assert_eq!((store.writes(), store.object(POD)), before);
}

/// The bodies of the deletions that `order` leads to.
async fn deletions(observed: &Observed, order: Order, found: Option<Value>) -> Vec<Value> {
    let store = stored("u1");
    if let Some(found) = found {
        store.put(SET, found);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let client = scripted({
        let seen = Arc::clone(&seen);
        move |asked| {
            let answer = store.answer(&asked);
            if asked.method == Method::DELETE {
                seen.lock().unwrap().push(asked.body);
            }
            async move { answer }
        }
    });
    assert_eq!(alone(&client, observed, order).await, vec![]);
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn a_pod_is_deleted_soon_when_its_program_has_no_calls_and_else_with_its_own_grace() {
    let silent = deletions(&observed(Some(NOW_MS)), delete_pod(), None).await;
    assert_eq!(
        (&silent[0]["preconditions"]["uid"], &silent[0]["gracePeriodSeconds"]),
        (&json!("u1"), &Value::Null)
    );
    for (calls, grace) in [(0, json!(IDLE_GRACE_SECONDS)), (1, Value::Null)] {
        let mut speaks = observed(Some(NOW_MS));
        speaks.reports.insert("media-a".to_owned(), report(calls));
        let told = deletions(&speaks, delete_pod(), None).await;
        assert_eq!(told[0]["gracePeriodSeconds"], grace, "{calls} calls");
    }
}

#[tokio::test]
async fn only_a_daemon_set_of_this_cluster_is_deleted_and_its_pods_with_it() {
    let set = |owner: &str| {
        let owner = json!({"apiVersion": "v1", "kind": "X", "name": "office", "uid": owner});
        Some(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {
            "name": "media", "uid": "d1", "labels": {CLUSTER_LABEL: "office"}, "ownerReferences": [owner]}}))
    };
    let gone = deletions(&observed(None), delete_set(), set(OWNER)).await;
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0]["preconditions"]["uid"], "d1");
    assert_eq!(gone[0]["propagationPolicy"], "Background");
    // Somebody else's, that carries our label to be found beside the office.
    assert_eq!(deletions(&observed(None), delete_set(), set("another")).await, Vec::<Value>::new());
    assert_eq!(deletions(&observed(None), delete_set(), None).await, Vec::<Value>::new());
}

#[tokio::test]
async fn every_refusal_is_a_fault_and_hinders_nothing_else() {
    let client = scripted(|_| async { refusal(403, "Forbidden", "User \"o\" cannot do it to resource") });
    let sessions = Sessions::new(mpsc::channel(1).0);
    let orders = [drain(), delete_pod(), delete_set()];
    let faults = execute(&client, &sessions, (&office(), OWNER), &observed(None), &orders, Epoch(7)).await;
    let told: Vec<(&str, &str)> = faults.iter().map(|it| (it.object.as_str(), it.action.as_str())).collect();
    assert_eq!(told, [("Pod media-a", "patch"), ("Pod media-a", "delete"), ("DaemonSet media", "read")]);
    assert!(faults.iter().all(|fault| fault.reason == FaultReason::Forbidden));
}

#[tokio::test]
async fn what_is_gone_needs_no_order() {
    let client = Store::default().client();
    let nobody = Observed::empty(Environment::Kubernetes, NOW_MS);
    for order in [drain(), bring_back(), delete_pod(), delete_set()] {
        assert_eq!(alone(&client, &nobody, order).await, vec![]);
    }
}

/// What a reconcile awaits must be able to change threads.
#[tokio::test]
async fn it_can_be_awaited_in_a_task() {
    let work = async {
        let (sessions, nobody) =
            (Sessions::new(mpsc::channel(1).0), Observed::empty(Environment::Kubernetes, 0));
        let client = Store::default().client();
        let told = crate::documents::announce(&client, "voip", &[], |_| String::new()).await;
        (told, execute(&client, &sessions, (&office(), OWNER), &nobody, &[bring_back()], Epoch(1)).await)
    };
    assert_eq!(tokio::spawn(work).await.unwrap(), (vec![], vec![]));
}
