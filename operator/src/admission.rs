//! Asks the API server which kinds of pods it would admit, without making one.
//!
//! It must not know which network mode follows from the answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use voip_plan::objects::ProbePods;
use voip_plan::{Admission, Verdict};

#[cfg(test)]
mod tests;

/// Longest wait for one answer; webhooks may take up to 30 s, and then nothing is decided.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long answers that decide something are believed: policies change without a sign.
const KEPT: Duration = Duration::from_mins(5);
/// How long it is before an answer that decides nothing is asked for again.
const UNKNOWN_KEPT: Duration = Duration::from_secs(15);
/// Most answers kept.
const MOST: usize = 1024;

/// Answers that are not old, by namespace, VoipCluster and its generation.
#[derive(Debug, Default)]
pub struct Answers {
    kept: Mutex<BTreeMap<Question, (Instant, Admission)>>,
}

/// Which VoipCluster asks: namespace, name, generation.
pub type Question = (String, String, i64);

impl Answers {
    /// What admission says; asked only when no answer is kept.
    pub async fn get(
        &self,
        client: &Client,
        question: Question,
        probes: &ProbePods,
        now: Instant,
    ) -> Admission {
        if let Some(answer) = self.fresh(&question, now) {
            return answer;
        }
        let answer = probe(client, &question.0, probes).await;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, answer)| now.duration_since(*at) < patience(answer));
        if kept.len() < MOST {
            kept.insert(question, (now, answer.clone()));
        }
        answer
    }

    fn fresh(&self, question: &Question, now: Instant) -> Option<Admission> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = kept.get(question)?;
        (now.duration_since(*at) < patience(answer)).then(|| answer.clone())
    }
}

fn patience(answer: &Admission) -> Duration {
    let verdicts = [&answer.host_network, &answer.host_ports, &answer.plain];
    if verdicts.contains(&&Verdict::Unknown) { UNKNOWN_KEPT } else { KEPT }
}

/// Asks for all three. Where the plain pod is not admitted, it is not host network or ports that are refused, so
/// nothing is known of them.
pub async fn probe(client: &Client, namespace: &str, probes: &ProbePods) -> Admission {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let (host_network, host_ports, plain) = tokio::join!(
        ask(&pods, &probes.host_network),
        ask(&pods, &probes.host_ports),
        ask(&pods, &probes.plain)
    );
    let admitted = plain == Verdict::Admitted;
    let counted = |verdict| match verdict {
        Verdict::Denied(_) if !admitted => Verdict::Unknown,
        verdict => verdict,
    };
    Admission { host_network: counted(host_network), host_ports: counted(host_ports), plain }
}

async fn ask(pods: &Api<Pod>, pod: &Pod) -> Verdict {
    let how = PostParams { dry_run: true, ..PostParams::default() };
    match tokio::time::timeout(PATIENCE, pods.create(&how, pod)).await {
        Ok(Ok(_)) => Verdict::Admitted,
        Ok(Err(kube::Error::Api(status))) => verdict(status.code, &status.message),
        Ok(Err(_)) | Err(_) => Verdict::Unknown,
    }
}

/// Pod Security and quota say 403. Webhooks and admission policies choose the code but always say that they denied the
/// request. A 403 for want of a right is about the operator, not about the pod.
fn verdict(code: u16, message: &str) -> Verdict {
    let denied = message.contains(" denied the request") || message.contains(" denied request");
    let rights = message.contains(" cannot create resource ");
    if (400..500).contains(&code) && (denied || (code == 403 && !rights)) {
        return Verdict::Denied(message.to_owned());
    }
    Verdict::Unknown
}
