//! `kubectl voip plan`: what the operator would do in the Kubernetes that the fake kubectl shows.

use serde_json::{Value, json};

use super::fake_kubectl::Kubectl;
use super::harness::{Finished, voipctl};
use super::kube::list;

const OFFICE: &str = "apiVersion: voip.dev/v1alpha1
kind: VoipCluster
metadata: {name: office}
spec: {media: {pools: [{name: default, nodes: 2, callsPerNode: 10}]}}
---
apiVersion: voip.dev/v1alpha1
kind: SipUser
metadata: {name: \"1001\"}
spec: {clusterRef: {name: office}, passwordSecretRef: {name: elsewhere}}
";

const NODES: &str = "get nodes";
const LEASES: &str = "get rtpportleases.voip.dev";
const DRY_RUN: &str = "create --dry-run=server -o name -f -";

fn node(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid-{name}")},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn user(name: &str, number: &str) -> Value {
    json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "SipUser", "metadata": {"name": name, "namespace": "voip"},
        "spec": {"clusterRef": {"name": "office"}, "numbers": [number]},
    })
}

/// The rest of a Kubernetes in which nothing runs; what was said of it before counts.
fn empty(kubectl: Kubectl) -> Kubectl {
    let absent = "Error from server (NotFound): it is not there";
    let nothing = list(&[]);
    kubectl
        .does("config view --minify", "echo voip")
        .refuses("get voipclusters.voip.dev office", absent)
        .answers(NODES, &list(&[node("w1"), node("w2")]))
        .answers(LEASES, &nothing)
        .answers("get pods --selector=voip.dev/cluster=office", &nothing)
        .answers("get daemonsets.apps --selector=voip.dev/cluster=office", &nothing)
        .refuses("get deployments.apps office-sip", absent)
        .refuses("get services office-sip", absent)
        .answers("get sipusers.voip.dev", &list(&[user("1002", "200"), user("1003", "200")]))
        .answers("get dialplans.voip.dev", &nothing)
        .does(DRY_RUN, "cat > /dev/null; echo pod/x")
}

fn plan(kubectl: &Kubectl, more: &[&str]) -> Finished {
    let file = kubectl.path("office.yaml");
    std::fs::write(&file, OFFICE).unwrap();
    kubectl.voip(&[&["plan", file.to_str().unwrap()], more].concat())
}

fn forbidden(verb: &str, resource: &str) -> String {
    format!(
        "Error from server (Forbidden): {resource} is forbidden: User \"u\" cannot {verb} resource \"{resource}\" in \
         API group \"\" at the cluster scope"
    )
}

fn assert_says(text: &str, expected: &[&str]) {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in expected {
        assert!(flat.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn the_plan_is_for_the_nodes_and_users_that_are_there() {
    let kubectl = empty(Kubectl::new());
    let said = plan(&kubectl, &[]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert_says(
        &said.out,
        &[
            "VoipCluster voip/office",
            "HostNetwork (HostNetworkAdmitted",
            "users 3",
            "default-w1 media, pool default 192.0.2.7 NodeInternalIP",
            "default-w2",
            "problem: ",
            "nobody has given signaling an address yet",
            // The one of the Kubernetes, which is nobody's mistake here.
            "note: left out: SipUser voip/1003",
        ],
    );
    assert!(!kubectl.asked().iter().any(|line| line.contains("secrets")), "{:?}", kubectl.asked());
}

#[test]
fn voipctl_plans_for_the_kubernetes_of_the_context_as_the_plugin_does() {
    let kubectl = empty(Kubectl::new().refuses(NODES, &forbidden("list", "nodes")));
    let plugin = plan(&kubectl, &[]);
    let file = kubectl.path("office.yaml");
    let path = format!("{}:/usr/bin:/bin", file.parent().unwrap().display());
    let mut command = voipctl();
    command.args(["plan", file.to_str().unwrap(), "--cluster"]).env("PATH", path);
    let said = Finished::of(&mut command);
    assert_eq!((said.code, &said.out), (Some(0), &plugin.out), "{said:?}");
    assert_says(&said.out, &["not seen: cannot list nodes"]);
}

#[test]
fn ports_that_others_have_are_not_planned() {
    let lease = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": "node.w1"},
        "spec": {"space": {"type": "Node", "name": "w1"}, "leases": [{
            "id": "lab/lab/default/0@w1", "clusterUID": "other", "nodeUID": "uid-w1", "state": "Active",
            "rtp": {"start": 16_384, "length": 64}, "control": {"start": 29_998, "length": 2},
        }]},
    });
    let said = plan(&empty(Kubectl::new().answers(LEASES, &list(&[lease]))), &[]);
    assert_says(&said.out, &["16448-16511 RTP"]);
    assert!(!said.out.contains("16384-"), "{said:?}");
}

#[test]
fn machines_get_the_objects_without_what_is_secret() {
    let kubectl = empty(Kubectl::new());
    let said = plan(&kubectl, &["-o", "yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let kinds = ["kind: RtpPortLease", "kind: Deployment", "kind: DaemonSet", "kind: Secret"];
    assert!(kinds.iter().all(|kind| said.out.contains(kind)), "{said:?}");
    assert!(said.out.contains("users-15.json: REDACTED") && !said.out.contains("unused"), "{said:?}");
    assert!(said.err.contains("problem: "), "what is wrong is said beside: {said:?}");
    let json = super::harness::json(&plan(&kubectl, &["-o", "json"]).out);
    assert_eq!(json["items"][0]["metadata"]["name"], "node.w1");
}

#[test]
fn what_may_not_be_seen_is_named_with_what_is_assumed() {
    let blind = empty(
        Kubectl::new()
            .refuses(NODES, &forbidden("list", "nodes"))
            .refuses(LEASES, &forbidden("list", "rtpportleases"))
            .refuses(DRY_RUN, &forbidden("create", "pods")),
    );
    let said = plan(&blind, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_says(
        &said.out,
        &[
            "not seen: cannot list nodes: the plan rests on invented nodes, as many as the file asks",
            "not seen: cannot list rtpportleases: the plan rests on no port being leased yet",
            "not seen: cannot create pods, not even to try: the plan rests on the host network being admitted",
            "default-",
            "HostNetworkAdmitted",
        ],
    );
}

#[test]
fn admission_decides_the_network_mode() {
    let refusal = "Error from server (Forbidden): error when creating \"STDIN\": pods \"x\" is forbidden: violates \
                   PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)";
    let baseline = format!("if grep -q hostNetwork; then echo '{refusal}' >&2; exit 1; fi; echo pod/x");
    let said = plan(&empty(Kubectl::new().does(DRY_RUN, &baseline)), &[]);
    assert_says(&said.out, &["Bridge/HostPort (HostPortsAdmitted"]);

    let closed = format!("cat > /dev/null; echo '{refusal}' >&2; exit 1");
    let said = plan(&empty(Kubectl::new().does(DRY_RUN, &closed)), &[]);
    assert_says(
        &said.out,
        &["none (Undecided", "not seen: no pod of any kind is admitted: pods \"x\" is forbidden"],
    );
}

/// A media-node on w1 that was made from another template than the newest.
fn running(set: &str) -> [Value; 2] {
    let labels = json!({"voip.dev/cluster": "office", "voip.dev/component": "media"});
    let owner =
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": set, "uid": "d", "controller": true});
    let annotations = json!({"voip.dev/rendered": "old"});
    let pod = json!({
        "metadata": {"name": "office-media-x", "uid": "p", "labels": labels, "annotations": annotations,
                     "ownerReferences": [owner]},
        "spec": {"nodeName": "w1", "containers": [{"name": "media-node"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let spec =
        json!({"hostNetwork": true, "containers": [{"name": "media-node", "image": "registry/media:1"}]});
    let set = json!({
        "metadata": {"name": set, "labels": labels, "ownerReferences": [{"apiVersion": "voip.dev/v1alpha1",
                     "kind": "VoipCluster", "name": "office", "uid": "u", "controller": true}]},
        "spec": {"selector": {}, "template": {"metadata": {"annotations": annotations}, "spec": spec}},
    });
    [pod, set]
}

fn with_running(set: &str) -> Kubectl {
    let [pod, set] = running(set);
    let cluster = json!({"metadata": {"name": "office", "namespace": "voip", "uid": "u"}, "status": {"version": "0.0.1"}});
    empty(
        Kubectl::new()
            .answers("get voipclusters.voip.dev office", &cluster)
            .answers(NODES, &list(&[node("w1")]))
            .answers("get pods --selector=voip.dev/cluster=office", &list(&[pod]))
            .answers("get daemonsets.apps --selector=voip.dev/cluster=office", &list(&[set])),
    )
}

#[test]
fn what_is_first_done_to_pods_that_run_is_said() {
    let said = plan(&with_running("office-media-gone"), &[]);
    assert_says(
        &said.out,
        &[
            // The status does not say it, but the DaemonSet does.
            "HostNetwork (Unchanged",
            "first: drain pod office-media-x within 600 s, because it is not wanted any more",
            "not seen: the operator is of release 0.0.1 and this voipctl of",
        ],
    );
    let said = plan(&with_running("office-media-default-60c5590f72eef292-0"), &[]);
    assert_says(&said.out, &["first: drain pod office-media-x within 600 s, because a newer template waits"]);
}

#[test]
fn images_are_those_that_run() {
    let said = plan(&with_running("office-media-gone"), &["-o", "yaml"]);
    assert!(said.out.contains("image: registry/media:1"), "{said:?}");
}

#[test]
fn mistakes_of_the_file_are_told_with_their_lines() {
    let kubectl = empty(Kubectl::new());
    let file = kubectl.path("bad.yaml");
    std::fs::write(&file, OFFICE.replace("callsPerNode: 10", "callsPerNode: 0")).unwrap();
    let said = kubectl.voip(&["plan", file.to_str().unwrap()]);
    assert!(said.refused().contains("bad.yaml:4: "), "{said:?}");
}

#[test]
fn a_namespace_that_the_file_contradicts_is_refused() {
    let kubectl = empty(Kubectl::new());
    let file = kubectl.path("lab.yaml");
    std::fs::write(&file, OFFICE.replace("{name: office}\nspec", "{name: office, namespace: lab}\nspec"))
        .unwrap();
    let said = kubectl.voip(&["plan", file.to_str().unwrap(), "-n", "voip"]);
    assert!(said.refused().contains("lies in namespace lab, and -n says voip"), "{said:?}");
}

#[test]
fn a_kubernetes_without_the_operator_is_told() {
    let unknown = "error: the server doesn't have a resource type \"voipclusters\"";
    let said = plan(&empty(Kubectl::new().refuses("get voipclusters.voip.dev office", unknown)), &[]);
    assert!(said.refused().contains("install the chart voip-operator"), "{said:?}");
}
