//! `kubectl voip calls` and `drain`: through a port-forward that the test pretends, to a sip-node that it is.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fake_kubectl::Kubectl;
use super::harness::{Finished, eventually, signal};
use super::kube::{CLUSTERS, list, office};

const FORBIDDEN: &str = "Error from server (Forbidden): secrets \"office-api\" is forbidden: User \"u\" cannot get \
                         resource \"secrets\" in API group \"\" in the namespace \"voip\"";

/// A sip-node: answers each path with what was last set for it, to those who have the token `good`.
struct SipNode {
    port: u16,
    answers: Arc<Mutex<Vec<(&'static str, Value)>>>,
}

impl SipNode {
    fn start(answers: &[(&'static str, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let shared = Arc::clone(&answers);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let (status, body) = answer(&head, &shared.lock().unwrap());
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        Self { port, answers }
    }

    fn says(&self, path: &'static str, answer: Value) {
        self.answers.lock().unwrap().insert(0, (path, answer));
    }
}

fn answer(head: &[String], answers: &[(&'static str, Value)]) -> (&'static str, String) {
    if !head.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer good")) {
        return ("401 Unauthorized", String::new());
    }
    let path = head[0].split(' ').nth(1).unwrap_or_default();
    let found = answers.iter().find(|(known, _)| *known == path);
    found.map_or(("404 Not Found", String::new()), |(_, answer)| ("200 OK", answer.to_string()))
}

fn sip_pod() -> Value {
    json!({
        "metadata": {"name": "office-sip-x", "labels": {"voip.dev/component": "signaling"}},
        "spec": {"containers": [{"name": "sip-node", "readinessProbe": {"httpGet": {"port": 8060}}}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// A kubectl that leads to `sip_node`; the process id of its port-forward is in the file.
fn leading_to(sip_node: &SipNode, token: &str) -> (Kubectl, PathBuf) {
    let kubectl = Kubectl::new();
    let pid = kubectl.path("pid");
    let forward = format!(
        "echo $$ > '{}'; echo 'Forwarding from 127.0.0.1:{} -> 8060'; exec sleep 600",
        pid.display(),
        sip_node.port
    );
    let kubectl = kubectl
        .answers(CLUSTERS, &list(&[office()]))
        .answers(
            "get pods --selector=voip.dev/cluster=office,voip.dev/component=signaling",
            &list(&[sip_pod()]),
        )
        .answers("get secrets office-api", &json!({"data": {"token": token}}))
        .does("port-forward --address=127.0.0.1 pod/office-sip-x :8060 --namespace voip", &forward);
    (kubectl, pid)
}

/// Base64 of `good`.
const GOOD: &str = "Z29vZA==";

fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn assert_ended(pid: &PathBuf) {
    let pid = std::fs::read_to_string(pid).expect("a port-forward was started");
    eventually("the port-forward has ended", || !runs(&pid));
}

fn calls() -> Value {
    json!({"total": 1, "calls": [{
        "id": "00000000000000000000000000000001", "from": "1001", "to": "1002", "startedAtMs": 1_000,
        "answeredAtMs": 2_000, "mediaNode": "default-w1",
    }]})
}

#[test]
fn calls_come_from_sip_node_and_the_port_forward_ends() {
    let sip_node = SipNode::start(&[("/api/v1/calls", calls())]);
    let (kubectl, pid) = leading_to(&sip_node, GOOD);
    let text = kubectl.voip(&["calls"]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""), "{text:?}");
    assert!(text.out.contains("1001  1002  talking") && text.out.contains("default-w1"), "{text:?}");
    assert_ended(&pid);
    assert_eq!(super::harness::json(&kubectl.voip(&["calls", "office", "-o", "json"]).out), calls());
}

#[test]
fn a_token_that_is_refused_is_said() {
    let sip_node = SipNode::start(&[("/api/v1/calls", calls())]);
    let (kubectl, pid) = leading_to(&sip_node, "YmFk");
    let refused = kubectl.voip(&["calls"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("refuses the token"), "{refused:?}");
    assert_ended(&pid);
}

#[test]
fn a_token_that_may_not_be_read_is_said() {
    let kubectl = Kubectl::new()
        .answers(CLUSTERS, &list(&[office()]))
        .answers("get pods", &list(&[sip_pod()]))
        .refuses("get secrets", FORBIDDEN);
    let forbidden = kubectl.voip(&["calls"]);
    assert!(forbidden.err.contains("cannot get secrets: User \"u\""), "{forbidden:?}");
}

#[test]
fn without_a_sip_node_there_is_nobody_to_ask() {
    let kubectl = Kubectl::new().answers(CLUSTERS, &list(&[office()])).answers("get pods", &list(&[]));
    let said = kubectl.voip(&["calls"]);
    assert!(said.err.contains("no sip-node of voip/office runs: kubectl voip status"), "{said:?}");
}

#[test]
fn a_signal_ends_the_port_forward_too() {
    // Nobody answers, so the drain goes on until it is told to end.
    let sip_node = SipNode::start(&[("/api/v1/status", status("Ready", 1))]);
    let (kubectl, pid) = leading_to(&sip_node, GOOD);
    let kubectl = draining(kubectl);
    let mut command = kubectl.command(&["drain", "w1"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("a port-forward runs", || std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    signal(child.id(), "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ended by a signal"), "{output:?}");
    assert_ended(&pid);
}

fn status(state: &str, sessions: u32) -> Value {
    let media = json!({"name": "default-w1", "state": state, "ports": "1-2", "portsInUse": 0, "sessions": sessions,
                       "capacity": 9});
    json!({"ready": true, "activeCalls": 0, "registrations": 0, "mediaNodes": [media], "documents": {}, "rejected": []})
}

/// Knows the DaemonSet on w1 and lets the annotation be written.
fn draining(kubectl: Kubectl) -> Kubectl {
    let set = json!({
        "metadata": {"name": "office-media-w1", "labels": {"voip.dev/pool": "default", "voip.dev/shard": "0"}},
        "spec": {"selector": {}, "template": {"metadata": {}, "spec": {
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w1"]}]}]}}},
            "containers": [{"name": "media-node", "args": ["--name=default-w1"]}],
        }}},
    });
    kubectl
        .answers("get daemonsets.apps", &list(&[set]))
        .answers("get pods", &list(&[]))
        .does("annotate voipclusters.voip.dev office", "echo annotated")
}

#[test]
fn a_drain_waits_until_no_call_is_left() {
    let sip_node = SipNode::start(&[("/api/v1/status", status("Ready", 2))]);
    let (kubectl, pid) = leading_to(&sip_node, GOOD);
    let kubectl = draining(kubectl);
    let mut command = kubectl.command(&["drain", "office", "w1"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "asked to drain: w1");
    assert_eq!(lines.next().unwrap(), "2 calls left; 1 media-node not draining yet");
    sip_node.says("/api/v1/status", status("Draining", 1));
    assert_eq!(lines.next().unwrap(), "1 call left");
    sip_node.says("/api/v1/status", status("Draining", 0));
    assert_eq!(lines.next().unwrap(), "drained: no calls are left");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_ended(&pid);
    let annotated = kubectl.asked().into_iter().find(|line| line.starts_with("annotate")).unwrap();
    assert!(
        annotated.contains(" voip.dev/drain=w1 --overwrite --resource-version=7 --namespace voip"),
        "{annotated}"
    );
}

#[test]
fn a_drain_goes_on_while_sip_node_is_replaced() {
    let sip_node = SipNode::start(&[("/api/v1/status", status("Draining", 0))]);
    let kubectl = Kubectl::new();
    let once = kubectl.path("once");
    let gone = "Error from server (NotFound): pods \"office-sip-x\" not found";
    let port = sip_node.port;
    let forward = format!(
        "if mkdir '{}'; then echo '{gone}' >&2; exit 1; fi; echo 'Forwarding from 127.0.0.1:{port} -> 8060'; exec sleep 600",
        once.display()
    );
    let kubectl = kubectl
        .does("port-forward", &forward)
        .answers(CLUSTERS, &list(&[office()]))
        .answers(
            "get pods --selector=voip.dev/cluster=office,voip.dev/component=signaling",
            &list(&[sip_pod()]),
        )
        .answers("get secrets office-api", &json!({"data": {"token": GOOD}}));
    let said = draining(kubectl).voip(&["drain", "w1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("not seen for now: pods \"office-sip-x\" not found"), "{said:?}");
    assert!(said.out.ends_with("drained: no calls are left\n"), "{said:?}");
}

#[test]
fn a_drain_that_may_not_be_followed_is_ordered_all_the_same() {
    let kubectl = Kubectl::new()
        .answers(CLUSTERS, &list(&[office()]))
        .answers(
            "get pods --selector=voip.dev/cluster=office,voip.dev/component=signaling",
            &list(&[sip_pod()]),
        )
        .refuses("get secrets", FORBIDDEN);
    let kubectl = draining(kubectl);
    let said = kubectl.voip(&["drain", "w1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err
            .contains("the drain was ordered, but how many calls are left is not seen: cannot get secrets")
    );
    assert_eq!(annotations(&kubectl), ["voip.dev/drain=w1"]);
}

/// `office` with `annotation` as its drained nodes.
fn drained(annotation: &str) -> Value {
    let mut cluster = office();
    cluster["metadata"]["annotations"] = json!({"voip.dev/drain": annotation});
    list(&[cluster])
}

fn annotations(kubectl: &Kubectl) -> Vec<String> {
    let asked = kubectl.asked().into_iter().filter(|line| line.starts_with("annotate"));
    asked.map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
}

fn with_annotation(annotation: &str, arguments: &[&str]) -> (Finished, Vec<String>) {
    let kubectl = draining(Kubectl::new().answers(CLUSTERS, &drained(annotation)));
    let said = kubectl.voip(arguments);
    let written = annotations(&kubectl);
    (said, written)
}

#[test]
fn only_the_named_nodes_are_added_and_removed() {
    for (before, arguments, after) in [
        ("w7", &["drain", "w1", "--no-wait"][..], &["voip.dev/drain=w1,w7"][..]),
        ("w1,w7", &["drain", "w1", "--no-wait"], &[]),
        ("w1,w7", &["drain", "--undo", "w1"], &["voip.dev/drain=w7"]),
        ("w1", &["drain", "office", "w1", "--undo"], &["voip.dev/drain-"]),
        ("w7", &["drain", "w1", "--undo"], &[]),
    ] {
        let (said, written) = with_annotation(before, arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert_eq!(written, after, "{before} {arguments:?}");
    }
}

#[test]
fn a_node_without_a_media_node_is_not_drained() {
    for (arguments, words) in [
        (&["drain", "w9"][..], "voip/office has no media-node on w9: it has some on w1"),
        (&["drain", "office"], "office is the VoipCluster: say which of its nodes to drain"),
    ] {
        let (said, written) = with_annotation("", arguments);
        assert!(said.refused().contains(words), "{said:?}");
        assert!(written.is_empty());
    }
}

#[test]
fn a_write_in_between_is_not_undone() {
    let conflict = "Error from server (Conflict): Operation cannot be fulfilled";
    let kubectl = Kubectl::new();
    let once = kubectl.path("once");
    let refuse_once = format!("if mkdir '{}'; then echo '{conflict}' >&2; exit 1; fi", once.display());
    let kubectl = kubectl.does("annotate voipclusters.voip.dev office", &refuse_once);
    let kubectl = draining(kubectl.answers(CLUSTERS, &drained("w7")));
    let said = kubectl.voip(&["drain", "w1", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(annotations(&kubectl), ["voip.dev/drain=w1,w7"; 2]);
    assert_eq!(kubectl.asked().iter().filter(|line| line.starts_with(CLUSTERS)).count(), 2);
}
