use serde_json::json;
use voip_plan::status::FaultReason;

use super::*;
use crate::testing::{Store, refusal, scripted};

fn object(kind: &str, name: &str, owner: &str, rendered: bool) -> (Key, Arc<DynamicObject>) {
    let version = if kind == "DaemonSet" { "apps/v1" } else { "v1" };
    let annotations = if rendered { json!({RENDERED: "a"}) } else { json!({}) };
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": version, "kind": kind,
        "metadata": {
            "name": name, "namespace": "voip", "uid": format!("{name}-uid"), "annotations": annotations,
            "ownerReferences": [{"apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "name": "office", "uid": owner}],
        },
    }))
    .unwrap();
    (Key::of(&object), Arc::new(object))
}

fn path(key: &Key) -> String {
    format!("/api/v1/namespaces/voip/{}s/{}", key.kind.to_lowercase(), key.name)
}

fn stored(objects: &BTreeMap<Key, Arc<DynamicObject>>) -> Store {
    let store = Store::default();
    for (key, object) in objects {
        store.put(&path(key), serde_json::to_value(object.as_ref()).unwrap());
    }
    store
}

#[tokio::test]
async fn only_what_was_rendered_for_this_owner_and_is_no_more_goes() {
    let found = BTreeMap::from([
        object("Service", "stale", "u1", true),
        object("Service", "wanted", "u1", true),
        object("Service", "of-another-cluster", "u2", true),
        object("Secret", "made-once", "u1", false),
        object("DaemonSet", "with-calls", "u1", true),
    ]);
    let store = stored(&found);
    let wanted = found.keys().filter(|key| key.name == "wanted").cloned().collect();
    let owned = Owned::new(store.client(), "voip", "u1");
    assert_eq!(owned.prune(&wanted, &found).await, (1, vec![]));
    let left: Vec<&str> =
        found.keys().filter(|key| store.object(&path(key)).is_some()).map(|key| key.name.as_str()).collect();
    assert_eq!(left, ["with-calls", "made-once", "of-another-cluster", "wanted"]);
}

#[tokio::test]
async fn an_object_that_was_made_anew_by_somebody_else_stays() {
    let found = BTreeMap::from([object("Service", "stale", "u1", true)]);
    let store = stored(&found);
    let (key, mut again) = object("Service", "stale", "u1", true);
    Arc::make_mut(&mut again).metadata.uid = Some("another".to_owned());
    store.put(&path(&key), serde_json::to_value(again.as_ref()).unwrap());
    let (_, faults) = Owned::new(store.client(), "voip", "u1").prune(&BTreeSet::new(), &found).await;
    assert_eq!(faults, vec![]);
    assert!(store.object(&path(&key)).is_some());
}

#[tokio::test]
async fn what_cannot_be_deleted_is_told() {
    let found = BTreeMap::from([object("Service", "stale", "u1", true)]);
    let client =
        scripted(|_| async { refusal(403, "Forbidden", "User \"o\" cannot delete resource \"services\"") });
    let (deleted, faults) = Owned::new(client, "voip", "u1").prune(&BTreeSet::new(), &found).await;
    assert_eq!((deleted, faults.len()), (0, 1));
    assert_eq!((faults[0].reason, faults[0].action.as_str()), (FaultReason::Forbidden, "delete"));
}
