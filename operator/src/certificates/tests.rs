//! Certificates against an API server that keeps what it is given.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use time::Duration;

use super::*;
use crate::owned::data;
use crate::testing::Store;

const CA: &str = "/api/v1/namespaces/voip/secrets/office-ca";
const SIP: &str = "/api/v1/namespaces/voip/secrets/office-sip-mtls";
const MEDIA: &str = "/api/v1/namespaces/voip/secrets/office-media-mtls";

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("time")
}

fn office() -> VoipCluster {
    serde_json::from_value(json!({"apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster",
        "metadata": {"name": "office", "namespace": "voip", "uid": "u-1"}, "spec": {}}))
    .expect("cluster")
}

fn stored(store: &Store, path: &str) -> Data {
    let secret: Secret = serde_json::from_value(store.object(path).expect(path)).expect("secret");
    data(&secret)
}

fn stored_authority(store: &Store, now: OffsetDateTime) -> Authority {
    let data = stored(store, CA);
    Authority::read(text(&data, CERTIFICATE).unwrap(), text(&data, KEY).unwrap(), now).expect("authority")
}

/// When the leaf of `path` ends, if the stored CA vouches for it.
fn end(store: &Store, path: &str, role: Role, now: OffsetDateTime) -> Option<OffsetDateTime> {
    stored_authority(store, now).vouches_until(&unpack(&stored(store, path))?, role)
}

#[tokio::test]
async fn leaves_are_for_their_role_and_of_the_stored_ca() {
    let store = Store::default();
    let made = ensure(&store.client(), &office(), start()).await.expect("made");
    assert_eq!(made.rotated, [""; 0], "the first is not in place of another");
    assert_eq!(end(&store, SIP, Role::SipNode, start()), Some(start() + Duration::days(90)));
    assert_eq!(end(&store, MEDIA, Role::MediaNode, start()), Some(start() + Duration::days(90)));
    assert_eq!(end(&store, SIP, Role::MediaNode, start()), None, "a role is not another");
    let authority = stored_authority(&store, start());
    let day = authority.vouches_until(&made.operator, Role::Operator);
    assert_eq!(day, Some(start() + Duration::hours(24)));
    assert!(!stored(&store, SIP).values().any(|value| *value == stored(&store, CA)[KEY]));
    assert_eq!(store.object(SIP).unwrap()["metadata"]["ownerReferences"][0]["uid"], "u-1");
}

#[tokio::test]
async fn nothing_is_written_until_a_leaf_is_sixty_days_old() {
    let store = Store::default();
    ensure(&store.client(), &office(), start()).await.expect("made");
    let (before, ca) = (stored(&store, SIP), stored(&store, CA));
    let almost = start() + Duration::days(60) - Duration::seconds(1);
    let again = ensure(&store.client(), &office(), almost).await.expect("kept");
    assert_eq!((store.writes(), stored(&store, SIP)), (3, before.clone()));
    assert_eq!((again.renew_at, again.ends), (start() + Duration::days(60), start() + Duration::days(90)));
    assert_eq!(again.rotated, [""; 0]);
    let renewed = ensure(&store.client(), &office(), start() + Duration::days(60)).await.expect("renewed");
    assert_eq!(renewed.rotated, ["office-sip-mtls", "office-media-mtls"]);
    assert_eq!(store.writes(), 5);
    assert_ne!(stored(&store, SIP), before);
    assert_eq!(stored(&store, CA), ca, "renewal keeps the CA");
}

#[tokio::test]
async fn lost_and_corrupted_secrets_are_made_anew() {
    let store = Store::default();
    ensure(&store.client(), &office(), start()).await.expect("made");
    store.remove(SIP);
    let mut broken = store.object(MEDIA).unwrap();
    broken["data"]["tls.key"] = json!("bm90IGEga2V5");
    store.put(MEDIA, broken);
    ensure(&store.client(), &office(), start()).await.expect("healed");
    assert!(end(&store, SIP, Role::SipNode, start()).is_some());
    assert!(end(&store, MEDIA, Role::MediaNode, start()).is_some());
}

#[tokio::test]
async fn a_new_ca_brings_new_leaves() {
    let store = Store::default();
    ensure(&store.client(), &office(), start()).await.expect("made");
    store.remove(CA);
    ensure(&store.client(), &office(), start()).await.expect("healed");
    assert!(end(&store, SIP, Role::SipNode, start()).is_some());
    assert!(end(&store, MEDIA, Role::MediaNode, start()).is_some());
}

#[tokio::test]
async fn operators_at_once_end_with_leaves_of_one_ca() {
    let store = Store::default();
    let (one, two) = (store.client(), store.client());
    let cluster = office();
    let (one, two) = tokio::join!(ensure(&one, &cluster, start()), ensure(&two, &cluster, start()));
    let authority = stored_authority(&store, start());
    for certificates in [one.expect("one"), two.expect("two")] {
        assert!(authority.vouches_until(&certificates.operator, Role::Operator).is_some());
    }
    assert!(end(&store, SIP, Role::SipNode, start()).is_some());
    assert!(end(&store, MEDIA, Role::MediaNode, start()).is_some());
    assert_eq!(store.writes(), 3, "the loser of a race reads what the winner wrote");
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_touched() {
    let store = Store::default();
    store.put(CA, json!({"metadata": {"name": "office-ca", "namespace": "voip"}}));
    let refused = ensure(&store.client(), &office(), start()).await.expect_err("foreign");
    assert!(matches!(refused, Error::Secret(owned::Error::Foreign(name)) if name == "office-ca"));
    assert_eq!(store.writes(), 1, "only the test wrote");
}

#[test]
fn a_leaf_is_printed_without_its_key() {
    let authority = Authority::new("office", start()).expect("authority");
    let leaf = authority.leaf(Role::Operator, start(), Duration::hours(1)).expect("leaf");
    assert!(!format!("{leaf:?}").contains("PRIVATE KEY"));
}
