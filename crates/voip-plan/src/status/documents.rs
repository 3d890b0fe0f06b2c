//! What became of the documents that users write: which dialplans run, which users are served.

use voip_api::{DialplanStatus, SipUserStatus};
use voip_contract::config::SIP_DOCUMENT;
use voip_contract::node_admin::{NodeReport, Role};

use super::conditions::{Finding, Is, merge};
use super::{Round, first_of};
use crate::observed::Component;
use crate::problem::FieldError;

/// Sip-nodes that run the newest dialplans, and those that say anything at all.
struct Loaded<'a> {
    newest: usize,
    reports: Vec<(&'a str, &'a NodeReport)>,
}

fn loaded<'a>(round: &Round<'a>) -> Option<Loaded<'a>> {
    let (_, plan) = round.outcome.ok()?;
    let pods = round.observed.pods.iter().filter(|pod| pod.component == Component::Signaling && !pod.ending);
    let reports: Vec<_> = pods
        .filter_map(|pod| Some((pod.name.as_str(), round.observed.reports.get(&pod.name)?)))
        .filter(|(_, report)| report.role == Role::SipNode)
        .collect();
    let runs =
        |report: &NodeReport| report.documents.get(SIP_DOCUMENT) == Some(&plan.documents.sip.fingerprint);
    let newest = reports.iter().filter(|(_, report)| runs(report)).count();
    (!reports.is_empty()).then_some(Loaded { newest, reports })
}

impl Loaded<'_> {
    /// Why sip-nodes do not run it.
    fn refused(&self) -> Vec<String> {
        let whys = self
            .reports
            .iter()
            .flat_map(|(pod, report)| report.rejected.iter().map(move |why| format!("pod {pod}: {why}")));
        whys.collect()
    }

    fn finding(&self, kind: &'static str) -> Finding {
        let all = self.reports.len();
        let count = format!("{} of {all} sip-nodes run it", self.newest);
        if self.newest == all {
            return Finding::new(kind, Is::True, "Loaded", count);
        }
        let refused = self.refused();
        if refused.is_empty() {
            return Finding::new(kind, Is::False, "PartlyLoaded", count);
        }
        Finding::new(kind, Is::False, "Rejected", format!("{count}: {}", first_of(refused)))
    }
}

/// Whether sip-nodes run the dialplans as they are written. None while no sip-node says anything.
pub(super) fn dialplan_loaded(round: &Round<'_>) -> Option<Finding> {
    let finding = loaded(round)?.finding("DialplanLoaded");
    let wrong: Vec<String> = round
        .dialplans
        .values()
        .filter_map(|checked| checked.as_ref().err())
        .map(|errors| lines(errors))
        .collect();
    if wrong.is_empty() || finding.is != Is::True {
        return Some(finding);
    }
    let reason = if wrong.len() == round.dialplans.len() { "Rejected" } else { "PartlyLoaded" };
    Some(Finding::new("DialplanLoaded", Is::False, reason, first_of(wrong)))
}

/// The status of the Dialplan called `name`.
pub fn dialplan(
    before: &DialplanStatus,
    generation: i64,
    checked: &Result<(), Vec<FieldError>>,
    round: &Round<'_>,
) -> DialplanStatus {
    let mut after = before.clone();
    after.observed_generation = Some(generation);
    let mut findings = vec![match checked {
        Ok(()) => Finding::new("Accepted", Is::True, "Valid", "the spec can be used"),
        Err(errors) => Finding::new("Accepted", Is::False, "InvalidSpec", lines(errors)),
    }];
    match (loaded(round), checked) {
        (_, Err(errors)) => {
            let message = format!("the last good version stays, if there was one: {}", lines(errors));
            findings.push(Finding::new("Loaded", Is::False, "Rejected", message));
        }
        (Some(loaded), Ok(())) => {
            after.loaded = format!("{}/{}", loaded.newest, loaded.reports.len());
            findings.push(loaded.finding("Loaded"));
        }
        (None, Ok(())) => {}
    }
    after.conditions = merge(&before.conditions, findings, generation, round.observed.now_ms);
    after
}

/// The status of a SipUser whose password is in the Secret `secret`. `found`: that Secret is there.
pub fn user(
    before: &SipUserStatus,
    generation: i64,
    checked: &Result<(), Vec<FieldError>>,
    (secret, found): (&str, bool),
    now_ms: u64,
) -> SipUserStatus {
    let finding = match checked {
        Ok(()) => Finding::new("Accepted", Is::True, "Valid", "the user is served"),
        Err(errors) => Finding::new("Accepted", Is::False, refusal(errors, found), lines(errors)),
    };
    SipUserStatus {
        observed_generation: Some(generation),
        secret_name: secret.to_owned(),
        conditions: merge(&before.conditions, vec![finding], generation, now_ms),
    }
}

fn refusal(errors: &[FieldError], found: bool) -> &'static str {
    let at = |path: &str| errors.iter().any(|error| error.path == path);
    if !found && at("spec.passwordSecretRef.name") {
        "SecretNotFound"
    } else if errors.iter().any(|error| {
        matches!(error.path.as_str(), "spec.username" | "metadata.name")
            && error.fact.contains("already rings SipUser")
    }) {
        "DuplicateUsername"
    } else {
        "InvalidSpec"
    }
}

fn lines(errors: &[FieldError]) -> String {
    first_of(errors.iter().map(|error| format!("{}: {}: {}", error.path, error.fact, error.mend)))
}
