//! Gives back ports of VoipClusters that are gone: their own reconcile does not happen any more.
//!
//! Only namespaces that this operator watches are judged, and only once everything in them was listed.

use std::collections::BTreeSet;

use kube::{Api, ResourceExt as _};
use voip_api::RtpPortLease;
use voip_plan::LeaseKey;

use crate::apply::leases::{self, LeaseError};
use crate::context::Context;
use crate::observe::leases::ended;
use crate::observe::{lease_of, nodes, pods};

/// Looks at all leases once. What fails is tried again the next time.
pub(crate) async fn collect(context: &Context, now_ms: u64) {
    let (shared, scope) = (&context.shared, &context.scope);
    // What is not told may be there.
    if !scope.is_listed(shared) || !scope.faults(shared).is_empty() {
        return;
    }
    let alive: BTreeSet<String> = scope.clusters.all().iter().filter_map(|cluster| cluster.uid()).collect();
    let found: Vec<RtpPortLease> =
        shared.leases.all().iter().map(|lease| RtpPortLease::clone(lease)).collect();
    let orphaned = owners(&found).into_iter().filter(|uid| !alive.contains(*uid));
    let pods: Vec<_> = scope.pods.all().iter().filter_map(|pod| pods::pod(pod)).collect();
    let nodes: Vec<_> = shared.nodes.all().iter().map(|node| nodes::node(node)).collect();
    let sets = scope.owned.iter().flat_map(crate::world::watch::Known::all);
    let kept: BTreeSet<LeaseKey> = sets.filter_map(|set| lease_of(&set)).collect();
    let ended: BTreeSet<LeaseKey> =
        orphaned.flat_map(|uid| ended(uid, &found, &pods, &kept, &nodes)).collect();
    let written = voip_plan::orphans(&found, &alive, |namespace| scope.serves(namespace), &ended, now_ms);
    match leases::write(&Api::all(context.client.clone()), &written, &found).await {
        Ok(_) => {}
        Err(LeaseError::Overtaken(name)) => {
            tracing::debug!(object = name, "somebody else wrote the leases first");
        }
        Err(error) => tracing::warn!(%error, "ports of a VoipCluster that is gone were not given back"),
    }
}

/// UIDs of the VoipClusters that have leases.
fn owners(found: &[RtpPortLease]) -> BTreeSet<&str> {
    found.iter().flat_map(|object| &object.spec.leases).map(|lease| lease.cluster_uid.as_str()).collect()
}
