//! What the API server refuses the operator, or somebody undoes behind its back: it is mended, or a condition names the
//! cause. What runs stays as it is meanwhile.

use std::time::Duration;

use e2e::kubernetes::{Namespace, apply, get, install_crds, kubectl};
use e2e::nodes::Nodes;
use e2e::office::Office;
use e2e::operator::Settings;
use e2e::wait::until;
use serde_json::{Value, json};

use crate::chart::{helm, install_rights, service_account};

const SOON: Duration = Duration::from_secs(10);
/// What could not be done is tried again after 1 s, 2 s, 4 s and so on.
const TRIED_AGAIN: Duration = Duration::from_secs(25);

fn spec(nodes: &Nodes, pools: &[&str]) -> Value {
    let pool = |name: &&str| json!({"name": name, "callsPerNode": 50, "template": nodes.template()});
    let pools: Vec<Value> = pools.iter().map(pool).collect();
    json!({"signaling": {"exposure": "ClusterIP"}, "media": {"pools": pools}})
}

fn workloads(office: &Office) -> Vec<(String, String)> {
    let all = ["deployments", "daemonsets"].map(|kind| office.objects(kind)).concat();
    let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    all.iter().map(|object| (text(object, "uid"), text(object, "generation"))).collect()
}

fn until_media(office: &Office, count: usize) {
    until(&format!("{count} media workloads"), TRIED_AGAIN, || {
        let nodes = office.media_nodes();
        if nodes.len() == count { Ok(()) } else { Err(nodes) }
    });
}

/// Takes the verbs of writing `resource` from the operator's role, or gives them back with `verbs`.
fn set_verbs(role: &str, resource: &str, namespace: &str, verbs: &[&str]) -> Value {
    let mut role = get(&["role", role, "--namespace", namespace]);
    let before = role["rules"].clone();
    let named = |rule: &&mut Value| {
        rule["resources"].as_array().is_some_and(|all| all.iter().any(|it| it == resource))
    };
    for rule in role["rules"].as_array_mut().expect("rules").iter_mut().filter(named) {
        rule["verbs"] = json!(verbs);
    }
    set_rules(&role["metadata"]["name"], namespace, &role["rules"]);
    before
}

fn set_rules(role: &Value, namespace: &str, rules: &Value) {
    let (role, patch) = (role.as_str().expect("a name"), json!({ "rules": rules }).to_string());
    kubectl(&["patch", "role", role, "--namespace", namespace, "--type=merge", "-p", &patch]).ok();
}

#[test]
fn cluster_a_rights_that_are_taken_away_are_named_and_used_again_when_they_are_back() {
    install_crds();
    let (home, namespace, nodes) =
        (Namespace::new("home"), Namespace::new("rights"), Nodes::new("rights", 2));
    install_rights(home.name(), &["--set", &format!("watchNamespaces={{{}}}", namespace.name())]);
    let role = get(&["roles", "--namespace", namespace.name()])["items"][0]["metadata"]["name"].clone();
    let role = role.as_str().expect("the chart made a role").to_owned();
    let as_installed = Settings {
        user: service_account(home.name()),
        groups: ["system:serviceaccounts", "system:authenticated"].map(str::to_owned).into(),
        ..Settings::serving(&[namespace.name()])
    };
    let operator = as_installed.start();
    let office = Office::open(&namespace, "office", &spec(&nodes, &["default"]));
    until_media(&office, 2);
    office.until_condition("Degraded", "False Healthy", SOON);
    let before = workloads(&office);

    let rules = set_verbs(&role, "daemonsets", namespace.name(), &["get", "list", "watch"]);
    office.edit(&spec(&nodes, &["default", "extra"]));
    let message = office.until_condition("Degraded", "True Forbidden", SOON);
    assert!(message.contains("daemonsets") && message.contains("cannot patch"), "{message}");
    assert_eq!(workloads(&office), before);
    set_rules(&json!(role), namespace.name(), &rules);
    until_media(&office, 4);
    office.until_condition("Degraded", "False Healthy", TRIED_AGAIN);

    // One that may not even see the pods decides nothing.
    let rules = set_verbs(&role, "pods", namespace.name(), &["delete"]);
    let operator = operator.kill().start();
    office.edit(&spec(&nodes, &["default"]));
    let message = until("it is told that pods are not seen", SOON, || {
        let (found, message) = office.condition("Progressing");
        let told =
            found == "True Applying" && message.contains("everything was seen") && message.contains("pods");
        if told { Ok(message) } else { Err((found, message)) }
    });
    assert!(message.contains("cannot list"), "{message}");
    assert_eq!(office.media_nodes().len(), 4);
    set_rules(&json!(role), namespace.name(), &rules);
    until_media(&office, 2);
    drop(operator);
    helm(&["uninstall", home.name(), "--namespace", home.name()]);
}

#[test]
fn cluster_a_a_quota_is_named_and_what_it_kept_out_is_made_when_it_is_gone() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("quota"), Nodes::new("quota", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let office = Office::open(&namespace, "office", &spec(&nodes, &["default"]));
    until_media(&office, 2);
    office.until_condition("Degraded", "False Healthy", SOON);
    let before = workloads(&office);

    let limit = json!({"count/daemonsets.apps": "2"});
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two", "namespace": namespace.name()},
        "spec": {"hard": limit},
    });
    apply(&quota.to_string()).ok();
    // No controller counts here.
    let status = json!({"status": {"hard": limit, "used": limit}}).to_string();
    office.kubectl(&["patch", "resourcequota", "two", "--subresource=status", "--type=merge", "-p", &status]);
    office.edit(&spec(&nodes, &["default", "extra"]));
    let message = office.until_condition("Degraded", "True QuotaExceeded", SOON);
    assert!(message.contains("two") && message.contains("DaemonSet"), "{message}");
    assert_eq!(workloads(&office), before);

    office.kubectl(&["delete", "resourcequota", "two"]);
    until_media(&office, 4);
    office.until_condition("Degraded", "False Healthy", TRIED_AGAIN);
}

#[test]
fn cluster_a_objects_that_are_edited_or_deleted_by_hand_are_as_they_were() {
    install_crds();
    let (namespace, nodes) = (Namespace::new("hands"), Nodes::new("hands", 2));
    let _operator = Settings::serving(&[namespace.name()]).start();
    let office = Office::open(&namespace, "office", &spec(&nodes, &["default"]));
    until_media(&office, 2);
    office.until_condition("Degraded", "False Healthy", SOON);
    let media = office.objects("daemonsets")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let spec_of = |kind: &str, name: &str| {
        let found = kubectl(&["get", kind, name, "--namespace", namespace.name(), "-o", "json"]);
        let object: Value = serde_json::from_str(&found.stdout).unwrap_or_default();
        // A Service that is made anew has another address.
        let ports = &object["spec"]["ports"];
        (
            object["metadata"]["labels"].clone(),
            object["data"].clone(),
            object["spec"]["template"].clone(),
            ports.clone(),
        )
    };

    let image = r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other"}]"#;
    let port = r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 5999}]"#;
    let data = r#"[{"op": "replace", "path": "/data", "value": {}}]"#;
    let edits = [
        ("daemonset", media.as_str(), image),
        ("deployment", "office-sip", image),
        ("service", "office-sip", port),
        ("configmap", "office-media-v1", data),
    ];
    for (kind, name, patch) in edits {
        let before = spec_of(kind, name);
        let mended = |what: &str| {
            until(&format!("{kind} {name} is {what} and mended"), SOON, || {
                let found = spec_of(kind, name);
                if found == before { Ok(()) } else { Err(format!("{found:?}")) }
            });
        };
        office.kubectl(&["patch", kind, name, "--type=json", "-p", patch]);
        mended("edited");
        office.kubectl(&["delete", kind, name]);
        mended("deleted");
    }
    // Whoever reads it has the same authority and password as before: those two are made once.
    let token = || get(&["secret", "office-api", "--namespace", namespace.name()])["data"].clone();
    let before = token();
    office.kubectl(&["delete", "secret", "office-sip-mtls"]);
    until("the certificate is made again", SOON, || {
        let said = kubectl(&["get", "secret", "office-sip-mtls", "--namespace", namespace.name()]);
        if said.success { Ok(()) } else { Err(said.stderr) }
    });
    assert_eq!(token(), before);

    office.kubectl(&[
        "patch",
        "secret",
        "office-media-mtls",
        "--type=merge",
        "-p",
        r#"{"data": {"tls.crt": ""}}"#,
    ]);
    until("a new certificate in place of another is told of", SOON, || {
        let said = office.kubectl(&["get", "events", "--field-selector", "reason=CertificateRotated"]);
        if said.contains("office-media-mtls") { Ok(()) } else { Err(said) }
    });
}
