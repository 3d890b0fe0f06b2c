//! Secrets against an API server that keeps what it is given.

use serde_json::{Value, json};

use super::*;
use crate::testing::Store;

const ALICE: &str = "/api/v1/namespaces/voip/secrets/alice-sip";

fn user(name: &str, extra: &Value) -> SipUser {
    let mut spec = json!({"clusterRef": {"name": "office"}});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(json!({"apiVersion": "voip.dev/v1alpha1", "kind": "SipUser",
        "metadata": {"name": name, "namespace": "voip", "uid": format!("u-{name}")}, "spec": spec}))
    .expect("user")
}

fn alice() -> SipUser {
    user("alice", &json!({}))
}

#[tokio::test]
async fn a_password_is_made_once_and_goes_with_its_user() {
    let store = Store::default();
    let first = generated_password(&store.client(), &alice()).await.expect("made");
    let again = generated_password(&store.client(), &alice()).await.expect("kept");
    assert_eq!((first.reveal(), store.writes()), (again.reveal(), 1));
    assert_eq!(first.reveal().len(), PASSWORD_LENGTH);
    let secret = store.object(ALICE).expect("stored");
    assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "u-alice");
    assert_eq!(secret["metadata"]["ownerReferences"][0]["kind"], "SipUser");
    let values = read(&store.client(), "voip", "alice-sip").await.expect("read").expect("there");
    assert_eq!(values["username"].reveal(), b"alice");
}

#[tokio::test]
async fn two_users_have_two_passwords() {
    let store = Store::default();
    let one = generated_password(&store.client(), &alice()).await.expect("one");
    let two = generated_password(&store.client(), &user("bob", &json!({}))).await.expect("two");
    assert_ne!(one.reveal(), two.reveal());
}

#[tokio::test]
async fn a_password_that_was_taken_out_is_not_replaced() {
    let store = Store::default();
    generated_password(&store.client(), &alice()).await.expect("made");
    let mut secret = store.object(ALICE).expect("stored");
    secret["data"].as_object_mut().unwrap().remove("password");
    store.put(ALICE, secret);
    let refused = generated_password(&store.client(), &alice()).await.expect_err("no key");
    assert!(matches!(refused, Error::NoKey { key: PASSWORD, .. }));
    assert_eq!(store.writes(), 2, "only the test wrote again");
}

#[tokio::test]
async fn a_secret_of_a_former_user_is_waited_for_and_a_strangers_is_not() {
    let refusal = async |metadata: Value| {
        let store = Store::default();
        store.put(ALICE, json!({"metadata": metadata, "data": {}}));
        let refused = generated_password(&store.client(), &alice()).await.expect_err("not ours");
        assert_eq!(store.writes(), 1, "only the test wrote");
        refused
    };
    let former =
        json!([{"apiVersion": "voip.dev/v1alpha1", "kind": "SipUser", "name": "alice", "uid": "u-0"}]);
    let refused = refusal(json!({"name": "alice-sip", "ownerReferences": former})).await;
    assert!(matches!(refused, Error::Secret(owned::Error::Former(_))), "{refused}");
    let refused = refusal(json!({"name": "alice-sip"})).await;
    assert!(matches!(refused, Error::Secret(owned::Error::Foreign(_))), "{refused}");
}

#[tokio::test]
async fn operators_at_once_give_one_password() {
    let store = Store::default();
    let (one, two, alice) = (store.client(), store.client(), alice());
    let (one, two) = tokio::join!(generated_password(&one, &alice), generated_password(&two, &alice));
    assert_eq!(one.expect("one").reveal(), two.expect("two").reveal());
}

#[tokio::test]
async fn an_api_token_is_kept_and_an_empty_one_replaced() {
    let store = Store::default();
    let path = "/api/v1/namespaces/voip/secrets/office-api";
    let office: VoipCluster = serde_json::from_value(json!({"apiVersion": "voip.dev/v1alpha1",
        "kind": "VoipCluster", "metadata": {"name": "office", "namespace": "voip", "uid": "u-1"}, "spec": {}}))
    .expect("cluster");
    api_token(&store.client(), &office).await.expect("made");
    api_token(&store.client(), &office).await.expect("kept");
    assert_eq!(store.writes(), 1);
    let mut emptied = store.object(path).expect("stored");
    emptied["data"]["token"] = json!("");
    store.put(path, emptied);
    api_token(&store.client(), &office).await.expect("healed");
    let token = read(&store.client(), "voip", "office-api").await.expect("read").expect("there");
    assert_eq!(token["token"].reveal().len(), TOKEN_LENGTH);
}
