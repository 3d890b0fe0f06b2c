//! One test for each mistake: a one-line change to a good set of resources.

use serde_json::json;
use voip_api::{Dialplan, RouteAction, SipUser};

use super::world::{cluster, kubernetes, nodes, read};
use crate::*;

fn good() -> Resources {
    read(include_str!("../../../../examples/quickstart.yaml"))
}

fn errors(resources: &Resources) -> Vec<FieldError> {
    validate(resources, &kubernetes(nodes(2))).err().unwrap_or_default()
}

/// The one mistake that `spoil` makes.
fn mistake(spoil: impl FnOnce(&mut Resources)) -> FieldError {
    let mut resources = good();
    spoil(&mut resources);
    let mut errors = errors(&resources);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.remove(0)
}

#[test]
fn the_good_one_is_good() {
    assert_eq!(errors(&good()), []);
}

#[test]
fn mistakes_in_the_cluster() {
    let many = |count: usize| (0..count).map(|at| format!("d{at}.example")).collect::<Vec<_>>();
    for (path, spec) in [
        ("spec.domains", json!({"domains": many(33)})),
        ("spec.domains[0]", json!({"domains": ["sip example"]})),
        ("spec.domains[1]", json!({"domains": ["a.example", "a.example"]})),
        ("spec.realm", json!({"realm": "a\"b"})),
        ("spec.realm", json!({"realm": "192.0.2.1"})),
        ("spec.digestAlgorithms", json!({"digestAlgorithms": []})),
        ("spec.digestAlgorithms", json!({"digestAlgorithms": ["MD5", "MD5"]})),
        ("spec.signaling.replicas", json!({"signaling": {"replicas": 0}})),
        ("spec.signaling.replicas", json!({"signaling": {"replicas": 2}})),
        (
            "spec.signaling.listeners[0].name",
            json!({"signaling": {"listeners": [{"name": "UDP", "protocol": "UDP", "port": 1}]}}),
        ),
        (
            "spec.signaling.listeners[0].port",
            json!({"signaling": {"listeners": [{"name": "udp", "protocol": "UDP", "port": 0}]}}),
        ),
        (
            "spec.signaling.listeners[1].port",
            json!({"signaling": {"listeners": [{"name": "a", "protocol": "UDP", "port": 9}, {"name": "b", "protocol": "UDP", "port": 9}]}}),
        ),
        (
            "spec.signaling.listeners[1]",
            json!({"signaling": {"listeners": [{"name": "a", "protocol": "UDP", "port": 9}, {"name": "a", "protocol": "UDP", "port": 8}]}}),
        ),
        (
            "spec.signaling.listeners[0].port",
            json!({"signaling": {"exposure": "HostNetwork", "listeners": [{"name": "udp", "protocol": "UDP", "port": 506}]}}),
        ),
        ("spec.signaling.advertisedAddress", json!({"signaling": {"advertisedAddress": "localhost"}})),
        ("spec.signaling.advertisedAddress", json!({"signaling": {"advertisedAddress": "127.0.0.1"}})),
        ("spec.network.bridge", json!({"network": {"bridge": "PodAddress"}})),
        ("spec.media.pools[0].callsPerNode", json!({"network": {"mode": "Bridge"}})),
        ("spec.media.pools", json!({"media": {"pools": []}})),
        ("spec.media.pools[0].name", json!({"media": {"pools": [{"name": "Default"}]}})),
        ("spec.media.pools[1]", json!({"media": {"pools": [{"name": "a"}, {"name": "a"}]}})),
        ("spec.media.pools[0].nodes", json!({"media": {"pools": [{"name": "a", "nodes": 0}]}})),
        ("spec.media.pools[0].nodes", json!({"media": {"pools": [{"name": "a", "nodes": "120%"}]}})),
        ("spec.media.pools[0].nodes", json!({"media": {"pools": [{"name": "a", "nodes": "two"}]}})),
        (
            "spec.media.pools[0].callsPerNode",
            json!({"media": {"pools": [{"name": "a", "callsPerNode": 10_001}]}}),
        ),
        ("spec.media.pools[0].podsPerNode", json!({"media": {"pools": [{"name": "a", "podsPerNode": 17}]}})),
        (
            "spec.media.pools[0].podsPerNode",
            json!({"media": {"pools": [{"name": "a", "callsPerNode": 2, "podsPerNode": 3}]}}),
        ),
        ("spec.network.mediaAddresses", json!({"network": {"mediaAddresses": ["192.0.2.1", "192.0.2.2"]}})),
        ("spec.network.mediaAddresses[0]", json!({"network": {"mediaAddresses": ["office.example"]}})),
        ("spec.network.mediaAddresses[0]", json!({"network": {"mediaAddresses": ["127.0.0.1"]}})),
        ("spec.network.mediaAddresses[0]", json!({"network": {"mediaAddresses": ["169.254.1.1"]}})),
        ("spec.network.mediaAddresses[0]", json!({"network": {"mediaAddresses": ["2001:db8::1"]}})),
        ("spec.network.portRange", json!({"network": {"portRange": "16385-29999"}})),
        ("spec.network.portRange", json!({"network": {"portRange": "1022-29999"}})),
        ("spec.network.portRange", json!({"network": {"portRange": "16384-16446"}})),
        ("spec.network.portRange", json!({"network": {"portRange": "16384-70000"}})),
        ("spec.network.portRange", json!({"network": {"portRange": "29999-16384"}})),
        ("spec.network.portRange", json!({"network": {"portRange": "+6384-29999"}})),
        ("spec.updates.maxUnavailable", json!({"updates": {"maxUnavailable": 0}})),
        ("spec.updates.maxUnavailable", json!({"updates": {"maxUnavailable": "0%"}})),
        ("spec.drain.timeoutSeconds", json!({"drain": {"timeoutSeconds": 86_401}})),
    ] {
        let errors = errors(&cluster(spec.clone()));
        assert_eq!(errors.len(), 1, "{spec}: {errors:#?}");
        assert_eq!(errors[0].path, path, "{}", errors[0]);
        assert_eq!(errors[0].document, "VoipCluster voip/office");
        assert!(!errors[0].fact.is_empty() && !errors[0].mend.is_empty());
    }
}

#[test]
fn two_sip_nodes_need_another_state() {
    let errors = errors(&cluster(json!({"signaling": {"replicas": 2}})));
    assert_eq!(
        errors[0].to_string(),
        "VoipCluster voip/office: spec.signaling.replicas: state.type Memory holds one sip-node: set signaling.replicas to 1"
    );
}

#[test]
fn mistakes_in_names() {
    for name in ["Office", "1office", "office-", &"o".repeat(41), ""] {
        let mut resources = cluster(json!({}));
        resources.cluster.metadata.name = Some(name.to_owned());
        assert_eq!(errors(&resources)[0].path, "metadata.name", "{name}");
    }
}

#[test]
fn mistakes_in_users() {
    type Spoil = fn(&mut SipUser);
    let cases: [(&str, Spoil); 15] = [
        ("metadata.namespace", |user| user.metadata.namespace = Some("other".into())),
        ("spec.clusterRef.name", |user| user.spec.cluster_ref.name = "offcie".into()),
        ("spec.username", |user| user.spec.username = Some("a b".into())),
        ("spec.username", |user| user.spec.username = Some("1002".into())),
        ("spec.displayName", |user| user.spec.display_name = "A \"quoted\" one".into()),
        ("spec.numbers", |user| user.spec.numbers = (0..17).map(|at| format!("9{at}")).collect()),
        ("spec.numbers[0]", |user| user.spec.numbers = vec!["+49 30".into()]),
        ("spec.numbers[1]", |user| user.spec.numbers = vec!["9".into(), "9".into()]),
        ("spec.context", |user| user.spec.context = "In ternal".into()),
        ("spec.callerId", |user| user.spec.caller_id = "+49 30".into()),
        ("spec.maxCalls", |user| user.spec.max_calls = 0),
        ("spec.maxContacts", |user| user.spec.max_contacts = 101),
        ("metadata.name", |user| user.metadata.name = Some("10 01".into())),
        ("spec.passwordSecretRef.name", |user| refer(user, "absent")),
        ("spec.passwordSecretRef.key", |user| refer(user, "empty")),
    ];
    for (path, spoil) in cases {
        let error = mistake(|resources| {
            resources.secrets.insert("empty".into(), [].into());
            // Later by name, so that a collision is told of this one.
            resources.users.reverse();
            let user = resources.users.last_mut().unwrap();
            spoil(user);
            let name = user.metadata.name.clone().unwrap();
            resources.passwords.insert(name, SecretValue::new("x"));
        });
        assert_eq!(error.path, path, "{error}");
        assert!(error.document.starts_with("SipUser "), "{error}");
    }
}

fn refer(user: &mut SipUser, secret: &str) {
    user.spec.password_secret_ref =
        Some(voip_api::SecretKeyRef { name: secret.to_owned(), key: "password".to_owned() });
}

#[test]
fn a_number_rings_one_user() {
    let error = mistake(|resources| resources.users[1].spec.numbers = vec!["1001".into()]);
    assert_eq!(error.fact, "1001 already rings SipUser 1001");
    let error = mistake(|resources| {
        for user in &mut resources.users {
            user.spec.numbers = vec!["77".into()];
        }
    });
    assert_eq!((error.document.as_str(), error.path.as_str()), ("SipUser voip/1002", "spec.numbers[0]"));
}

#[test]
fn a_user_without_password_is_refused() {
    let error = mistake(|resources| resources.passwords.clear_one("1001"));
    assert_eq!(error.path, "spec.passwordSecretRef");
}

trait ClearOne {
    fn clear_one(&mut self, name: &str);
}

impl ClearOne for std::collections::BTreeMap<String, SecretValue> {
    fn clear_one(&mut self, name: &str) {
        self.remove(name).unwrap();
    }
}

/// A Secret with these values for user 1001.
fn with_secret(values: &[(&str, &str)]) -> Resources {
    let mut resources = good();
    refer(&mut resources.users[0], "s");
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), SecretValue::new(*value)));
    resources.secrets.insert("s".to_owned(), values.collect());
    resources
}

#[test]
fn passwords_that_no_phone_can_send() {
    for password in ["", "secret\n", "a\tb", &"x".repeat(129)] {
        let errors = errors(&with_secret(&[("password", password)]));
        assert_eq!(errors.len(), 1, "{password:?}: {errors:?}");
        assert!(!errors[0].to_string().contains("secret"), "{}", errors[0]);
    }
    assert_eq!(errors(&with_secret(&[("password", "pässword ok")])), []);
}

#[test]
fn stored_hashes_are_bound_to_the_realm() {
    let (md5, sha) = ("0123456789abcdef".repeat(2), "0123456789abcdef".repeat(4));
    let good = [("realm", "office.voip"), ("ha1-md5", md5.as_str()), ("ha1-sha-256", sha.as_str())];
    assert_eq!(errors(&with_secret(&good)), []);
    let observed = kubernetes(nodes(2));
    let plan = plan(&validate(&with_secret(&good), &observed).unwrap(), &observed);
    assert_eq!(plan.documents.users.users[0].ha1.values().collect::<Vec<_>>(), [&sha, &md5]);
    for (bad, says) in [
        ([("realm", "elsewhere"), good[1], good[2]], "elsewhere"),
        ([("other", "office.voip"), good[1], good[2]], "does not say of which realm"),
        ([good[0], good[1], ("ha1-sha-512-256", &sha)], "no key ha1-sha-256"),
        ([good[0], ("ha1-md5", &sha), good[2]], "is no HA1"),
    ] {
        let errors = errors(&with_secret(&bad));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].fact.contains(says), "{}", errors[0]);
    }
}

#[test]
fn mistakes_in_dialplans() {
    type Spoil = fn(&mut Dialplan);
    let cases: [(&str, Spoil); 7] = [
        ("spec.routes[0].actions[0].playAudio.prompt", |plan| {
            plan.spec.routes[0].actions = vec![RouteAction::PlayAudio { prompt: "hello".into(), repeat: 1 }];
        }),
        ("metadata.namespace", |plan| plan.metadata.namespace = Some("other".into())),
        ("spec.clusterRef.name", |plan| plan.spec.cluster_ref.name = "offcie".into()),
        ("spec.priority", |plan| plan.spec.priority = -1),
        ("spec.routes[2].priority", |plan| plan.spec.routes[2].priority = 100_001),
        ("spec.routes[1].pattern", |plan| plan.spec.routes[1].pattern = "1*2".into()),
        ("spec.routes[0].actions", |plan| plan.spec.routes[0].actions.clear()),
    ];
    for (path, spoil) in cases {
        let error = mistake(|resources| spoil(&mut resources.dialplans[0]));
        assert_eq!(error.path, path, "{error}");
        assert!(error.document.starts_with("Dialplan "), "{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut resources = good();
    resources.cluster.spec.signaling.replicas = 2;
    resources.users[0].spec.max_calls = 0;
    resources.dialplans[0].spec.routes[0].pattern = String::new();
    let documents: Vec<String> = errors(&resources).into_iter().map(|error| error.document).collect();
    assert_eq!(documents, ["VoipCluster voip/office", "SipUser voip/1001", "Dialplan voip/office"]);
}

#[test]
fn a_context_that_nobody_serves_is_pointed_out() {
    let mut resources = good();
    resources.users[0].spec.context = "sales".to_owned();
    let observed = kubernetes(nodes(2));
    let plan = plan(&validate(&resources, &observed).unwrap(), &observed);
    assert_eq!(plan.problems, []);
    assert!(
        plan.advice[0].fact.contains("no Dialplan serves context sales of users 1001"),
        "{}",
        plan.advice[0]
    );
}

#[test]
fn a_target_that_nobody_answers_to_is_pointed_out() {
    let observed = kubernetes(nodes(2));
    let advice = |target: &str| {
        let mut resources = good();
        resources.users[0].spec.numbers = vec!["77".to_owned()];
        resources.dialplans[0].spec.routes[0].actions =
            vec![RouteAction::Dial { target: target.to_owned(), timeout_seconds: 30 }];
        plan(&validate(&resources, &observed).unwrap(), &observed).advice
    };
    for known in ["user/1001", "user/77", "user/${destination}"] {
        assert_eq!(advice(known), [], "{known}");
    }
    let told = advice("user/9999");
    assert_eq!(told[0].path, "spec.routes[0].actions[0].dial.target");
    assert_eq!(told[0].fact, "no SipUser has the name or number 9999");
}

#[test]
fn secrets_are_not_printed() {
    let resources = with_secret(&[("password", "tellnobody")]);
    let observed = kubernetes(nodes(2));
    let valid = validate(&resources, &observed).unwrap();
    let plan = plan(&valid, &observed);
    let ha1 = plan.documents.users.users[0].ha1.values().next().unwrap().clone();
    let printed = format!("{resources:?}{valid:?}{plan:?}{}", serde_json::to_string(&plan).unwrap());
    assert!(!printed.contains("tellnobody") && !printed.contains(&ha1));
}
