use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::testing::{Asked, refusal, scripted};
use crate::world::watch_all;

/// The lists of a Kubernetes with one node and a VoipCluster in each of the namespaces a and b. The pod of the second has a
/// lease that no object knows.
fn listed(asked: &Asked) -> Value {
    let office = |namespace: &str| {
        json!({"apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "spec": {},
            "metadata": {"name": "office", "namespace": namespace, "uid": format!("uid-{namespace}")}})
    };
    let set = |name: &str, owner: &str| {
        json!({"metadata": {
            "name": name, "namespace": "a", "uid": name, "labels": {"voip.dev/cluster": "office"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "office", "uid": owner}],
        }})
    };
    let items = match asked.path.rsplit_once('/').unwrap_or_default() {
        (_, "nodes") => json!([{"metadata": {"name": "w1", "uid": "uid-w1"}}]),
        (of, "voipclusters") => json!([office(if of.ends_with("/a") { "a" } else { "b" })]),
        (of, "pods") if of.ends_with("/b") => json!([{
            "metadata": {
                "name": "media-b", "namespace": "b", "uid": "p1",
                "labels": {"voip.dev/cluster": "office", "voip.dev/component": "media"},
                "annotations": {names::LEASE: "b/office/default/0@w1", names::RTP: "16384-16447",
                    names::CONTROL: "29996,29997"},
            },
            "spec": {"nodeName": "w1", "containers": []},
            "status": {"phase": "Running"},
        }]),
        (of, "daemonsets") if of.ends_with("/a") => json!([set("ours", "uid-a"), set("theirs", "uid-x")]),
        _ => json!([]),
    };
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// What is watched of namespaces a and b once all of a was told; lists of b's pods are answered with `pods`.
async fn watched(pods: fn(&Asked) -> (u16, Value)) -> (Shared, Vec<Scope>, bool) {
    let client = scripted(move |asked| async move {
        match asked.path.as_str() {
            _ if asked.query.contains("watch=true") => std::future::pending().await,
            "/api/v1/namespaces/b/pods" => pods(&asked),
            _ => (200, listed(&asked)),
        }
    });
    let (shared, scopes, work) = watch_all(&client, &["a".to_owned(), "b".to_owned()]);
    let all_told = async {
        while !scopes[0].is_listed(&shared) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::select! {
        told = tokio::time::timeout(Duration::from_secs(5), all_told) => told.is_ok(),
        () = work => unreachable!("watches do not end"),
    };
    (shared, scopes, told)
}

fn seen_in_a(shared: &Shared, scopes: &[Scope]) -> Sight {
    let office = &scopes[0].clusters.all()[0];
    sight(office, shared, &scopes[0], (ReservedPorts::default(), &BTreeSet::new()), 0)
}

#[tokio::test]
async fn a_lost_lease_of_another_namespace_is_seen() {
    let (shared, scopes, told) = watched(|asked| (200, listed(asked))).await;
    assert!(told);
    let seen = seen_in_a(&shared, &scopes);
    let leases: Vec<_> = seen.observed.leases.iter().flat_map(|object| &object.spec.leases).collect();
    assert_eq!(leases.len(), 1);
    assert_eq!((leases[0].id.as_str(), leases[0].cluster_uid.as_str()), ("b/office/default/0@w1", "uid-b"));
    assert_eq!(seen.observed.pods, [], "pods of others are none of ours");
    assert_eq!(seen.leases, []);
}

#[tokio::test]
async fn a_daemon_set_with_our_label_and_another_owner_is_none_of_ours() {
    let (shared, scopes, told) = watched(|asked| (200, listed(asked))).await;
    assert!(told);
    let seen = seen_in_a(&shared, &scopes);
    assert_eq!(seen.found.keys().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["ours", "theirs"]);
    assert_eq!(seen.observed.media.keys().collect::<Vec<_>>(), ["ours"]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_another_namespace_are_waited_for_unless_they_may_not_be_listed() {
    let down = |_: &Asked| refusal(503, "ServiceUnavailable", "the server is starting");
    assert!(!watched(down).await.2);
    let forbidden =
        |_: &Asked| refusal(403, "Forbidden", "User \"o\" cannot list resource \"pods\" in namespace \"b\"");
    assert!(watched(forbidden).await.2);
}
