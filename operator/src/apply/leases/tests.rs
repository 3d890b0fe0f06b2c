use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use kube::Client;
use serde_json::json;
use voip_plan::status::FaultReason;

use super::*;
use crate::testing::{Store, refusal, scripted};

const PATH: &str = "/apis/voip.dev/v1alpha1/rtpportleases/node.w1";

fn lease(start: u16, version: Option<&str>) -> RtpPortLease {
    let mut lease: RtpPortLease = serde_json::from_value(json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": "node.w1"},
        "spec": {
            "space": {"type": "Node", "name": "w1"},
            "leases": [{
                "id": "voip/office/default/0@w1", "clusterUID": "c", "nodeUID": "n", "state": "Active",
                "rtp": {"start": start, "length": 1152}, "control": {"start": 29_996, "length": 2},
            }],
        },
    }))
    .unwrap();
    lease.metadata.resource_version = version.map(str::to_owned);
    lease
}

fn emptied(mut lease: RtpPortLease) -> RtpPortLease {
    lease.spec.leases.clear();
    lease
}

fn stored(store: &Store) -> RtpPortLease {
    serde_json::from_value(store.object(PATH).expect("stored")).unwrap()
}

fn api(client: Client) -> Api<RtpPortLease> {
    Api::all(client)
}

#[tokio::test]
async fn a_new_lease_is_created_and_a_second_round_writes_nothing() {
    let store = Store::default();
    let api = api(store.client());
    assert_eq!(write(&api, &[lease(16_384, None)], &[]).await.unwrap(), 1);
    let found = [stored(&store)];
    assert_eq!(write(&api, &found, &found).await.unwrap(), 0);
    assert_eq!(store.writes(), 1);
}

#[tokio::test]
async fn of_two_operators_that_grant_the_same_ports_one_must_observe_anew() {
    let store = Store::default();
    write(&api(store.client()), &[lease(16_384, None)], &[]).await.unwrap();
    let found = stored(&store);
    let version = found.metadata.resource_version.as_deref();
    let (mine, theirs) = (lease(18_000, version), lease(20_000, version));
    write(&api(store.client()), std::slice::from_ref(&theirs), std::slice::from_ref(&found)).await.unwrap();
    let error = write(&api(store.client()), &[mine], &[found]).await.unwrap_err();
    assert!(matches!(&error, LeaseError::Overtaken(name) if name == "node.w1"), "{error}");
    assert_eq!(stored(&store).spec, theirs.spec);
}

#[tokio::test]
async fn an_object_that_somebody_made_first_is_not_overwritten() {
    let store = Store::default();
    write(&api(store.client()), &[lease(20_000, None)], &[]).await.unwrap();
    let error = write(&api(store.client()), &[lease(16_384, None)], &[]).await.unwrap_err();
    assert!(matches!(error, LeaseError::Overtaken(_)), "{error}");
}

#[tokio::test]
async fn an_object_that_was_deleted_meanwhile_is_observed_anew() {
    let store = Store::default();
    let error = write(&api(store.client()), &[lease(18_000, Some("7"))], &[lease(16_384, Some("7"))]).await;
    assert!(matches!(error, Err(LeaseError::Overtaken(_))), "{error:?}");
}

#[tokio::test]
async fn an_empty_object_is_deleted_unless_it_got_a_lease_meanwhile() {
    let store = Store::default();
    write(&api(store.client()), &[lease(16_384, None)], &[]).await.unwrap();
    let found = stored(&store);
    store.put(PATH, serde_json::to_value(lease(20_000, None)).unwrap());
    let late = write(&api(store.client()), &[emptied(found.clone())], &[found]).await;
    assert!(matches!(late, Err(LeaseError::Overtaken(_))), "{late:?}");
    let found = stored(&store);
    write(&api(store.client()), &[emptied(found.clone())], &[found]).await.unwrap();
    assert!(store.object(PATH).is_none());
}

#[tokio::test]
async fn nothing_is_made_for_a_space_without_leases() {
    let store = Store::default();
    assert_eq!(write(&api(store.client()), &[emptied(lease(16_384, None))], &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_fails_is_not_asked_on_and_on_and_says_why() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let client = scripted(move |request| {
        assert_eq!(request.method, Method::POST);
        count.fetch_add(1, Ordering::Relaxed);
        async { refusal(500, "InternalError", "etcdserver: request timed out") }
    });
    let wanted = vec![lease(16_384, None); 3 * at_once::AT_ONCE];
    let error = write(&api(client), &wanted, &[]).await.unwrap_err();
    let LeaseError::Refused(fault) = error else { panic!("{error}") };
    assert_eq!((fault.reason, fault.object.as_str()), (FaultReason::ApiUnavailable, "RtpPortLease node.w1"));
    assert_eq!(asked.load(Ordering::Relaxed) as usize, at_once::AT_ONCE);
}

#[tokio::test]
async fn sums_are_written_once() {
    let store = Store::default();
    write(&api(store.client()), &[lease(16_384, None)], &[]).await.unwrap();
    assert!(report(&api(store.client()), &[stored(&store)]).await.is_empty());
    let found = stored(&store);
    assert_eq!(found.status, Some(RtpPortLeaseStatus { used: 1154, leases: 1 }));
    let writes = store.writes();
    assert!(report(&api(store.client()), &[found]).await.is_empty());
    assert_eq!(store.writes(), writes);
}

#[tokio::test]
async fn a_lease_object_that_is_gone_is_not_reported_on_and_a_refusal_is_told() {
    let found = [lease(16_384, Some("1"))];
    assert!(report(&api(Store::default().client()), &found).await.is_empty());
    let client = scripted(|_| async { refusal(403, "Forbidden", "User \"o\" cannot patch resource \"x\"") });
    let faults = report(&api(client), &found).await;
    assert_eq!(faults.first().map(|fault| fault.reason), Some(FaultReason::Forbidden));
}
