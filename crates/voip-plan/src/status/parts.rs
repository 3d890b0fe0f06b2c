//! The conditions that follow from validation and plan, and `Ready`, which follows from the others.

use super::conditions::{Finding, Is};
use super::{FaultReason, Round, first_of, name_of};
use crate::problem::{Problem, Reason};

/// What `Ready` rests on, in this order.
const PARTS: [&str; 5] = ["Accepted", "PortsAllocated", "AddressesResolved", "SignalingReady", "MediaReady"];

/// Whether the spec can be used as it is.
pub(super) fn accepted(round: &Round<'_>) -> Finding {
    let no = |reason: &str, message| Finding::new("Accepted", Is::False, reason, message);
    let (valid, plan) = match round.outcome {
        Err(errors) => return no("InvalidSpec", first_of(errors.iter().map(ToString::to_string))),
        Ok(good) => good,
    };
    if let Some(message) = told(&plan.problems, &[Reason::NoMatchingNode]).map(|(_, message)| message) {
        return no("NoMatchingNode", message);
    }
    let foreign = round.faults.iter().filter(|fault| fault.reason == FaultReason::ForeignObject);
    let foreign: Vec<String> = foreign.map(super::Fault::told).collect();
    if !foreign.is_empty() {
        let mend = "rename the VoipCluster, or delete that object if nobody needs it";
        return no("ForeignObject", format!("{}: {mend}", first_of(foreign)));
    }
    let of_it = |advice: &&Problem| advice.document == valid.document();
    let advice: Vec<Problem> = plan.advice.iter().filter(of_it).cloned().collect();
    let advice = told(&advice, &[Reason::Advice]).map(|(_, message)| format!("; {message}"));
    let message = format!("the spec can be used{}", advice.unwrap_or_default());
    Finding::new("Accepted", Is::True, "Valid", message)
}

/// Whether every pod that is wanted has ports.
pub(super) fn ports_allocated(round: &Round<'_>) -> Option<Finding> {
    let (_, plan) = round.outcome.ok()?;
    let finding = |is, reason: &str, message| Some(Finding::new("PortsAllocated", is, reason, message));
    if let Some(refused) = round.faults.iter().find(|fault| fault.concerns_leases()) {
        return finding(Is::False, refused.reason.name(), refused.told());
    }
    if let Some((reason, message)) = told(&plan.problems, &[Reason::NoRoom, Reason::SharedAddress]) {
        return finding(Is::False, &reason, message);
    }
    let short = super::media::short_of_ports(plan, round);
    if !short.is_empty() {
        return finding(Is::False, "ForeignPort", first_of(short));
    }
    let message = format!("{} media-nodes have ports", plan.media.len());
    finding(Is::True, "Allocated", message)
}

/// Whether callers can be told where to send.
pub(super) fn addresses_resolved(round: &Round<'_>) -> Option<Finding> {
    let (_, plan) = round.outcome.ok()?;
    let reasons = [Reason::LoadBalancerPending, Reason::NoAddress];
    let message = "callers can be told where to send signaling and media";
    let resolved = || Finding::new("AddressesResolved", Is::True, "Resolved", message);
    let pending =
        |(reason, message): (String, String)| Finding::new("AddressesResolved", Is::False, &reason, message);
    Some(told(&plan.problems, &reasons).map_or_else(resolved, pending))
}

/// Whether calls are possible: the first part that is not so says why not.
pub(super) fn ready(found: &[Finding]) -> Finding {
    let parts = PARTS.iter().filter_map(|kind| found.iter().find(|finding| finding.kind == *kind));
    match parts.into_iter().find(|part| part.is != Is::True) {
        Some(part) => Finding::new("Ready", Is::False, &part.reason, part.message.clone()),
        None => Finding::new("Ready", Is::True, "CallsPossible", "calls are possible"),
    }
}

/// The first of `reasons` among the problems, and everything that is said of it: field path, fact, smallest change.
pub(super) fn told(problems: &[Problem], reasons: &[Reason]) -> Option<(String, String)> {
    let reason = *reasons.iter().find(|reason| problems.iter().any(|problem| problem.reason == **reason))?;
    let of_it = problems.iter().filter(|problem| problem.reason == reason);
    let lines = of_it.map(|problem| format!("{}: {}: {}", problem.path, problem.fact, problem.mend));
    Some((name_of(&reason), first_of(lines)))
}
