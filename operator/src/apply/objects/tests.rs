use serde_json::json;

use super::*;
use crate::testing::{Store, refusal, scripted};

const PATH: &str = "/api/v1/namespaces/voip/services/office-sip";

fn service(name: &str, fingerprint: &str, port: u16) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": name, "namespace": "voip", "labels": {"voip.dev/cluster": "office"},
            "annotations": {RENDERED: fingerprint},
            "ownerReferences": [{"apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "name": "office", "uid": "u1"}],
        },
        "spec": {"ports": [{"name": "udp", "port": port, "protocol": "UDP"}], "externalIPs": []},
    }))
    .unwrap()
}

fn owned(client: Client) -> Owned {
    Owned::new(client, "voip", "u1")
}

/// What a watch would show.
fn found(store: &Store) -> BTreeMap<Key, Arc<DynamicObject>> {
    let object: DynamicObject = serde_json::from_value(store.object(PATH).expect("stored")).unwrap();
    BTreeMap::from([(Key::of(&object), Arc::new(object))])
}

#[tokio::test]
async fn an_object_is_made_once_and_an_unchanged_world_is_not_asked_for_anything() {
    let store = Store::default();
    let wanted = [service("office-sip", "a", 5060)];
    assert_eq!(owned(store.client()).apply(&wanted, &BTreeMap::new()).await, (1, vec![]));
    let silent = scripted(|request| async move { panic!("{} {}", request.method, request.path) });
    assert_eq!(owned(silent).apply(&wanted, &found(&store)).await, (0, vec![]));
}

#[tokio::test]
async fn a_watch_that_lags_does_not_make_a_second_write() {
    let store = Store::default();
    let wanted = [service("office-sip", "a", 5060)];
    owned(store.client()).apply(&wanted, &BTreeMap::new()).await;
    assert_eq!(owned(store.client()).apply(&wanted, &BTreeMap::new()).await, (0, vec![]));
}

#[tokio::test]
async fn what_the_server_adds_is_let_be_and_a_change_by_hand_is_undone() {
    let store = Store::default();
    let wanted = [service("office-sip", "a", 5060)];
    owned(store.client()).apply(&wanted, &BTreeMap::new()).await;
    let mut live = store.object(PATH).unwrap();
    live["spec"]["clusterIP"] = json!("10.96.0.7");
    live["spec"]["ports"][0]["nodePort"] = json!(31_000);
    store.put(PATH, live.clone());
    assert_eq!(owned(store.client()).apply(&wanted, &found(&store)).await, (0, vec![]));
    live["spec"]["ports"][0]["port"] = json!(5061);
    store.put(PATH, live);
    assert_eq!(owned(store.client()).apply(&wanted, &found(&store)).await, (1, vec![]));
    assert_eq!(store.object(PATH).unwrap()["spec"]["ports"][0]["port"], 5060);
}

#[tokio::test]
async fn a_field_that_is_rendered_no_more_is_seen_by_the_fingerprint() {
    let store = Store::default();
    owned(store.client()).apply(&[service("office-sip", "a", 5060)], &BTreeMap::new()).await;
    let mut wanted = service("office-sip", "b", 5060);
    wanted.data = json!({"spec": {}});
    assert_eq!(owned(store.client()).apply(&[wanted], &found(&store)).await, (1, vec![]));
}

#[tokio::test]
async fn a_strangers_object_is_not_touched_and_the_others_are_made() {
    let store = Store::default();
    let stranger =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "office-sip", "uid": "x"}});
    store.put(PATH, stranger);
    let before = store.object(PATH);
    let wanted = [service("office-sip", "a", 5060), service("office-peers", "a", 8081)];
    let (writes, faults) = owned(store.client()).apply(&wanted, &BTreeMap::new()).await;
    assert_eq!(writes, 1);
    assert_eq!(faults.len(), 1);
    assert_eq!(
        (faults[0].reason, faults[0].object.as_str()),
        (FaultReason::ForeignObject, "Service office-sip")
    );
    assert_eq!(store.object(PATH), before);
}

#[tokio::test]
async fn what_a_former_cluster_left_is_waited_for() {
    let of =
        |kind: &str, uid: &str| json!([{"apiVersion": "x/v1", "kind": kind, "name": "office", "uid": uid}]);
    let cases = [
        (json!({"ownerReferences": of("VoipCluster", "u0")}), FaultReason::Conflict),
        (json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), FaultReason::Conflict),
        (json!({"ownerReferences": of("Application", "u0")}), FaultReason::ForeignObject),
    ];
    for (mut metadata, expected) in cases {
        let store = Store::default();
        metadata["name"] = json!("office-sip");
        store.put(PATH, json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata}));
        let before = store.object(PATH);
        let wanted = [service("office-sip", "a", 5060)];
        let (_, faults) = owned(store.client()).apply(&wanted, &BTreeMap::new()).await;
        assert_eq!(faults.iter().map(|it| it.reason).collect::<Vec<_>>(), [expected], "{metadata}");
        assert_eq!(store.object(PATH), before);
        store.remove(PATH);
        assert_eq!(owned(store.client()).apply(&wanted, &BTreeMap::new()).await, (1, vec![]));
    }
}

#[tokio::test]
async fn only_an_object_that_is_ours_is_forced() {
    for (ours, query) in [(false, "fieldManager=voip-operator"), (true, "force=true")] {
        let client = scripted(move |request| async move {
            match request.method {
                http::Method::GET if ours => {
                    (200, serde_json::to_value(service("office-sip", "a", 5061)).unwrap())
                }
                http::Method::GET => refusal(404, "NotFound", "not found"),
                _ => {
                    assert!(request.query.contains(query), "{}", request.query);
                    assert_eq!(request.query.contains("force=true"), ours, "{}", request.query);
                    (200, request.body)
                }
            }
        });
        assert_eq!(
            owned(client).apply(&[service("office-sip", "a", 5060)], &BTreeMap::new()).await,
            (1, vec![])
        );
    }
}

#[tokio::test]
async fn a_conflict_a_missing_right_and_a_quota_are_told_apart_and_stop_nothing() {
    let client = scripted(|request| async move {
        match (request.method, request.path.rsplit('/').next().unwrap_or_default()) {
            (http::Method::GET, _) => refusal(404, "NotFound", "not found"),
            (_, "conflict") => {
                refusal(409, "Conflict", "Apply failed with 1 conflict: conflict with \"kubectl\"")
            }
            (_, "right") => refusal(403, "Forbidden", "User \"o\" cannot patch resource \"services\""),
            (_, "quota") => {
                refusal(403, "Forbidden", "services \"quota\" is forbidden: exceeded quota: small")
            }
            (_, "down") => refusal(503, "ServiceUnavailable", "apiserver is shutting down"),
            _ => (200, request.body),
        }
    });
    let wanted = ["conflict", "right", "quota", "down", "good"].map(|name| service(name, "a", 5060));
    let (writes, faults) = owned(client).apply(&wanted, &BTreeMap::new()).await;
    let reasons: Vec<FaultReason> = faults.iter().map(|fault| fault.reason).collect();
    assert_eq!(writes, 1);
    assert_eq!(
        reasons,
        [
            FaultReason::Conflict,
            FaultReason::Forbidden,
            FaultReason::QuotaExceeded,
            FaultReason::ApiUnavailable
        ]
    );
}
