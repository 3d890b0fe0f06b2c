//! Passwords against an API server that keeps what it is given.

use serde_json::{Value, json};

use tokio::sync::Semaphore;
use voip_plan::status::FaultReason;

use super::*;
use crate::testing::Store;

const RESYNC: Duration = Duration::from_mins(10);

fn user(name: &str, extra: &Value) -> SipUser {
    let mut spec = json!({"clusterRef": {"name": "office"}});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(json!({"apiVersion": "voip.dev/v1alpha1", "kind": "SipUser",
        "metadata": {"name": name, "namespace": "voip", "uid": format!("u-{name}")}, "spec": spec}))
    .expect("user")
}

fn referring(name: &str, secret: &str) -> SipUser {
    user(name, &json!({"passwordSecretRef": {"name": secret, "key": name}}))
}

async fn of(store: &Store, referred: &Referred, users: &[SipUser]) -> Passwords {
    passwords(&store.client(), referred, ("voip", users), &BTreeMap::new(), RESYNC).await
}

#[tokio::test]
async fn referred_secrets_are_read_and_the_others_made() {
    let store = Store::default();
    let path = "/api/v1/namespaces/voip/secrets/phones";
    store.put(path, json!({"metadata": {"name": "phones"}, "data": {"bob": "c2VjcmV0"}}));
    let users = [user("alice", &json!({})), referring("bob", "phones"), referring("carol", "absent")];
    let known = of(&store, &Referred::default(), &users).await;
    assert_eq!(known.secrets["phones"]["bob"].reveal(), b"secret");
    assert_eq!(known.secrets.len(), 1, "one that is not there is left out");
    assert_eq!(known.generated.keys().collect::<Vec<_>>(), ["alice"]);
    assert_eq!(known.faults, []);
}

#[tokio::test]
async fn what_was_read_is_not_asked_for_again_until_it_changes() {
    let store = Store::default();
    let path = "/api/v1/namespaces/voip/secrets/phones";
    store.put(path, json!({"metadata": {"name": "phones"}, "data": {"bob": "b2xk"}}));
    let (referred, users) = (Referred::default(), [referring("bob", "phones")]);
    of(&store, &referred, &users).await;
    store.put(path, json!({"metadata": {"name": "phones"}, "data": {"bob": "bmV3"}}));
    let again = of(&store, &referred, &users).await;
    assert_eq!(again.secrets["phones"]["bob"].reveal(), b"old");
    referred.forget_all();
    let changed = of(&store, &referred, &users).await;
    assert_eq!(changed.secrets["phones"]["bob"].reveal(), b"new");
}

#[tokio::test]
async fn many_secrets_are_read_at_a_time() {
    let under_way = Arc::new(Semaphore::new(0));
    let turns = Arc::clone(&under_way);
    let client = crate::testing::scripted(move |asked| {
        let turns = Arc::clone(&turns);
        async move {
            // Nobody is answered before all of them have asked.
            turns.add_permits(1);
            drop(turns.acquire_many(u32::try_from(AT_A_TIME).unwrap()).await);
            (200, json!({"metadata": {"name": asked.path}}))
        }
    });
    let users: Vec<SipUser> =
        (0..AT_A_TIME).map(|at| referring(&format!("u{at}"), &format!("s{at}"))).collect();
    let (referred, found) = (Referred::default(), BTreeMap::new());
    let known = passwords(&client, &referred, ("voip", &users), &found, RESYNC);
    let known = tokio::time::timeout(Duration::from_secs(10), known).await.expect("all at a time");
    assert_eq!((known.secrets.len(), known.faults), (AT_A_TIME, vec![]));
}

#[tokio::test]
async fn a_generated_secret_that_a_watch_told_is_not_asked_for() {
    let store = Store::default();
    let alice = user("alice", &json!({}));
    of(&store, &Referred::default(), std::slice::from_ref(&alice)).await;
    let told = store.object("/api/v1/namespaces/voip/secrets/alice-sip").expect("made");
    let told: DynamicObject = serde_json::from_value(told).unwrap();
    let found =
        BTreeMap::from([(Key { kind: "Secret".to_owned(), name: "alice-sip".to_owned() }, Arc::new(told))]);
    let silent = crate::testing::scripted(|asked| async move { panic!("{} {}", asked.method, asked.path) });
    let known = passwords(&silent, &Referred::default(), ("voip", &[alice]), &found, RESYNC).await;
    assert!(known.generated.contains_key("alice"));
}

#[tokio::test]
async fn one_secret_that_fails_leaves_the_others() {
    let store = Store::default();
    let path = "/api/v1/namespaces/voip/secrets/alice-sip";
    store.put(path, json!({"metadata": {"name": "alice-sip"}, "data": {"password": "eA=="}}));
    let users = [user("alice", &json!({})), user("bob", &json!({}))];
    let known = of(&store, &Referred::default(), &users).await;
    assert_eq!(
        known.faults.iter().map(|fault| fault.reason).collect::<Vec<_>>(),
        [FaultReason::ForeignObject]
    );
    assert!(known.generated.contains_key("bob"));
}

#[tokio::test]
async fn a_generated_secret_without_its_password_is_for_people_to_mend() {
    let (store, users) = (Store::default(), [user("alice", &json!({}))]);
    of(&store, &Referred::default(), &users).await;
    let path = "/api/v1/namespaces/voip/secrets/alice-sip";
    let mut emptied = store.object(path).unwrap();
    emptied["data"] = json!({});
    store.put(path, emptied);
    let known = of(&store, &Referred::default(), &users).await;
    assert_eq!(
        known.faults.iter().map(|fault| fault.reason).collect::<Vec<_>>(),
        [FaultReason::SecretUnusable]
    );
}

#[tokio::test]
async fn nothing_is_known_of_a_user_whose_secret_goes_with_a_former_one() {
    let (store, users) = (Store::default(), [user("alice", &json!({}))]);
    let path = "/api/v1/namespaces/voip/secrets/alice-sip";
    let former =
        json!({"apiVersion": "voip.dev/v1alpha1", "kind": "SipUser", "name": "alice", "uid": "u-former"});
    let metadata = json!({"name": "alice-sip", "uid": "s1", "ownerReferences": [former]});
    store.put(path, json!({"metadata": metadata, "data": {"password": "eA=="}}));
    let known = of(&store, &Referred::default(), &users).await;
    assert_eq!(known.faults.iter().map(|fault| fault.reason).collect::<Vec<_>>(), [FaultReason::Conflict]);
    assert_eq!(known.unknown, BTreeSet::from(["alice".to_owned()]));
    assert!(known.generated.is_empty());
    store.remove(path);
    let known = of(&store, &Referred::default(), &users).await;
    assert!(known.generated.contains_key("alice") && known.unknown.is_empty() && known.faults.is_empty());
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_for_a_moment_stays_as_it_was() {
    let store = Store::default();
    let path = "/api/v1/namespaces/voip/secrets/phones";
    store.put(path, json!({"metadata": {"name": "phones"}, "data": {"bob": "b2xk"}}));
    let (referred, users) = (Referred::default(), [referring("bob", "phones"), referring("carol", "other")]);
    of(&store, &referred, &users[..1]).await;
    referred.forget_all();
    let away = crate::testing::scripted(|_| async { crate::testing::refusal(503, "Unavailable", "later") });
    let known = passwords(&away, &referred, ("voip", &users), &BTreeMap::new(), RESYNC).await;
    assert_eq!(known.secrets["phones"]["bob"].reveal(), b"old");
    assert_eq!(known.unknown, BTreeSet::from(["carol".to_owned()]), "nothing is known of the one never read");
    assert_eq!(known.faults.len(), 2);
}
