//! Which nodes carry which pool. Whoever has a lease stays; new nodes are taken by name.

mod eligibility;
mod holders;

use std::collections::{BTreeMap, HashMap};

use holders::holders;
use voip_api::LeaseState;

use crate::leases::{LeaseId, Want};
use crate::network::MAX_HOST_PORTS;
use crate::observed::{Environment, Node, Observed};
use crate::plan::NetworkMode;
use crate::ports::ports_for_calls;
use crate::problem::{Problem, Reason};
use crate::validate::{NodeCount, Pool, ValidCluster};

/// Stands where the name of a pool stands in the lease ids of sip-nodes; no pool can be called so.
const SIGNALING: &str = "SIP";

/// The pods that the cluster asks for.
pub(crate) struct Wanted<'a> {
    /// One for each media-node, by pool, shard and node.
    pub(crate) media: Vec<Want<'a>>,
    /// One for each sip-node whose control ports are leased.
    pub(crate) signaling: Vec<Want<'a>>,
    /// A pool without any node.
    pub(crate) problems: Vec<Problem>,
    /// A pool with fewer nodes than it asks for.
    pub(crate) advice: Vec<Problem>,
}

/// Chooses the nodes.
pub(crate) fn choose<'a>(
    valid: &'a ValidCluster,
    observed: &'a Observed,
    mode: Option<NetworkMode>,
) -> Wanted<'a> {
    let most_ports = match mode {
        Some(NetworkMode::HostPort) => MAX_HOST_PORTS,
        _ => u32::MAX,
    };
    let mut nodes: Vec<&Node> = observed.nodes.iter().collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let holders = holders(valid, observed);
    let mut wanted =
        Wanted { media: Vec::new(), signaling: Vec::new(), problems: Vec::new(), advice: Vec::new() };
    for pool in &valid.pools {
        let matching: Vec<&Node> =
            nodes.iter().copied().filter(|node| eligibility::matches(node, &pool.template.spec)).collect();
        let chosen = pick(&matching, holders.get(pool.name.as_str()), asked(pool, matching.len()));
        report_shortage(valid, pool, chosen.len(), matching.len(), &mut wanted);
        for shard in 0..pool.pods_per_node {
            wanted.media.extend(chosen.iter().map(|node| media(valid, pool, shard, node, most_ports)));
        }
    }
    if observed.environment == Environment::Laptop {
        let chosen = pick(&nodes, holders.get(SIGNALING), 1);
        wanted.signaling.extend(chosen.iter().map(|node| signaling(valid, node)));
    }
    wanted
}

fn media<'a>(valid: &ValidCluster, pool: &'a Pool, shard: u32, node: &'a Node, most_ports: u32) -> Want<'a> {
    Want {
        id: LeaseId::of(valid, &pool.name, shard, &node.name).to_string(),
        pool: Some(pool),
        shard,
        node,
        space: node.port_space(),
        rtp_ports: ports_for_calls(pool.calls_per_pod()).min(most_ports),
    }
}

fn signaling<'a>(valid: &ValidCluster, node: &'a Node) -> Want<'a> {
    let id = LeaseId::of(valid, SIGNALING, 0, &node.name).to_string();
    Want { id, pool: None, shard: 0, node, space: node.port_space(), rtp_ports: 0 }
}

fn asked(pool: &Pool, nodes: usize) -> usize {
    match pool.nodes {
        NodeCount::Count(count) => count,
        NodeCount::Percent(percent) => nodes.saturating_mul(percent).div_ceil(100).max(1),
    }
}

/// Holders first, whether ready or not, for a node that is away for a minute comes back; then ready nodes by name. Holders
/// that are about to leave come on top of `count`: they keep what they have, and others take over.
fn pick<'a>(nodes: &[&'a Node], holders: Option<&HashMap<&str, u8>>, count: usize) -> Vec<&'a Node> {
    let claim = |node: &Node| holders.and_then(|holders| holders.get(node.name.as_str())).copied();
    let (leaving, staying): (Vec<&'a Node>, Vec<&'a Node>) = nodes.iter().partition(|node| node.is_leaving());
    let mut candidates: Vec<(u8, &Node)> = staying
        .into_iter()
        .filter(|node| node.ready || claim(node).is_some())
        .map(|node| (claim(node).unwrap_or(u8::MAX), node))
        .collect();
    candidates.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let mut chosen: Vec<&Node> = candidates.into_iter().take(count).map(|(_, node)| node).collect();
    let active = LeaseId::claim(LeaseState::Active);
    chosen.extend(leaving.into_iter().filter(|node| claim(node) == Some(active)));
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    chosen
}

fn report_shortage(valid: &ValidCluster, pool: &Pool, chosen: usize, nodes: usize, wanted: &mut Wanted<'_>) {
    let asked = asked(pool, nodes);
    if chosen >= asked {
        return;
    }
    let problem = |reason, mend| Problem {
        document: valid.document(),
        path: format!("spec.media.pools[{}].nodes", pool.at),
        reason,
        fact: format!("pool {} asks for {asked} nodes, and {chosen} can carry it", pool.name),
        mend,
    };
    if chosen == 0 {
        let mend = match pool.template.spec.node_selector.iter().next() {
            Some((key, value)) => {
                format!("label a node that is ready: kubectl label node NAME {key}={value}")
            }
            None => "add a node that is ready and has no taint, or tolerate its taints".to_owned(),
        };
        wanted.problems.push(problem(Reason::NoMatchingNode, mend));
    } else {
        wanted.advice.push(problem(Reason::PoolShort, format!("add nodes, or set it to {chosen}")));
    }
}

/// The first few of many names.
pub(crate) fn some_of(names: &[&str], separator: &str) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(separator);
    if names.len() > SHOWN {
        text.push_str(separator);
        text.push_str("...");
    }
    text
}

/// Sum of `value` by node name; how much each node carries.
pub(crate) fn by_node<'a>(items: impl Iterator<Item = (&'a str, u32)>) -> BTreeMap<&'a str, u32> {
    let mut sums = BTreeMap::new();
    for (node, value) in items {
        let sum: &mut u32 = sums.entry(node).or_default();
        *sum = sum.saturating_add(value);
    }
    sums
}
