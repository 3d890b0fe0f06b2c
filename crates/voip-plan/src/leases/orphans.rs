//! Leases of clusters that are gone: nobody plans for them any more.

use std::collections::BTreeSet;

use voip_api::{Lease, RtpPortLease};

use super::book::{is_released, quarantine};
use super::{LeaseId, LeaseKey, QUARANTINE_MS};

/// The longest `spec.drain.timeoutSeconds` there can be, milliseconds: what that of the cluster was is not known any more.
const LONGEST_DRAIN_MS: u64 = 86_400_000;

/// The objects to be written because leases in them are of clusters that are gone. Those whose pod was seen to end
/// (`ended`) are free; others are quarantined, and free when that is over.
///
/// `alive` has the UIDs of all `VoipCluster`s that there are in the namespaces that are `watched`; leases of other
/// namespaces are not judged.
pub fn orphans(
    leases: &[RtpPortLease],
    alive: &BTreeSet<String>,
    watched: impl Fn(&str) -> bool,
    ended: &BTreeSet<LeaseKey>,
    now_ms: u64,
) -> Vec<RtpPortLease> {
    let is_orphan = |lease: &Lease| {
        let id = LeaseId::parse(&lease.id);
        id.is_some_and(|id| watched(id.namespace)) && !alive.contains(&lease.cluster_uid)
    };
    let judged = |object: &RtpPortLease| {
        let mut judged = object.clone();
        judged.spec.leases.retain_mut(|lease| !is_orphan(lease) || stays(lease, ended, now_ms));
        if judged.spec.leases.is_empty() {
            // Nobody looks any more whether something else still holds them.
            judged.spec.foreign.clear();
        }
        (judged.spec != object.spec).then_some(judged)
    };
    leases.iter().filter_map(judged).collect()
}

fn stays(lease: &mut Lease, ended: &BTreeSet<LeaseKey>, now_ms: u64) -> bool {
    if ended.contains(&LeaseKey::of(lease)) || is_released(lease, now_ms) {
        return false;
    }
    if lease.release_after.is_none() {
        quarantine(lease, now_ms.saturating_add(LONGEST_DRAIN_MS).saturating_add(QUARANTINE_MS));
    }
    true
}
