//! What is said of leases that are not what is asked for: they wait for their calls, or there is no room.

use std::collections::{BTreeMap, BTreeSet};

use super::Want;
use super::book::{Book, Misfits};
use crate::nodes::some_of;
use crate::problem::{Problem, Reason};
use crate::validate::ValidCluster;

/// One line for each pool and field.
pub(super) fn advice(
    valid: &ValidCluster,
    wants: &[Want<'_>],
    misfits: &Misfits,
    book: &Book<'_>,
) -> Vec<Problem> {
    let held = nodes_by_path(wants, &misfits.can_move, book).into_iter().map(|(path, nodes)| Problem {
        document: valid.document(),
        path,
        reason: Reason::HeldByCalls,
        fact: format!("nodes {} have other ports than are asked for now", some_of(&nodes, ", ")),
        mend: "they get them when their media-nodes are drained".to_owned(),
    });
    let stuck = nodes_by_path(wants, &misfits.stuck, book).into_iter().map(|(path, nodes)| Problem {
        document: valid.document(),
        path,
        reason: Reason::PoolShort,
        fact: format!(
            "nodes {} have other ports than are asked for, and no room in {} for those",
            some_of(&nodes, ", "),
            valid.ports
        ),
        mend: "widen spec.network.portRange, or ask for fewer calls on each node".to_owned(),
    });
    held.chain(stuck).collect()
}

/// The field that asks for other ports, and on which nodes.
fn nodes_by_path<'a>(
    wants: &[Want<'a>],
    ids: &BTreeSet<String>,
    book: &Book<'_>,
) -> BTreeMap<String, Vec<&'a str>> {
    let mut nodes: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
    for want in wants.iter().filter(|want| ids.contains(&want.id)) {
        let length = book.lease(want).and_then(|lease| lease.rtp).map_or(0, |rtp| u32::from(rtp.length));
        let path = match want.pool {
            Some(pool) if length != want.rtp_ports => format!("spec.media.pools[{}].callsPerNode", pool.at),
            _ => "spec.network.portRange".to_owned(),
        };
        nodes.entry(path).or_default().push(&want.node.name);
    }
    nodes
}
