//! The media-nodes of a plan: each on its node, with the ports of its lease or of an address of its own.

use std::net::IpAddr;

use serde::Serialize;
use voip_contract::NodeName;

use super::{ControlPorts, NetworkMode, POD_CONTROL, control_ports};
use crate::addresses::{self, Address, AddressSource};
use crate::digest;
use crate::leases::{Granted, LeaseKey, Want};
use crate::objects::names;
use crate::observed::{Environment, Observed};
use crate::ports::{PortRange, calls_for_ports};
use crate::validate::{Pool, ValidCluster};

/// A media-node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaPod {
    /// Its name, unique in the cluster.
    pub name: NodeName,
    /// Id of its lease. A pod with an address of its own has none under it.
    pub lease: String,
    /// The pool.
    pub pool: String,
    /// The node.
    pub node: String,
    /// Which of the pods of the pool on that node.
    pub shard: u32,
    /// RTP and RTCP ports that it may use.
    pub rtp: PortRange,
    /// Control ports.
    pub control: ControlPorts,
    /// The address that its sockets are bound to; none: all.
    pub bind: Option<IpAddr>,
    /// What callers are told; none: it is not ready.
    pub address: Option<Address>,
    /// Calls that it carries at once.
    pub capacity: u32,
    /// Its node is, and it has an address.
    pub ready: bool,
    /// Whether its ports become others.
    #[serde(skip_serializing_if = "PortsChange::is_none")]
    pub ports_change: PortsChange,
}

impl MediaPod {
    /// Its lease.
    pub fn lease_key(&self) -> LeaseKey {
        LeaseKey { id: self.lease.clone(), control: Some(self.control.grpc) }
    }
}

/// What becomes of the ports of a media-node. They never move while its pod lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum PortsChange {
    /// They are what is asked for, or there is no room for what is.
    #[default]
    None,
    /// It gets others, and keeps these until its DaemonSet was deleted for that.
    Waits,
    /// Its DaemonSet is gone: it is made anew, on others, once its pod was seen to end.
    Moves,
}

impl PortsChange {
    // Called by serde.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// None: it has no lease, so it cannot run.
pub(super) fn pod(
    valid: &ValidCluster,
    observed: &Observed,
    want: &Want<'_>,
    granted: &Granted,
    mode: NetworkMode,
) -> Option<MediaPod> {
    match mode {
        NetworkMode::PodAddress => with_address(valid, observed, want),
        mode => with_lease(valid, observed, want, granted, mode),
    }
}

/// It has all ports of its own address and uses the first of the range, and the usual control ports.
fn with_address(valid: &ValidCluster, observed: &Observed, want: &Want<'_>) -> Option<MediaPod> {
    let pool = want.pool?;
    let ports = want.rtp_ports.min(valid.ports.count());
    let last = u32::from(valid.ports.first).saturating_add(ports).saturating_sub(1);
    let owner = names::media_daemon_set(&valid.name, &pool.name, &want.node.name, want.shard);
    let runs = observed.pods.iter().find(|pod| pod.owner == owner && !pod.ending);
    let address = runs.and_then(|pod| pod.address);
    let address = address.map(|address| Address { address, source: AddressSource::PodIP });
    let rtp = PortRange::new(valid.ports.first, u16::try_from(last).ok()?);
    on_its_node(want, rtp, POD_CONTROL, address)
}

fn with_lease(
    valid: &ValidCluster,
    observed: &Observed,
    want: &Want<'_>,
    granted: &Granted,
    mode: NetworkMode,
) -> Option<MediaPod> {
    let lease = granted.leases.get(&want.id)?;
    let rtp = lease.rtp?;
    let address = addresses::media_address(valid, want.node);
    Some(MediaPod {
        bind: addresses::bind_address(want.node).filter(|_| mode == NetworkMode::HostNetwork),
        ports_change: ports_change(valid, observed, want, granted),
        ..on_its_node(want, PortRange::new(rtp.start, rtp.last()), control_ports(lease), address)?
    })
}

/// What follows from node, ports and address; bound to all addresses, and nothing changes.
fn on_its_node(
    want: &Want<'_>,
    rtp: PortRange,
    control: ControlPorts,
    address: Option<Address>,
) -> Option<MediaPod> {
    let pool = want.pool?;
    Some(MediaPod {
        name: name(pool, want)?,
        lease: want.id.clone(),
        pool: pool.name.clone(),
        node: want.node.name.clone(),
        shard: want.shard,
        rtp,
        control,
        bind: None,
        address,
        capacity: share(pool, want.shard).min(calls_for_ports(rtp.count())),
        ready: want.node.ready && address.is_some(),
        ports_change: PortsChange::None,
    })
}

fn ports_change(
    valid: &ValidCluster,
    observed: &Observed,
    want: &Want<'_>,
    granted: &Granted,
) -> PortsChange {
    let Some(pool) = want.pool else { return PortsChange::None };
    if observed.environment == Environment::Laptop || !granted.moves.contains(&want.id) {
        return PortsChange::None;
    }
    let set = names::media_daemon_set(&valid.name, &pool.name, &want.node.name, want.shard);
    if observed.media.contains_key(&set) { PortsChange::Waits } else { PortsChange::Moves }
}

/// The calls of a node, spread over its pods: the first few take what is left over.
fn share(pool: &Pool, shard: u32) -> u32 {
    let pods = pool.pods_per_node.max(1);
    pool.calls_per_node / pods + u32::from(shard < pool.calls_per_node % pods)
}

/// `POOL-NODE`, and `.SHARD` after the first. A node name that would make this ambiguous or too long is hashed.
fn name(pool: &Pool, want: &Want<'_>) -> Option<NodeName> {
    let node = &want.node.name;
    let plain = node.len() <= 30 && node.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let node = if plain { node.clone() } else { digest::fingerprint(node.as_bytes()) };
    let name = format!("{}-{node}", pool.name);
    NodeName::new(if want.shard == 0 { name } else { format!("{name}.{}", want.shard) }).ok()
}
