//! The chart on a real API server: the operator's rights, the admission policies, install to uninstall, the examples.
//!
//! Tests share an API server, so what a Kubernetes has once is either equal in all of them (CRDs) or made anew under
//! another name that matches only the test's own objects (policies).

use std::process::Command;
use std::time::Duration;

use e2e::kubernetes::{Namespace, Said, apply, feed, get, install_crds, kubectl};
use e2e::wait::until;
use serde_json::{Value, json};

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/voip-operator");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
/// Turns off what another test would meet.
const ALONE: [&str; 4] = [
    "--set",
    "policies.leases=false,policies.delete=false,aggregatedRoles.enabled=false",
    "--set",
    "crds.enabled=false",
];

/// Runs helm; the answer is what it printed.
pub(crate) fn helm(arguments: &[&str]) -> String {
    let output = Command::new("helm").args(arguments).output().expect("start helm");
    assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm prints UTF-8")
}

/// Installs the rights of an operator in `namespace`, with its name as the release's.
pub(super) fn install_rights(namespace: &str, settings: &[&str]) {
    let base = ["install", namespace, CHART, "--namespace", namespace];
    helm(&[&base[..], &ALONE, settings].concat());
}

/// What the chart names the `ServiceAccount` of release `namespace`.
pub(super) fn service_account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{namespace}-voip-operator")
}

/// Whether the operator of `operator` may do `what`, as `VERB RESOURCE`, in `namespace`.
fn may(operator: &str, what: &str, namespace: &str) -> bool {
    let account = format!("--as={}", service_account(operator));
    let words: Vec<&str> = what.split(' ').collect();
    let said = kubectl(&[&["auth", "can-i", &account, "-n", namespace], &words[..]].concat());
    match said.stdout.trim() {
        "yes" => true,
        "no" => false,
        _ => panic!("{what}: {}", said.stderr),
    }
}

/// In a namespace that is served.
const SERVED: &[&str] = &[
    "list voipclusters.voip.dev",
    "watch dialplans.voip.dev",
    "list sipusers.voip.dev",
    "patch voipclusters.voip.dev --subresource=status",
    "update voipclusters.voip.dev --subresource=finalizers",
    "create pods",
    "delete pods",
    "create daemonsets.apps",
    "patch deployments.apps",
    "delete services",
    "create configmaps",
    "create serviceaccounts",
    "update secrets",
    "create events.events.k8s.io",
];

/// Wherever it is served.
const EVERYWHERE: &[&str] = &[
    // A namespace that is being deleted has no Role any more, and its VoipClusters must lose their finalizer.
    "patch voipclusters.voip.dev",
    "list nodes",
    "watch nodes",
    "create rtpportleases.voip.dev",
    "update rtpportleases.voip.dev",
    "delete rtpportleases.voip.dev",
    "patch rtpportleases.voip.dev --subresource=status",
    "watch customresourcedefinitions.apiextensions.k8s.io/voipclusters.voip.dev",
    "list customresourcedefinitions.apiextensions.k8s.io/rtpportleases.voip.dev",
];

const NEVER: &[&str] = &[
    "create pods --subresource=exec",
    "create pods --subresource=eviction",
    "get pods",
    "get voipclusters.voip.dev",
    "patch rtpportleases.voip.dev",
    "update rtpportleases.voip.dev --subresource=status",
    "get nodes",
    "patch nodes",
    "update nodes --subresource=status",
    "delete nodes",
    "create roles.rbac.authorization.k8s.io",
    "create clusterrolebindings.rbac.authorization.k8s.io",
    "get namespaces",
    "delete namespaces",
    "patch customresourcedefinitions.apiextensions.k8s.io/voipclusters.voip.dev",
    "list customresourcedefinitions.apiextensions.k8s.io",
    "create voipclusters.voip.dev",
    "delete voipclusters.voip.dev",
    "update sipusers.voip.dev",
    "create statefulsets.apps",
    "create serviceaccounts --subresource=token",
    "create leases.coordination.k8s.io",
    "impersonate users",
    "* *",
];

fn check_rights(operator: &str, namespace: &str, served: bool) {
    for what in SERVED {
        assert_eq!(may(operator, what, namespace), served, "{what} in {namespace}");
    }
    for what in EVERYWHERE {
        assert!(may(operator, what, namespace), "{what}");
    }
    for what in NEVER {
        assert!(!may(operator, what, namespace), "{what} in {namespace}");
    }
}

#[test]
fn cluster_a_chart_gives_the_operator_its_rights_and_no_more() {
    install_crds();
    let (operator, other) = (Namespace::new("chart-all"), Namespace::new("chart-served"));
    install_rights(operator.name(), &[]);
    check_rights(operator.name(), other.name(), true);
    let lease = format!("leases.coordination.k8s.io/{}-voip-operator", operator.name());
    assert!(may(operator.name(), &format!("update {lease}"), operator.name()));
    assert!(!may(operator.name(), &format!("update {lease}"), other.name()));
    assert!(!may(operator.name(), "update leases.coordination.k8s.io/another", operator.name()));
    helm(&["uninstall", operator.name(), "--namespace", operator.name()]);
}

#[test]
fn cluster_a_chart_keeps_the_operator_to_the_namespaces_it_serves() {
    install_crds();
    let namespaces = ["chart-some", "chart-watched", "chart-foreign"].map(Namespace::new);
    let [operator, watched, foreign] = namespaces.each_ref().map(Namespace::name);
    install_rights(operator, &["--set", &format!("watchNamespaces={{{watched}}}")]);
    check_rights(operator, watched, true);
    check_rights(operator, foreign, false);
    check_rights(operator, operator, false);
    helm(&["uninstall", operator, "--namespace", operator]);
}

/// The policy `name` of the chart and its binding, for objects labelled `test: namespace` only.
fn apply_policy(name: &str, namespace: &str) {
    let text = helm(&["template", namespace, CHART, "-n", namespace, "-s", "templates/policies.yaml"]);
    let list = feed(&["create", "--dry-run=client", "-o", "json", "-f", "-"], &text).ok();
    let objects = serde_json::Deserializer::from_str(&list).into_iter::<Value>();
    for mut object in objects.map(|object| object.expect("kubectl prints JSON")) {
        if object["metadata"]["name"] != name {
            continue;
        }
        let own = format!("{name}-{namespace}");
        object["metadata"]["name"] = json!(own);
        if object["kind"] == "ValidatingAdmissionPolicy" {
            object["spec"]["matchConstraints"]["objectSelector"] =
                json!({"matchLabels": {"test": namespace}});
        } else {
            object["spec"]["policyName"] = json!(own);
        }
        apply(&object.to_string()).ok();
    }
}

fn delete_policy(name: &str, namespace: &str) {
    let own = format!("{name}-{namespace}");
    kubectl(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &own]).ok();
}

/// Waits until the API server enforces a new policy: until `attempt` is refused with `message`.
fn refused_in_the_end(message: &str, attempt: impl Fn() -> Said) {
    until("the policy is enforced", Duration::from_secs(30), || {
        let said = attempt();
        if !said.success && said.stderr.contains(message) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn cluster_a_chart_lets_nobody_but_the_operator_write_leases() {
    install_crds();
    let namespace = Namespace::new("chart-leases");
    let name = namespace.name();
    install_rights(name, &[]);
    apply_policy("voip-leases", name);
    let lease = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease",
        "metadata": {"name": name, "labels": {"test": name}},
        "spec": {"space": {"type": "Node", "name": name}},
    });
    let create = |account: &[&str]| {
        let arguments = [&["create", "--dry-run=server", "-f", "-"], account].concat();
        feed(&arguments, &lease.to_string())
    };
    refused_in_the_end("written by the operator only", || create(&[]));
    create(&[&format!("--as={}", service_account(name))]).ok();
    delete_policy("voip-leases", name);
    helm(&["uninstall", name, "--namespace", name]);
}

#[test]
fn cluster_a_chart_refuses_to_delete_a_cluster_with_calls() {
    install_crds();
    let namespace = Namespace::new("chart-delete");
    let name = namespace.name();
    apply_policy("voip-delete", name);
    let cluster = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster",
        "metadata": {"name": "busy", "namespace": name, "labels": {"test": name}}, "spec": {},
    });
    apply(&cluster.to_string()).ok();
    let patch = ["patch", "voipcluster", "busy", "-n", name, "--type=merge"];
    let calls = json!({"status": {"load": {"activeCalls": 3}}}).to_string();
    kubectl(&[&patch[..], &["--subresource=status", "-p", &calls]].concat()).ok();
    let delete = ["delete", "voipcluster", "busy", "-n", name, "--wait=false"];
    let rehearsed = [&delete[..], &["--dry-run=server"]].concat();
    refused_in_the_end("this VoipCluster has 3 calls", || kubectl(&rehearsed));
    let namespace_controller = "--as=system:serviceaccount:kube-system:namespace-controller";
    kubectl(&[&rehearsed[..], &[namespace_controller, "--as-group=system:masters"]].concat()).ok();
    kubectl(&["annotate", "voipcluster", "busy", "-n", name, "voip.dev/allow-delete=true"]).ok();
    kubectl(&delete).ok();
    delete_policy("voip-delete", name);
}

#[test]
fn cluster_a_chart_installs_upgrades_and_uninstalls_and_keeps_the_clusters() {
    let namespace = Namespace::new("chart-life");
    let name = namespace.name();
    let settings = [&["--namespace", name, "--take-ownership"][..], &ALONE[..2]].concat();
    helm(&[&["install", name, CHART], &settings[..]].concat());
    let deployment = format!("{name}-voip-operator");
    let replicas = || get(&["deployment", &deployment, "-n", name])["spec"]["replicas"].clone();
    assert_eq!(replicas(), 2);
    helm(&[&["upgrade", name, CHART, "--set", "replicas=1"], &settings[..]].concat());
    assert_eq!(replicas(), 1);

    // As the operator leaves it: with its finalizer.
    let cluster = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster",
        "metadata": {"name": "office", "namespace": name, "finalizers": ["voip.dev/drain"]}, "spec": {},
    });
    until("the CRDs are served", Duration::from_secs(10), || {
        let said = apply(&cluster.to_string());
        if said.success { Ok(()) } else { Err(said) }
    });
    helm(&["uninstall", name, "--namespace", name]);
    kubectl(&["get", "deployment", &deployment, "-n", name]).refused();
    assert!(get(&["voipcluster", "office", "-n", name])["metadata"]["deletionTimestamp"].is_null());

    // The way out that the chart's README gives to those who uninstalled first.
    kubectl(&["delete", "voipcluster", "office", "-n", name, "--wait=false"]).ok();
    assert!(!get(&["voipcluster", "office", "-n", name])["metadata"]["deletionTimestamp"].is_null());
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(&["patch", "voipcluster", "office", "--namespace", name, "--type", "merge", "--patch", patch])
        .ok();
    kubectl(&["get", "voipcluster", "office", "-n", name]).refused();
}

#[test]
fn cluster_a_chart_examples_are_taken() {
    install_crds();
    let namespace = Namespace::new("chart-examples");
    let own = format!("namespace: {}", namespace.name());
    let files = std::fs::read_dir(EXAMPLES).expect("list examples/");
    let files: Vec<_> = files.map(|file| file.expect("list examples/").path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("read an example").replace("namespace: voip", &own);
        let said = feed(&["apply", "--dry-run=server", "-f", "-"], &text);
        assert!(said.success, "{}: {}", file.display(), said.stderr);
    }
}
