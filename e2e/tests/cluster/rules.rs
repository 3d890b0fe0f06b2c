//! Every CEL rule of the CRDs, evaluated by a real API server: a bad spec is refused with the message that we wrote.

// A table of `json!` values reads better without a & before each.
#![allow(clippy::needless_pass_by_value)]

use std::collections::BTreeSet;

use e2e::kubernetes::{Namespace, apply, feed, install_crds};
use serde_json::{Value, json};

/// A spec that breaks one rule.
struct Case {
    kind: &'static str,
    /// The schema that the rule is in, and which of its rules it is.
    rule: (&'static str, usize),
    /// What was there before, for rules about changes.
    before: Option<Value>,
    bad: Value,
}

fn case(kind: &'static str, rule: &'static str, bad: Value) -> Case {
    Case { kind, rule: (rule, 0), before: None, bad }
}

fn cluster(rule: &'static str, spec: Value) -> Case {
    case("VoipCluster", rule, json!({"metadata": {"name": "rules"}, "spec": spec}))
}

fn nth(nth: usize, case: Case) -> Case {
    Case { rule: (case.rule.0, nth), ..case }
}

fn after(before: Value, case: Case) -> Case {
    Case { before: Some(before), ..case }
}

fn signaling(settings: Value) -> Value {
    json!({"signaling": {"template": settings}})
}

fn pool(settings: Value) -> Value {
    json!({"media": {"pools": [{"name": "default", "template": settings}]}})
}

fn long(length: usize) -> String {
    "a".repeat(length)
}

fn clusters() -> Vec<Case> {
    let replicas = json!({"signaling": {"replicas": 2}});
    let privileged = json!({"signaling": {"exposure": "HostNetwork", "listeners": [{"name": "a", "protocol": "UDP", "port": 506}]}});
    let twins = json!({"signaling": {"listeners": [
        {"name": "a", "protocol": "UDP", "port": 5060}, {"name": "b", "protocol": "UDP", "port": 5060}]}});
    let ours = json!({"metadata": {"labels": {"voip.dev/pool": "x"}, "annotations": {}}});
    let noted = json!({"metadata": {"annotations": {"voip.dev/lease": "x"}}});
    let selector = json!({"spec": {"nodeSelector": {long(318): "x"}}});
    vec![
        case("VoipCluster", "", json!({"metadata": {"name": "1rules"}, "spec": {}})),
        cluster("spec", replicas),
        nth(1, cluster("spec", privileged)),
        nth(2, cluster("spec", json!({"network": {"bridge": "HostPort"}}))),
        cluster("spec.realm", json!({"realm": "192.0.2.1"})),
        cluster("spec.signaling.listeners", twins),
        cluster("spec.signaling.advertisedAddress", json!({"signaling": {"advertisedAddress": "127.0.0.1"}})),
        cluster(
            "spec.signaling.service.annotations",
            json!({"signaling": {"service": {"annotations": {"voip.dev/x": "y"}}}}),
        ),
        cluster(
            "spec.signaling.service.loadBalancerSourceRanges",
            json!({"signaling": {"service": {"loadBalancerSourceRanges": ["192.0.2.1"]}}}),
        ),
        cluster("spec.signaling.template.metadata.labels", signaling(ours.clone())),
        cluster("spec.signaling.template.metadata.annotations", signaling(noted.clone())),
        cluster("spec.signaling.template.spec.nodeSelector", signaling(selector.clone())),
        cluster("spec.media.pools[].template.metadata.labels", pool(ours)),
        cluster("spec.media.pools[].template.metadata.annotations", pool(noted)),
        cluster("spec.media.pools[].template.spec.nodeSelector", pool(selector)),
        cluster("spec.network.mediaAddresses", json!({"network": {"mediaAddresses": ["169.254.0.1"]}})),
        cluster("spec.network.portRange", json!({"network": {"portRange": "16385-29999"}})),
    ]
}

fn others() -> Vec<Case> {
    let user = |spec: Value| json!({"metadata": {"name": "rules"}, "spec": spec});
    let dialplan = |to: &str| {
        json!({"metadata": {"name": "rules"}, "spec": {
            "clusterRef": {"name": to}, "routes": [{"id": "a", "pattern": "*", "actions": [{"echo": {}}]}]}})
    };
    let lease = |node: &str, rtp: Value, control: Value| {
        json!({"metadata": {"name": "node.rules"}, "spec": {"space": {"type": "Node", "name": node}, "leases": [{
            "id": "a/b/c/0@d", "clusterUID": "u", "nodeUID": "v", "state": "Active", "rtp": rtp, "control": control}]}})
    };
    let even = json!({"start": 20000, "length": 64});
    let odd = json!({"start": 20001, "length": 64});
    // Beside the others: tests that watch all leases for overlaps see these too.
    let control = json!({"start": 20100, "length": 2});
    vec![
        case("SipUser", "", json!({"metadata": {"name": long(65)}, "spec": {"clusterRef": {"name": "a"}}})),
        after(
            user(json!({"clusterRef": {"name": "a"}, "username": "1"})),
            case("SipUser", "spec", user(json!({"clusterRef": {"name": "a"}, "username": "2"}))),
        ),
        after(
            user(json!({"clusterRef": {"name": "a"}})),
            case("SipUser", "spec.clusterRef", user(json!({"clusterRef": {"name": "b"}}))),
        ),
        after(dialplan("a"), case("Dialplan", "spec.clusterRef", dialplan("b"))),
        after(
            lease("one", even.clone(), control.clone()),
            case("RtpPortLease", "spec.space", lease("two", even.clone(), control.clone())),
        ),
        case("RtpPortLease", "spec.leases[].rtp", lease("one", odd.clone(), control)),
        case("RtpPortLease", "spec.leases[].control", lease("one", even, odd)),
    ]
}

/// `kind`, path of the schema, and the messages of its rules.
fn rules() -> Vec<(String, String, Vec<String>)> {
    fn walk(kind: &str, path: &str, schema: &Value, rules: &mut Vec<(String, String, Vec<String>)>) {
        let here = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        let messages: Vec<String> = here.map(|rule| rule["message"].as_str().unwrap().to_owned()).collect();
        if !messages.is_empty() {
            rules.push((kind.to_owned(), path.to_owned(), messages));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let dot = if path.is_empty() { "" } else { "." };
            walk(kind, &format!("{path}{dot}{name}"), property, rules);
        }
        if schema["items"].is_object() {
            walk(kind, &format!("{path}[]"), &schema["items"], rules);
        }
    }
    let mut rules = Vec::new();
    for crd in voip_api::custom_resource_definitions() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        walk(&crd.spec.names.kind, "", &schema["openAPIV3Schema"], &mut rules);
    }
    rules
}

fn manifest(kind: &str, namespace: &str, object: &Value) -> String {
    let mut object = object.clone();
    object["apiVersion"] = json!("voip.dev/v1alpha1");
    object["kind"] = json!(kind);
    if kind != "RtpPortLease" {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object.to_string()
}

fn delete(manifest: &str) {
    feed(&["delete", "--ignore-not-found", "-f", "-"], manifest).ok();
}

#[test]
fn cluster_a_every_rule_refuses_a_bad_spec_with_its_message() {
    install_crds();
    let namespace = Namespace::new("rules");
    let cases: Vec<Case> = clusters().into_iter().chain(others()).collect();
    let mut missing: BTreeSet<(String, String, String)> = rules()
        .into_iter()
        .flat_map(|(kind, path, messages)| {
            messages.into_iter().map(move |message| (kind.clone(), path.clone(), message))
        })
        .collect();
    for case in &cases {
        let (path, nth) = case.rule;
        let found = rules().into_iter().find(|(kind, at, _)| kind == case.kind && at == path);
        let message = found.unwrap_or_else(|| panic!("no rule at {} {path}", case.kind)).2[nth].clone();
        let bad = manifest(case.kind, namespace.name(), &case.bad);
        let before = case.before.as_ref().map(|before| manifest(case.kind, namespace.name(), before));
        if let Some(before) = &before {
            apply(before).ok();
        }
        let said = apply(&bad).refused();
        assert!(said.contains(&message), "{} {path}: {said}", case.kind);
        if let Some(before) = &before {
            delete(before);
        }
        missing.remove(&(case.kind.to_owned(), path.to_owned(), message));
    }
    assert!(missing.is_empty(), "rules that no bad spec was tried on: {missing:#?}");
}

#[test]
fn cluster_a_every_example_is_accepted() {
    install_crds();
    let namespace = Namespace::new("examples");
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut tried = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        // The namespace of the examples need not be there for a dry run of this one.
        let text = text.replace("namespace: voip", &format!("namespace: {}", namespace.name()));
        let said = feed(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], &text);
        assert!(said.success && said.stderr.is_empty(), "{}: {}", path.display(), said.stderr);
        tried += 1;
    }
    assert!(tried > 3, "{tried} examples");
}
