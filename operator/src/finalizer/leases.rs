//! What becomes of the leases of a VoipCluster that ends. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use voip_api::{Lease, LeaseState, RtpPortLease};
use voip_plan::{LeaseKey, Observed};

/// How long ports stay quarantined beyond the drain deadline, milliseconds.
const QUARANTINE_MS: u64 = 120_000;

/// The lease objects as they are to be written: ports of pods that were seen to end are free, all others of the
/// VoipCluster with this UID are free once their pods must have ended.
pub(super) fn settled(uid: &str, observed: &Observed, drain_seconds: u32) -> Vec<RtpPortLease> {
    let after = observed.now_ms.saturating_add(u64::from(drain_seconds) * 1000).saturating_add(QUARANTINE_MS);
    // The API keeps whole seconds.
    let seconds = i64::try_from(after.div_ceil(1000)).unwrap_or(i64::MAX);
    let release_after = Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX));
    let ours = |lease: &Lease| lease.cluster_uid == uid;
    let touched = observed.leases.iter().filter(|object| object.spec.leases.iter().any(ours));
    touched
        .map(|object| {
            let mut object = object.clone();
            object.spec.leases.retain(|lease| !ours(lease) || !observed.ended.contains(&LeaseKey::of(lease)));
            for lease in object.spec.leases.iter_mut().filter(|lease| ours(lease)) {
                lease.state = LeaseState::Quarantined;
                lease.release_after.get_or_insert_with(|| release_after.clone());
            }
            object
        })
        .collect()
}
