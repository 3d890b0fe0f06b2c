//! Whether a pod has no calls any more, or none that it may keep.

use voip_contract::node_admin::Service;

use crate::observed::{Observed, Pod};

/// What a program has beyond its deadline to end the last calls, milliseconds.
pub(super) const ENDING_MS: u64 = 10_000;
/// The oldest report that is listened to, milliseconds: one may have been made before the drain was ordered.
pub(super) const REPORT_MS: u64 = 5_000;

/// It can be deleted.
pub(super) fn is_emptied(pod: &Pod, observed: &Observed, drain_seconds: u32) -> bool {
    let late = deadline_ms(pod, drain_seconds).is_some_and(|deadline| deadline <= observed.now_ms);
    late || runs_nothing(pod, observed) || is_drained(pod, observed)
}

/// No program of it runs that could have a call.
pub(super) fn runs_nothing(pod: &Pod, observed: &Observed) -> bool {
    let started = pod.node.is_some() && pod.address.is_some() && pod.trouble.is_empty();
    !started && !pod.ready && !observed.reports.contains_key(&pod.name)
}

fn is_drained(pod: &Pod, observed: &Observed) -> bool {
    let (Some(report), Some(since)) = (observed.reports.get(&pod.name), pod.draining_since_ms) else {
        return false;
    };
    match report.service {
        Service::Drained => true,
        Service::Draining => report.calls == 0,
        Service::Serving => report.calls == 0 && since.saturating_add(REPORT_MS) <= observed.now_ms,
    }
}

/// When its drain is over whatever it says, Unix time in milliseconds; none: it was not ordered to drain.
fn deadline_ms(pod: &Pod, drain_seconds: u32) -> Option<u64> {
    let since = pod.draining_since_ms?;
    Some(since.saturating_add(u64::from(drain_seconds) * 1000).saturating_add(ENDING_MS))
}
