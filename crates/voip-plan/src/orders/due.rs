//! When something falls due that no change of the world announces.

use std::collections::HashMap;

use super::emptied::{ENDING_MS, REPORT_MS};
use crate::observed::{Observed, Pod};
use crate::plan::{DrainCause, Order, Plan, PortsChange};

/// The next Unix time, milliseconds, at which the same world would be planned or ordered otherwise: a quarantine or a
/// drain is over, or ports can move. None: only a change of the world does that.
pub fn next_ms(plan: &Plan, observed: &Observed) -> Option<u64> {
    let own = format!("{}/", plan.cluster);
    let leases = plan.leases.iter().flat_map(|object| &object.spec.leases);
    let releases = leases
        .filter(|lease| lease.id.starts_with(&own))
        .filter_map(|lease| u64::try_from(lease.release_after.as_ref()?.0.as_millisecond()).ok());
    let pods: HashMap<&str, &Pod> = observed.pods.iter().map(|pod| (pod.name.as_str(), pod)).collect();
    let drains = plan.orders.iter().flat_map(|order| of_drain(order, &pods, observed.now_ms));
    // That a pod has ended may be believed a little later than it was seen.
    let moves = plan.media.iter().any(|pod| pod.ports_change == PortsChange::Moves);
    let moves = moves.then(|| observed.now_ms.saturating_add(REPORT_MS));
    releases.chain(drains).chain(moves).filter(|time| *time > observed.now_ms).min()
}

/// Pods that are to be replaced or removed are looked at again when a report would count, and at their deadline.
fn of_drain(order: &Order, pods: &HashMap<&str, &Pod>, now_ms: u64) -> Vec<u64> {
    let Order::Drain { pod, seconds, cause: DrainCause::Update | DrainCause::Removed } = order else {
        return Vec::new();
    };
    let since = pods.get(pod.as_str()).and_then(|pod| pod.draining_since_ms).unwrap_or(now_ms);
    let deadline = since.saturating_add(u64::from(*seconds) * 1000).saturating_add(ENDING_MS);
    vec![since.saturating_add(REPORT_MS), deadline]
}
