//! Which nodes have a lease already: they come first when the nodes of a pool are chosen.

use std::collections::HashMap;

use voip_api::{Lease, LeaseState, PortSpace};

use crate::leases::{self, LeaseId, LeaseKey};
use crate::observed::{Node, Observed};
use crate::validate::ValidCluster;

/// Nodes by pool that have a lease of it, and how strong their claim is (see [`LeaseId::claim`]).
pub(super) type Holders<'a> = HashMap<&'a str, HashMap<&'a str, u8>>;

/// All of them.
pub(super) fn holders<'a>(valid: &ValidCluster, observed: &'a Observed) -> Holders<'a> {
    let mut holders: Holders<'a> = HashMap::new();
    let nodes: HashMap<&str, &Node> = observed.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    for object in &observed.leases {
        for lease in &object.spec.leases {
            let Some(id) = LeaseId::parse(&lease.id).filter(|id| id.is_of(valid)) else { continue };
            let state = match nodes.get(id.node) {
                Some(node) if !is_wanted_on(node, &object.spec.space, &id, valid) => {
                    state_unwanted(lease, node, observed)
                }
                _ => Some(lease.state),
            };
            let Some(state) = state else { continue };
            let claim = holders.entry(id.pool).or_default().entry(id.node).or_insert(u8::MAX);
            *claim = LeaseId::claim(state).min(*claim);
        }
    }
    holders
}

/// Were the node chosen, this lease would be one of its own.
fn is_wanted_on(node: &Node, space: &PortSpace, id: &LeaseId<'_>, valid: &ValidCluster) -> bool {
    let pool = valid.pools.iter().find(|pool| pool.name == id.pool);
    node.port_space() == *space && pool.is_none_or(|pool| id.shard < pool.pods_per_node)
}

/// What a lease that the node cannot go on with will be once this plan is carried out; none: gone. It claims no more than
/// that today, or else the choice would be another then where the node finds no room.
fn state_unwanted(lease: &Lease, node: &Node, observed: &Observed) -> Option<LeaseState> {
    let is_over =
        observed.ended.contains(&LeaseKey::of(lease)) || leases::is_released(lease, observed.now_ms);
    if is_over {
        return None;
    }
    match lease.state {
        LeaseState::Quarantined if lease.release_after.is_some() => Some(lease.state),
        _ if node.uid == lease.node_uid => Some(LeaseState::Draining),
        _ => Some(LeaseState::Quarantined),
    }
}
