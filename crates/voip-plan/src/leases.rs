//! RTP port leases: who may use which ports of a port space.
//!
//! An existing lease always wins. New ones are placed, preferring the same range on every node; nothing is moved or
//! shrunk while its pod may have calls. Ports of a pod whose end nobody saw are quarantined.

mod book;
mod foreign;
mod held;
mod key;
mod orphans;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use voip_api::{Lease, LeaseState, PortSpace, RtpPortLease};

use crate::observed::{Environment, Node, Observed};
use crate::ports::PortRange;
use crate::problem::Problem;
use crate::validate::{Pool, ValidCluster};

pub(crate) use book::is_released;
pub use book::lease_object_name;
use book::{Book, Misfits};
pub use key::LeaseKey;
pub use orphans::orphans;

/// Control ports of a program: gRPC, then HTTP.
pub(crate) const CONTROL_PORTS: u32 = 2;
/// How long ports stay quarantined beyond the drain deadline, milliseconds.
pub(crate) const QUARANTINE_MS: u64 = 120_000;
/// Most leases in one object; its schema says so too.
pub(crate) const MAX_LEASES: usize = 512;

/// A pod that needs a lease.
#[derive(Debug, Clone)]
pub(crate) struct Want<'a> {
    pub(crate) id: String,
    /// None for a sip-node.
    pub(crate) pool: Option<&'a Pool>,
    pub(crate) shard: u32,
    pub(crate) node: &'a Node,
    pub(crate) space: PortSpace,
    /// How many RTP ports; 0 for a sip-node.
    pub(crate) rtp_ports: u32,
}

/// The leases after planning.
pub(crate) struct Granted {
    /// By id; a want that is not here found no room.
    pub(crate) leases: BTreeMap<String, Lease>,
    /// The objects to be written: those in which this cluster has or had a lease.
    pub(crate) objects: Vec<RtpPortLease>,
    /// Free ports of the cluster's range in the spaces that it uses.
    pub(crate) ports_free: u32,
    /// Ids of those that are to move once their pods are gone.
    pub(crate) moves: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) advice: Vec<Problem>,
}

/// Grants leases to `wants`, in this order where room is short.
pub(crate) fn grant(valid: &ValidCluster, observed: &Observed, wants: &[Want<'_>]) -> Granted {
    let mut book = Book::open(valid, observed, valid.ports);
    book.settle(wants);
    book.fill(wants);
    let missing: Vec<&Want<'_>> = wants.iter().filter(|want| book.lease(want).is_none()).collect();
    let problems = room::problems(valid, observed, wants, &missing, &book);
    let misfits = book.misfits(wants);
    let advice = held::advice(valid, wants, &misfits, &book);
    let leases = wants.iter().filter_map(|want| Some((want.id.clone(), book.lease(want)?.clone()))).collect();
    let ports_free = book.free(wants);
    let Misfits { can_move: moves, .. } = misfits;
    Granted { leases, ports_free, moves, problems, advice, objects: book.close() }
}

/// `NAMESPACE/CLUSTER/POOL/SHARD@NODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseId<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) shard: u32,
    pub(crate) node: &'a str,
}

impl<'a> LeaseId<'a> {
    pub(crate) fn of(valid: &'a ValidCluster, pool: &'a str, shard: u32, node: &'a str) -> Self {
        Self { namespace: &valid.namespace, cluster: &valid.name, pool, shard, node }
    }

    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (place, node) = text.split_once('@')?;
        let mut parts = place.split('/');
        let (namespace, cluster, pool) = (parts.next()?, parts.next()?, parts.next()?);
        let shard = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { namespace, cluster, pool, shard, node })
    }

    pub(crate) fn is_of(&self, valid: &ValidCluster) -> bool {
        self.namespace == valid.namespace && self.cluster == valid.name
    }

    /// How strong the claim of a lease's node is when a pool shrinks: the lower stays.
    pub(crate) fn claim(state: LeaseState) -> u8 {
        match state {
            LeaseState::Active => 0,
            LeaseState::Draining => 1,
            LeaseState::Quarantined => 2,
        }
    }
}

impl fmt::Display for LeaseId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, cluster, pool, shard, node } = self;
        write!(f, "{namespace}/{cluster}/{pool}/{shard}@{node}")
    }
}

/// Everything that is never leased: of the machine, of Kubernetes and of the cluster's own listeners.
pub(crate) fn reserved(valid: &ValidCluster, observed: &Observed) -> Vec<(&'static str, PortRange)> {
    let fixed = crate::ports::RESERVED_PORTS.iter().map(|range| ("a protocol of the node", *range));
    let node_ports = observed.reserved.node_ports.map(|range| ("the NodePort range", range));
    let ephemeral = observed.reserved.ephemeral.map(|range| ("the ephemeral range", range));
    let listeners =
        valid.listeners.iter().map(|listener| ("a listener", PortRange::new(listener.port, listener.port)));
    let control = crate::signaling::cluster_control(valid);
    let on_node = observed.environment == Environment::Kubernetes
        && valid.spec.signaling.exposure == voip_api::Exposure::HostNetwork;
    let control = [control.grpc, control.http].into_iter().filter(|_| on_node);
    let control = control.map(|port| ("a control port of sip-node", PortRange::new(port, port)));
    fixed.chain(node_ports).chain(ephemeral).chain(listeners).chain(control).collect()
}
