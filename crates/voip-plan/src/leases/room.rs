//! What to say when there is no room: how much is missing, who holds it, and the smallest change that fits.

use std::collections::{BTreeMap, HashSet};

use voip_api::{PortSpace, RtpPortLease};

use super::book::{Book, Page};
use super::{LeaseId, Want, reserved};
use crate::observed::{Node, Observed, Pod};
use crate::ports::{PortRange, ports_for_calls};
use crate::problem::{Problem, Reason};
use crate::validate::{Pool, ValidCluster};

/// One problem for each pool, and one for sip-nodes, with pods that found no room.
pub(super) fn problems(
    valid: &ValidCluster,
    observed: &Observed,
    wants: &[Want<'_>],
    missing: &[&Want<'_>],
    book: &Book<'_>,
) -> Vec<Problem> {
    let mut by_pool: BTreeMap<Option<usize>, Vec<&Want<'_>>> = BTreeMap::new();
    for want in missing {
        by_pool.entry(want.pool.map(|pool| pool.at)).or_default().push(want);
    }
    let problem = |missing: Vec<&Want<'_>>| {
        let first = *missing.first()?;
        let asked = wants
            .iter()
            .filter(|want| want.pool.map(|pool| pool.at) == first.pool.map(|pool| pool.at))
            .count();
        let page = book.get(&first.space)?;
        Some(Problem {
            document: valid.document(),
            path: "spec.network.portRange".to_owned(),
            reason: Reason::NoRoom,
            fact: fact(valid, observed, first, missing.len(), asked, page),
            mend: mend(valid, observed, wants, first),
        })
    };
    by_pool.into_values().filter_map(problem).collect()
}

fn fact(
    valid: &ValidCluster,
    observed: &Observed,
    first: &Want<'_>,
    missing: usize,
    asked: usize,
    page: &Page,
) -> String {
    let (who, ports) = match first.pool {
        Some(pool) => (format!("media-nodes of pool {}", pool.name), first.rtp_ports),
        None => ("sip-nodes".to_owned(), super::CONTROL_PORTS),
    };
    let gap = page.taken.gaps(valid.ports).map(|(start, end)| end - start).max().unwrap_or(0);
    let place = place(&first.space);
    let owners = owners(valid, observed, page);
    let owners = if owners.is_empty() { String::new() } else { format!(" ({owners})") };
    format!(
        "{missing} of {asked} {who} find no {ports} ports in a row: {place} has at most {gap} left in {}{owners}",
        valid.ports
    )
}

fn place(space: &PortSpace) -> String {
    match space.kind {
        voip_api::PortSpaceType::Node => format!("node {}", space.name),
        voip_api::PortSpaceType::Group => format!("port space {}", space.name),
    }
}

/// Who holds the ports of the range, the largest first.
fn owners(valid: &ValidCluster, observed: &Observed, page: &Page) -> String {
    let mut held: BTreeMap<String, u32> = BTreeMap::new();
    let mut add = |owner: String, range: PortRange| {
        let first = range.first.max(valid.ports.first);
        let last = range.last.min(valid.ports.last);
        if first <= last {
            *held.entry(owner).or_default() += PortRange::new(first, last).count();
        }
    };
    for lease in page.leases.values().chain(&page.guests) {
        let owner = LeaseId::parse(&lease.id).map_or_else(
            || format!("lease {}", lease.id),
            |id| format!("VoipCluster {}/{}", id.namespace, id.cluster),
        );
        for span in [Some(lease.control), lease.rtp].into_iter().flatten() {
            add(owner.clone(), PortRange::new(span.start, span.last()));
        }
    }
    for (owner, range) in reserved(valid, observed) {
        add(owner.to_owned(), range);
    }
    for foreign in &page.object.spec.foreign {
        add("other programs".to_owned(), PortRange::new(foreign.port, foreign.port));
    }
    let mut held: Vec<(u32, String)> = held.into_iter().map(|(owner, count)| (count, owner)).collect();
    held.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let told = held.iter().take(3).map(|(count, owner)| format!("{owner} has {count}"));
    told.collect::<Vec<_>>().join(", ")
}

/// What helps the first space without room, found by trying it there.
fn mend(valid: &ValidCluster, observed: &Observed, wants: &[Want<'_>], first: &Want<'_>) -> String {
    let there: Vec<Want<'_>> = wants.iter().filter(|want| want.space == first.space).cloned().collect();
    let observed = &around(observed, &first.space);
    let range = wider(valid, observed, &there).map(|range| format!("widen it to {range}"));
    let calls = first.pool.and_then(|pool| {
        let calls = fewer_calls(valid, observed, &there, pool)?;
        Some(format!("set spec.media.pools[{}].callsPerNode to {calls}", pool.at))
    });
    match (range, calls) {
        (Some(range), Some(calls)) => format!("{range}, or {calls}"),
        (Some(mend), None) | (None, Some(mend)) => mend,
        (None, None) => format!("free ports on {}, or spread the pools over more nodes", place(&first.space)),
    }
}

/// What of the world bears on one space: it is tried some thirty times, and there may be thousands of others.
fn around(observed: &Observed, space: &PortSpace) -> Observed {
    let nodes: Vec<Node> =
        observed.nodes.iter().filter(|node| node.port_space() == *space).cloned().collect();
    let names: HashSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let is_there = |id: &str| LeaseId::parse(id).is_some_and(|id| names.contains(id.node));
    let bears = |object: &&RtpPortLease| {
        object.spec.space == *space || object.spec.leases.iter().any(|lease| is_there(&lease.id))
    };
    let leases: Vec<RtpPortLease> = observed.leases.iter().filter(bears).cloned().collect();
    let pods = observed.pods.iter().filter(|pod| pod.lease.as_ref().is_some_and(|lease| is_there(&lease.id)));
    let pods: Vec<Pod> = pods.cloned().collect();
    let reports =
        pods.iter().filter_map(|pod| Some((pod.name.clone(), observed.reports.get(&pod.name)?.clone())));
    let reports = reports.collect();
    Observed {
        leases,
        pods,
        reports,
        ended: observed.ended.clone(),
        reserved: observed.reserved,
        nodes,
        ..Observed::empty(observed.environment, observed.now_ms)
    }
}

fn fits(valid: &ValidCluster, observed: &Observed, wants: &[Want<'_>], range: PortRange) -> bool {
    let mut book = Book::open(valid, observed, range);
    book.settle(wants);
    book.fill(wants);
    wants.iter().all(|want| book.lease(want).is_some())
}

/// The range with the lowest last port that has room for all.
fn wider(valid: &ValidCluster, observed: &Observed, wants: &[Want<'_>]) -> Option<PortRange> {
    let first = valid.ports.first;
    let enough = |last: u16| fits(valid, observed, wants, PortRange::new(first, last));
    let (mut low, mut high) = (valid.ports.last, u16::MAX);
    if !enough(high) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(PortRange::new(first, high))
}

/// The most calls for each node of `pool` with which all fit.
fn fewer_calls(valid: &ValidCluster, observed: &Observed, wants: &[Want<'_>], pool: &Pool) -> Option<u32> {
    let enough = |calls: u32| {
        let resized: Vec<Want<'_>> = wants
            .iter()
            .cloned()
            .map(|mut want| {
                if want.pool.is_some_and(|other| other.at == pool.at) {
                    want.rtp_ports = ports_for_calls(calls.div_ceil(pool.pods_per_node.max(1)));
                }
                want
            })
            .collect();
        fits(valid, observed, &resized, valid.ports)
    };
    let (mut low, mut high) = (0, pool.calls_per_node);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { low = middle } else { high = middle }
    }
    // As many pods must share them.
    (low >= pool.pods_per_node && low > 0).then_some(low)
}
