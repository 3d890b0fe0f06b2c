//! Verdicts on what API servers say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::testing::{Asked, refusal, scripted};

const RESTRICTED: &str =
    "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": host namespaces";
const RIGHTS: &str = "pods is forbidden: User \"voip\" cannot create resource \"pods\" in API group \"\"";

fn pod(spec: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "probe"}, "spec": spec})).expect("pod")
}

fn probes() -> ProbePods {
    ProbePods {
        host_network: pod(&json!({"hostNetwork": true, "containers": []})),
        host_ports: pod(&json!({"hostname": "ports", "containers": []})),
        plain: pod(&json!({"containers": []})),
    }
}

/// Answers by kind: host network, host ports, plain.
fn answering(answers: [(u16, &'static str); 3]) -> (Client, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let client = scripted(move |asked: Asked| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert!(asked.query.contains("dryRun=All"), "nothing is made: {}", asked.query);
        let spec = &asked.body["spec"];
        let kind = if spec["hostNetwork"] == true { 0 } else { usize::from(spec["hostname"].is_null()) + 1 };
        let (code, message) = answers[kind];
        let answer = if code == 201 { (201, asked.body) } else { refusal(code, "Refused", message) };
        async move { answer }
    });
    (client, count)
}

#[tokio::test]
async fn a_restricted_namespace_denies_in_its_own_words() {
    let (client, _) = answering([(403, RESTRICTED), (403, RESTRICTED), (201, "")]);
    let said = probe(&client, "voip", &probes()).await;
    let denied = Verdict::Denied(RESTRICTED.to_owned());
    assert_eq!(
        said,
        Admission { host_network: denied.clone(), host_ports: denied, plain: Verdict::Admitted }
    );
}

#[tokio::test]
async fn a_denial_counts_only_where_the_plain_pod_is_admitted() {
    let quota = "pods \"x\" is forbidden: exceeded quota: none";
    let (client, _) = answering([(403, quota); 3]);
    let said = probe(&client, "voip", &probes()).await;
    assert_eq!((said.host_network, said.host_ports), (Verdict::Unknown, Verdict::Unknown));
    assert_eq!(said.plain, Verdict::Denied(quota.to_owned()));
}

#[tokio::test]
async fn answers_are_kept_for_a_generation_and_a_while() {
    let (client, count) = answering([(403, RESTRICTED), (201, ""), (201, "")]);
    let (answers, start) = (Answers::default(), Instant::now());
    let question = |generation| ("voip".to_owned(), "office".to_owned(), generation);
    for (generation, later, asked) in [(1, 0, 3), (1, 299, 3), (2, 299, 6), (1, 300, 9)] {
        let now = start + Duration::from_secs(later);
        answers.get(&client, question(generation), &probes(), now).await;
        assert_eq!(count.load(Ordering::Relaxed), asked, "generation {generation} after {later} s");
    }
}

#[tokio::test]
async fn an_answer_that_decides_nothing_is_soon_asked_for_again() {
    let (client, count) = answering([(500, "etcd"), (201, ""), (201, "")]);
    let (answers, start) = (Answers::default(), Instant::now());
    let question = || ("voip".to_owned(), "office".to_owned(), 1);
    for (later, asked) in [(0, 3), (14, 3), (15, 6)] {
        let now = start + Duration::from_secs(later);
        answers.get(&client, question(), &probes(), now).await;
        assert_eq!(count.load(Ordering::Relaxed), asked, "after {later} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_decides_nothing() {
    let client = scripted(|_| std::future::pending());
    assert_eq!(probe(&client, "voip", &probes()).await, Admission::default());
}

#[test]
fn only_refusals_of_the_pod_are_denials() {
    let webhook = "admission webhook \"policy.example\" denied the request: no host network";
    let policy = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no";
    for (code, message) in [(403, RESTRICTED), (400, webhook), (403, webhook), (422, policy)] {
        assert_eq!(verdict(code, message), Verdict::Denied(message.to_owned()));
    }
    let broken = "failed calling webhook \"policy.example\": connection refused";
    for (code, message) in [(403, RIGHTS), (400, "bad"), (422, "invalid"), (500, broken), (504, "late")] {
        assert_eq!(verdict(code, message), Verdict::Unknown, "{code} {message}");
    }
}
