//! `kubectl voip`, before a kubectl that says what the test wrote.

use serde_json::{Value, json};

use super::fake_kubectl::Kubectl;
use super::harness::{Finished, voipctl};

pub(crate) const CLUSTERS: &str = "get voipclusters.voip.dev -o json";

pub(crate) fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "items": items})
}

pub(crate) fn office() -> Value {
    json!({
        "metadata": {"name": "office", "namespace": "voip", "uid": "u", "generation": 2, "resourceVersion": "7"},
        "spec": {"ofALaterRelease": true},
        "status": {
            "observedGeneration": 2,
            "conditions": [{"type": "Ready", "status": "True", "reason": "CallsPossible", "message": "",
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "nodes": [{"name": "w1", "pool": "default", "address": "192.0.2.1", "ports": "16384-17535",
                       "state": "Ready"}],
        },
    })
}

#[test]
fn status_is_for_people_and_for_machines() {
    let kubectl = Kubectl::new().answers(CLUSTERS, &list(&[office()]));
    let text = kubectl.voip(&["status"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""), "{text:?}");
    assert!(text.out.starts_with("VoipCluster voip/office: ready\n"), "{text:?}");
    let json = super::harness::json(&kubectl.voip(&["status", "office", "-o", "json"]).out);
    assert_eq!((&json["name"], &json["ready"]), (&json!("office"), &json!(true)));
    assert_eq!(json["status"]["nodes"][0]["state"], "Ready");
}

#[test]
fn kubectl_looks_where_the_user_says() {
    let kubectl = Kubectl::new().answers(CLUSTERS, &list(&[office()]));
    let flags = ["-n", "voip", "--context", "west", "--kubeconfig", "/k"];
    assert_eq!(kubectl.voip(&[&["status"], &flags[..]].concat()).code, Some(0));
    let asked = kubectl.asked();
    assert!(asked[0].contains(" --namespace voip --context west --kubeconfig /k "), "{asked:?}");
}

#[test]
fn voipctl_kube_is_the_same() {
    let kubectl = Kubectl::new().answers(CLUSTERS, &list(&[office()]));
    let path = kubectl.command(&[]).get_envs().find(|(key, _)| *key == "PATH").unwrap().1.unwrap().to_owned();
    let same = Finished::of(voipctl().args(["kube", "status"]).env("PATH", path));
    assert_eq!(same.out, kubectl.voip(&["status"]).out);
    assert!(same.out.contains("office"), "{same:?}");
}

#[test]
fn nodes_are_all_that_the_status_and_the_daemon_sets_name() {
    let kubectl = Kubectl::new()
        .answers(CLUSTERS, &list(&[office()]))
        .answers(
            "get daemonsets.apps --selector=voip.dev/cluster=office,voip.dev/component=media",
            &list(&[]),
        )
        .answers("get pods --selector=voip.dev/cluster=office,voip.dev/component=media", &list(&[]));
    let text = kubectl.voip(&["nodes"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""), "{text:?}");
    assert!(text.out.contains("w1    default      0  16384-17535  -        192.0.2.1  Ready"), "{text:?}");
    let json = super::harness::json(&kubectl.voip(&["nodes", "-o", "json"]).out);
    assert_eq!(json[0]["ports"], "16384-17535");
}

#[test]
fn what_may_not_be_seen_is_said_and_the_rest_shown() {
    let forbidden = "Error from server (Forbidden): pods is forbidden: User \"u\" cannot list resource \"pods\" in API \
                     group \"\" in the namespace \"voip\"";
    let kubectl = Kubectl::new()
        .answers(CLUSTERS, &list(&[office()]))
        .answers("get daemonsets.apps", &list(&[]))
        .refuses("get pods", forbidden);
    let text = kubectl.voip(&["nodes"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.out.contains("w1"), "{text:?}");
    assert!(text.err.starts_with("not all is seen: cannot list pods: User \"u\""), "{text:?}");
}

#[test]
fn what_is_not_there_is_said_with_the_mend() {
    let unknown = "error: the server doesn't have a resource type \"voipclusters\"";
    for (kubectl, arguments, code, words) in [
        (Kubectl::new().refuses(CLUSTERS, unknown), &["status"][..], 2, "install the chart voip-operator"),
        (Kubectl::new().answers(CLUSTERS, &list(&[])), &["nodes"], 2, "apply one with kubectl"),
        (
            Kubectl::new().answers(CLUSTERS, &list(&[office()])),
            &["status", "lab"],
            2,
            "those that are there: office",
        ),
        (
            Kubectl::new().refuses(CLUSTERS, "Unable to connect to the server: dial tcp: no route to host"),
            &["status"],
            1,
            "kubectl reaches no Kubernetes",
        ),
    ] {
        let said = kubectl.voip(arguments);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.starts_with("error: ") && said.err.contains(words), "{said:?}");
    }
}

#[test]
fn without_kubectl_it_says_so() {
    let nowhere = tempfile::tempdir().unwrap();
    let said = Finished::of(voipctl().args(["kube", "status"]).env("PATH", nowhere.path()));
    assert!(said.refused().starts_with("there is no kubectl in PATH"), "{said:?}");
}

#[test]
fn help_names_the_plugin() {
    let help = Kubectl::new().voip(&["--help"]);
    assert!(help.out.contains("Usage: kubectl voip [OPTIONS] <COMMAND>"), "{help:?}");
}
