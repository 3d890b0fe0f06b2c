//! Leases are written by compare-and-swap: an object that changed since it was observed is not overwritten.
//!
//! That alone keeps port numbers unique: two operators at once may both try, and the later one observes anew. This file
//! must not know how ports are chosen.

use std::collections::BTreeMap;

use kube::Api;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;
use voip_api::{RtpPortLease, RtpPortLeaseSpec, RtpPortLeaseStatus};
use voip_plan::status::Fault;

use crate::fault::{fault, is_absent, is_conflict};
use crate::{FIELD_MANAGER, at_once};

/// Why not all leases were written. Nothing that rests on them may be applied.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else wrote the object since it was observed: observe and plan anew.
    #[error("RtpPortLease {0} was written by somebody else")]
    Overtaken(String),
    /// The server refused.
    #[error("{} {}: {}", .0.action, .0.object, .0.message)]
    Refused(Fault),
}

/// Writes those of `wanted` whose spec differs from what was `found`, and deletes those that hold nothing any more.
/// Returns how many requests that took; begins no more when one has failed.
pub async fn write(
    api: &Api<RtpPortLease>,
    wanted: &[RtpPortLease],
    found: &[RtpPortLease],
) -> Result<usize, LeaseError> {
    let found: BTreeMap<_, _> = found.iter().map(|found| (&found.metadata.name, found)).collect();
    let differs = |lease: &&RtpPortLease| !is_written(lease, found.get(&lease.metadata.name).copied());
    let mut work = wanted.iter().filter(differs).map(|lease| write_one(api, lease));
    let mut writes = 0;
    while let Some(written) = at_once::some(&mut work).await {
        writes += written.len();
        written.into_iter().collect::<Result<(), LeaseError>>()?;
    }
    Ok(writes)
}

fn is_written(lease: &RtpPortLease, before: Option<&RtpPortLease>) -> bool {
    match before {
        Some(before) => before.spec == lease.spec && !is_empty(&lease.spec),
        None => is_empty(&lease.spec),
    }
}

fn is_empty(spec: &RtpPortLeaseSpec) -> bool {
    spec.leases.is_empty() && spec.foreign.is_empty()
}

async fn write_one(api: &Api<RtpPortLease>, lease: &RtpPortLease) -> Result<(), LeaseError> {
    let name = lease.name_any();
    let how = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let known = lease.metadata.resource_version.is_some();
    let (action, done) = match (known, is_empty(&lease.spec)) {
        (true, true) => ("delete", api.delete(&name, &only_this(lease)).await.map(drop)),
        (true, false) => ("apply", api.replace(&name, &how, lease).await.map(drop)),
        (false, _) => ("apply", api.create(&how, lease).await.map(drop)),
    };
    match done {
        Ok(()) => {
            tracing::info!(object = name, leases = lease.spec.leases.len(), action, "port leases written");
            Ok(())
        }
        Err(error) if is_conflict(&error) || (known && is_absent(&error)) => Err(LeaseError::Overtaken(name)),
        Err(error) => Err(LeaseError::Refused(fault(format!("RtpPortLease {name}"), action, &error))),
    }
}

/// Deletes the version that was observed and no later one, which may hold a lease.
fn only_this(lease: &RtpPortLease) -> DeleteParams {
    let preconditions = Preconditions {
        resource_version: lease.metadata.resource_version.clone(),
        uid: lease.metadata.uid.clone(),
    };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

/// What a lease object adds up to.
pub fn sums(spec: &RtpPortLeaseSpec) -> RtpPortLeaseStatus {
    let ports = |lease: &voip_api::Lease| {
        u32::from(lease.control.length) + lease.rtp.map_or(0, |rtp| u32::from(rtp.length))
    };
    RtpPortLeaseStatus {
        used: spec.leases.iter().map(ports).sum(),
        leases: u32::try_from(spec.leases.len()).unwrap_or(u32::MAX),
    }
}

/// Writes the status of those objects whose sums are not as their spec says.
pub async fn report(api: &Api<RtpPortLease>, found: &[RtpPortLease]) -> Vec<Fault> {
    let stale = found.iter().filter(|lease| lease.status != Some(sums(&lease.spec)));
    at_once::all(stale.map(|lease| report_one(api, lease)).collect()).await
}

async fn report_one(api: &Api<RtpPortLease>, lease: &RtpPortLease) -> Result<(), Fault> {
    let (name, patch) = (lease.name_any(), Patch::Merge(json!({"status": sums(&lease.spec)})));
    let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(&name, &how, &patch).await {
        Ok(_) => Ok(()),
        // Deleted meanwhile: there is nothing to report on.
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(fault(format!("RtpPortLease {name}"), "status", &error)),
    }
}

#[cfg(test)]
mod tests;
