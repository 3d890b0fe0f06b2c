use serde_json::Value;
use voip_plan::status::FaultReason;

use super::*;
use crate::testing::{Store, refusal, scripted};

fn object(name: &str, component: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "voip", "uid": format!("{name}-uid"), "annotations": annotations,
            "labels": {"voip.dev/cluster": "office", "voip.dev/component": component},
        },
        "status": {"phase": "Running"},
    })
}

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/voip/pods/{name}")
}

fn stored(objects: &[Value]) -> (Store, Vec<core::Pod>) {
    let store = Store::default();
    for object in objects {
        store.put(&path(object["metadata"]["name"].as_str().unwrap()), object.clone());
    }
    let pods = objects.iter().map(|object| serde_json::from_value(object.clone()).unwrap()).collect();
    (store, pods)
}

fn wanted(component: Component) -> String {
    match component {
        Component::Signaling => "s2".to_owned(),
        Component::Media => "m1".to_owned(),
    }
}

#[tokio::test]
async fn only_pods_whose_documents_are_others_are_told() {
    let mut ending = object("ending", "signaling", &json!({CONFIG: "s1"}));
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let (store, pods) = stored(&[
        object("sip", "signaling", &json!({CONFIG: "s1", "kept": "x"})),
        object("fresh", "media", &json!({})),
        object("well", "media", &json!({CONFIG: "m1"})),
        ending,
        object("stranger", "other", &json!({})),
    ]);
    let before = store.writes();
    assert_eq!(announce(&store.client(), "voip", &pods, wanted).await, vec![]);
    assert_eq!(store.writes() - before, 2);
    let annotations = |name: &str| store.object(&path(name)).unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations("sip"), json!({CONFIG: "s2", "kept": "x"}));
    assert_eq!(annotations("fresh"), json!({CONFIG: "m1"}));
}

#[tokio::test]
async fn pods_that_are_gone_or_others_by_now_are_no_faults_and_are_not_touched() {
    let (store, pods) = stored(&[object("gone", "media", &json!({})), object("again", "media", &json!({}))]);
    store.remove(&path("gone"));
    let mut again = object("again", "media", &json!({}));
    again["metadata"]["uid"] = json!("another");
    store.put(&path("again"), again);
    let before = store.writes();
    assert_eq!(announce(&store.client(), "voip", &pods, wanted).await, vec![]);
    assert_eq!(store.writes(), before);
}

#[tokio::test]
async fn a_thousand_pods_are_all_told_and_each_refusal_is_a_fault() {
    let names: Vec<String> = (0..1000).map(|at| format!("media-{at}")).collect();
    let objects: Vec<Value> = names.iter().map(|name| object(name, "media", &json!({}))).collect();
    let (store, pods) = stored(&objects);
    assert_eq!(announce(&store.client(), "voip", &pods, wanted).await, vec![]);
    for name in &names {
        assert_eq!(store.object(&path(name)).unwrap()["metadata"]["annotations"][CONFIG], "m1");
    }
    let client =
        scripted(|_| async { refusal(403, "Forbidden", "User \"o\" cannot patch resource \"pods\"") });
    let faults = announce(&client, "voip", &pods[..20], wanted).await;
    assert_eq!(faults.len(), 20);
    assert_eq!((faults[0].reason, faults[0].object.as_str()), (FaultReason::Forbidden, "Pod media-0"));
}
