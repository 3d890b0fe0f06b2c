//! The states of a lease: Active while it is wanted, Draining until its pod is seen to end, Quarantined where nobody can
//! see that.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use voip_api::{Lease, LeaseState};

use crate::leases::{QUARANTINE_MS, Want};
use crate::validate::ValidCluster;

/// It is wanted, and so it lives on whatever it was before.
pub(super) fn renew(lease: &mut Lease, want: &Want<'_>, valid: &ValidCluster) {
    lease.state = LeaseState::Active;
    lease.release_after = None;
    lease.cluster_uid.clone_from(&valid.uid);
    lease.node_uid.clone_from(&want.node.uid);
}

/// A lease that is not wanted any more and whose pod nobody saw end. Without the very machine that it was granted for
/// (`same_node`) nobody ever will. False: its ports are free.
pub(super) fn abandon(lease: &mut Lease, same_node: bool, valid: &ValidCluster, now_ms: u64) -> bool {
    match lease.state {
        LeaseState::Quarantined if lease.release_after.is_some() => return !is_released(lease, now_ms),
        _ if same_node => lease.state = LeaseState::Draining,
        _ => {
            let drain_ms = u64::from(valid.drain_seconds) * 1000;
            quarantine(lease, now_ms.saturating_add(drain_ms).saturating_add(QUARANTINE_MS));
        }
    }
    true
}

/// Its quarantine is over.
pub(crate) fn is_released(lease: &Lease, now_ms: u64) -> bool {
    let release = lease.release_after.as_ref().and_then(|time| u64::try_from(time.0.as_millisecond()).ok());
    lease.state == LeaseState::Quarantined && release.is_some_and(|release| release <= now_ms)
}

/// Its ports are not given to anybody before `until_ms`, Unix time in milliseconds.
pub(in crate::leases) fn quarantine(lease: &mut Lease, until_ms: u64) {
    // The API keeps whole seconds.
    let seconds = i64::try_from(until_ms.div_ceil(1000)).unwrap_or(i64::MAX);
    lease.state = LeaseState::Quarantined;
    lease.release_after = Some(Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)));
}
