//! Lease objects that were lost, made again from the pods that run: each carries its lease and its ports in annotations,
//! so no port is given away that a pod holds, even when somebody deleted the objects.
//!
//! Pure. What becomes of a lease is decided by the plan, as of any other.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use voip_api::{Lease, LeaseState, PortSpace, PortSpan, RtpPortLease, RtpPortLeaseSpec};
use voip_plan::objects::names;
use voip_plan::{Node, lease_object_name};

use crate::observe::pods::pod;
use crate::{CLUSTER_LABEL, ClusterKey};

/// Most leases in one object; its schema says so too.
const MAX_LEASES: usize = 512;

/// `leases` and those that only `pods` know, of clusters that `cluster_uid` knows and on `nodes`. An object that there is
/// not has no resource version. A lease whose ports somebody else was given meanwhile is not made again: that pod moves.
pub fn rebuild<'a>(
    leases: Vec<RtpPortLease>,
    pods: impl IntoIterator<Item = &'a core::Pod>,
    cluster_uid: impl Fn(&ClusterKey) -> Option<String>,
    nodes: &[Node],
) -> Vec<RtpPortLease> {
    let ids: BTreeSet<String> =
        leases.iter().flat_map(|object| &object.spec.leases).map(|lease| lease.id.clone()).collect();
    let nodes: BTreeMap<&str, &Node> = nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let mut leases = leases;
    for pod in pods {
        let id = pod.annotations().get(names::LEASE);
        if id.is_none_or(|id| ids.contains(id)) {
            continue;
        }
        let Some((node, lease)) = recorded(pod, &cluster_uid, &nodes) else { continue };
        let (id, control) = (lease.id.clone(), lease.control);
        if add(&mut leases, &node.port_space(), lease) {
            tracing::warn!(lease = id, node = node.name, %control, "a lost lease is made again from its pod");
        }
    }
    leases
}

/// The lease that a pod says it has, and its node. None when the pod has ended, or says what cannot be.
fn recorded<'n>(
    object: &core::Pod,
    cluster_uid: &impl Fn(&ClusterKey) -> Option<String>,
    nodes: &BTreeMap<&str, &'n Node>,
) -> Option<(&'n Node, Lease)> {
    let seen = pod(object)?;
    let node = nodes.get(seen.node?.as_str())?;
    let cluster = ClusterKey {
        namespace: object.namespace().unwrap_or_default(),
        name: object.labels().get(CLUSTER_LABEL)?.clone(),
    };
    let id = seen.lease?.id;
    let is_own = id.strip_prefix(&format!("{cluster}/"))?.ends_with(&format!("@{}", node.name));
    let annotation = |name: &str| object.annotations().get(name);
    let lease = Lease {
        id,
        cluster_uid: cluster_uid(&cluster)?,
        node_uid: node.uid.clone(),
        rtp: Some(span(annotation(names::RTP)?.split_once('-')?)?),
        control: span(annotation(names::CONTROL)?.split_once(',')?).filter(|span| span.length == 2)?,
        state: LeaseState::Active,
        release_after: None,
    };
    is_own.then_some((*node, lease))
}

/// First and last port, as the schema of a lease takes them.
fn span((first, last): (&str, &str)) -> Option<PortSpan> {
    let (start, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    let length = last.checked_sub(start)?.checked_add(1)?;
    (start >= 1024 && start.is_multiple_of(2) && length >= 2).then_some(PortSpan { start, length })
}

/// Whether there was room for it.
fn add(leases: &mut Vec<RtpPortLease>, space: &PortSpace, lease: Lease) -> bool {
    let Some(object) = leases.iter_mut().find(|object| object.spec.space == *space) else {
        leases.push(RtpPortLease {
            metadata: ObjectMeta { name: Some(lease_object_name(space)), ..ObjectMeta::default() },
            spec: RtpPortLeaseSpec { space: space.clone(), leases: vec![lease], foreign: Vec::new() },
            status: None,
        });
        return true;
    };
    let others = &mut object.spec.leases;
    if others.len() >= MAX_LEASES || others.iter().any(|other| meet(other, &lease)) {
        return false;
    }
    others.push(lease);
    // The API keeps them by id.
    others.sort_by(|one, other| one.id.cmp(&other.id));
    true
}

fn meet(one: &Lease, other: &Lease) -> bool {
    let spans = |lease: &Lease| [Some(lease.control), lease.rtp].into_iter().flatten();
    spans(one).any(|one| spans(other).any(|other| one.start <= other.last() && other.start <= one.last()))
}

#[cfg(test)]
mod tests;
