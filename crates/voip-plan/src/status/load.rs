//! How much there is to do: written seldom, for every phone that registers would otherwise be a write.

use voip_api::LoadStatus;
use voip_contract::node_admin::Role;

use super::Round;

/// Between two writes, milliseconds.
const INTERVAL_MS: u64 = 60_000;

/// The figures to be reported: those before unless enough has changed for long enough.
pub(super) fn next(before: &LoadStatus, round: &Round<'_>) -> LoadStatus {
    let recent = round
        .load_written_ms
        .is_some_and(|written| round.observed.now_ms.saturating_sub(written) < INTERVAL_MS);
    match measured(round) {
        Some(now) if !recent && differs(before, &now) => now,
        _ => before.clone(),
    }
}

/// None while no sip-node says anything although one is ready: one that is not takes no calls, and crashes perhaps.
fn measured(round: &Round<'_>) -> Option<LoadStatus> {
    let reports = round.observed.reports.values().filter(|report| report.role == Role::SipNode);
    let add = |load: Option<LoadStatus>, (calls, registrations): (u32, u32)| {
        let load = load.unwrap_or_default();
        Some(LoadStatus {
            active_calls: load.active_calls.saturating_add(calls),
            registrations: load.registrations.saturating_add(registrations),
        })
    };
    let none = round.observed.signaling.as_ref().is_none_or(|workload| workload.ready == 0);
    let start = none.then(LoadStatus::default);
    reports.map(|report| (report.calls, report.registrations)).fold(start, add)
}

fn differs(before: &LoadStatus, now: &LoadStatus) -> bool {
    changed(before.active_calls, now.active_calls) || changed(before.registrations, now.registrations)
}

/// By a twentieth, or from or to nothing.
fn changed(before: u32, now: u32) -> bool {
    let difference = u64::from(before.abs_diff(now));
    difference > 0 && (before == 0 || now == 0 || difference * 20 >= u64::from(before))
}
