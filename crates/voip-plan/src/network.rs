//! How media pods are attached to the network: what the spec says, what was taken before, or what admission allows.

use voip_api::Bridge;

use crate::observed::{Environment, Observed, Verdict};
use crate::plan::{Network, NetworkMode, NetworkReason};
use crate::ports::ports_for_calls;
use crate::validate::ValidCluster;

/// Most ports that are mapped for one pod: each costs the node rules.
pub(crate) const MAX_HOST_PORTS: u32 = 256;
/// Calls for which that many ports are planned.
pub(crate) const MAX_HOST_PORT_CALLS: u32 = 58;

/// The mode, and why that one. Once taken it stays, so that nothing that runs is moved.
pub(crate) fn choose(valid: &ValidCluster, observed: &Observed) -> Network {
    let network = |mode, reason| Network { mode, reason };
    if observed.environment == Environment::Laptop {
        return network(Some(NetworkMode::HostNetwork), NetworkReason::Local);
    }
    match (valid.spec.network.mode, valid.spec.network.bridge) {
        (voip_api::NetworkMode::HostNetwork, _) => {
            network(Some(NetworkMode::HostNetwork), NetworkReason::Spec)
        }
        (voip_api::NetworkMode::Bridge, Some(Bridge::PodAddress)) => {
            network(Some(NetworkMode::PodAddress), NetworkReason::Spec)
        }
        (voip_api::NetworkMode::Bridge, _) => network(Some(NetworkMode::HostPort), NetworkReason::Spec),
        (voip_api::NetworkMode::Auto, _) => match observed.mode {
            Some(mode) => network(Some(mode), NetworkReason::Unchanged),
            None => admitted(valid, observed),
        },
    }
}

fn admitted(valid: &ValidCluster, observed: &Observed) -> Network {
    let (mode, reason) = match (&observed.admission.host_network, &observed.admission.host_ports) {
        (Verdict::Admitted, _) => (Some(NetworkMode::HostNetwork), NetworkReason::HostNetworkAdmitted),
        (Verdict::Denied(_), Verdict::Admitted) if host_ports_suffice(valid) => {
            (Some(NetworkMode::HostPort), NetworkReason::HostPortsAdmitted)
        }
        (Verdict::Denied(_), Verdict::Admitted | Verdict::Denied(_)) => {
            (None, NetworkReason::NoUsableNetwork)
        }
        (Verdict::Unknown, _) | (Verdict::Denied(_), Verdict::Unknown) => (None, NetworkReason::Undecided),
    };
    Network { mode, reason }
}

fn host_ports_suffice(valid: &ValidCluster) -> bool {
    valid.pools.iter().all(|pool| ports_for_calls(pool.calls_per_pod()) <= MAX_HOST_PORTS)
}
