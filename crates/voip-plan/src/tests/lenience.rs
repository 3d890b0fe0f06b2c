//! One bad resource does not keep the others from running.

use serde_json::{Value, json};
use voip_api::{Dialplan, SipUser};

use super::world::{cluster, kubernetes, nodes};
use crate::*;

fn named<T: for<'de> serde::Deserialize<'de>>(kind: &str, name: &str, age: u32, spec: Value) -> T {
    let mut spec = spec;
    spec["clusterRef"] = json!({"name": "office"});
    let created = format!("2026-01-01T00:{age:02}:00Z");
    let metadata = json!({"name": name, "namespace": "voip", "creationTimestamp": created});
    serde_json::from_value(
        json!({"apiVersion": "voip.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}),
    )
    .unwrap()
}

fn user(name: &str, age: u32, spec: Value) -> SipUser {
    named("SipUser", name, age, spec)
}

fn plan_to(name: &str, target: &str) -> Dialplan {
    let route = json!({"id": "r", "pattern": "1*", "actions": [{"dial": {"target": target}}]});
    named("Dialplan", name, 0, json!({"routes": [route]}))
}

fn with(users: Vec<SipUser>, dialplans: Vec<Dialplan>) -> Resources {
    let mut resources = Resources { users, dialplans, ..cluster(json!({})) };
    let names: Vec<String> = resources.without_secret().map(str::to_owned).collect();
    resources.passwords = names.into_iter().map(|name| (name, SecretValue::new("generated"))).collect();
    resources
}

fn lenient(resources: &Resources, previous: Option<&Documents>) -> (Validated, Documents) {
    let observed = kubernetes(nodes(2));
    let previous = previous.map(|documents| &documents.sip);
    let validated = validate_leniently(resources, &observed, previous);
    let documents = plan(validated.cluster.as_ref().unwrap(), &observed).documents;
    (validated, documents)
}

fn usernames(documents: &Documents) -> Vec<String> {
    documents.users.users.iter().map(|user| user.username.clone()).collect()
}

#[test]
fn of_two_users_with_one_name_the_older_stays() {
    let young = user("young", 9, json!({"username": "1001", "numbers": ["77"]}));
    let old = user("old", 1, json!({"username": "1001"}));
    let other = user("zoe", 10, json!({"numbers": ["77"]}));
    let resources = with(vec![young, old, other], Vec::new());
    assert!(validate(&resources, &kubernetes(nodes(2))).is_err(), "a file must be right as a whole");
    let (validated, documents) = lenient(&resources, None);
    assert_eq!(usernames(&documents), ["1001", "zoe"]);
    let told = validated.users["young"].as_ref().unwrap_err();
    assert_eq!(told[0].fact, "1001 already rings SipUser old");
    assert!(validated.users["old"].is_ok() && validated.users["zoe"].is_ok(), "{:?}", validated.users);
}

#[test]
fn a_bad_dialplan_keeps_its_last_good_version() {
    let users = || vec![user("1001", 1, json!({}))];
    let (_, good) = lenient(&with(users(), vec![plan_to("a", "user/1001")]), None);
    let bad = with(users(), vec![plan_to("a", "nobody"), plan_to("b", "user/1001")]);
    let (validated, documents) = lenient(&bad, Some(&good));
    assert_eq!(validated.dialplans["a"].as_ref().unwrap_err()[0].document, "Dialplan voip/a");
    assert!(validated.dialplans["b"].is_ok());
    let names: Vec<&str> = documents.sip.dialplans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(documents.sip.dialplans[0], good.sip.dialplans[0]);
    // Nothing was loaded before: it is not there, and the built-in one does not take its place.
    let (_, documents) = lenient(&with(users(), vec![plan_to("a", "nobody")]), None);
    assert_eq!(documents.sip.dialplans, []);
}

#[test]
fn a_bad_cluster_is_refused_as_a_whole() {
    let mut resources = with(Vec::new(), Vec::new());
    resources.cluster.spec.realm = "192.0.2.1".to_owned();
    let validated = validate_leniently(&resources, &kubernetes(nodes(2)), None);
    assert_eq!(validated.cluster.unwrap_err()[0].path, "spec.realm");
}

#[test]
fn of_too_many_users_the_youngest_are_left_out() {
    let mut users: Vec<SipUser> = (0..10_001).map(|at| user(&format!("u{at}"), 1, json!({}))).collect();
    users.push(user("oldest", 0, json!({})));
    let mut resources = with(users, Vec::new());
    // Without an algorithm that is slow to hash by the thousand.
    resources.cluster.spec.digest_algorithms = vec![voip_api::DigestAlgorithm::Md5];
    let validated = validate_leniently(&resources, &kubernetes(nodes(2)), None);
    assert!(validated.cluster.is_ok());
    let left_out: Vec<&str> =
        validated.users.iter().filter(|(_, it)| it.is_err()).map(|(name, _)| name.as_str()).collect();
    // Of one age the last by name.
    assert_eq!(left_out, ["u9998", "u9999"]);
    let mistake = &validated.users["u9999"].as_ref().unwrap_err()[0];
    assert_eq!(mistake.document, "SipUser voip/u9999");
    assert!(mistake.fact.contains("10000 older"), "{}", mistake.fact);
}
