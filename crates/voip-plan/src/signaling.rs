//! The sip-nodes: their control ports, and where callers reach each listener by the exposure that was asked for.

use std::net::IpAddr;

use voip_api::Exposure;
use voip_contract::config::Listener;

use crate::addresses::{self, Address, AddressSource};
use crate::leases::{Granted, Want};
use crate::observed::{Component, Environment, Node, Observed};
use crate::plan::{ControlPorts, POD_CONTROL, SignalingAddress, SignalingPod, control_ports};
use crate::problem::{Problem, Reason};
use crate::validate::ValidCluster;

/// Most addresses of a listener; status holds no more.
const MAX_ADDRESSES: usize = 16;

/// The sip-nodes. On a laptop `wants` has one, whose control ports are leased.
pub(crate) fn pods(
    valid: &ValidCluster,
    observed: &Observed,
    wants: &[Want<'_>],
    granted: &Granted,
) -> Vec<SignalingPod> {
    let addresses: Vec<SignalingAddress> =
        valid.listeners.iter().flat_map(|listener| reached_at(valid, observed, listener)).collect();
    let pod = |node: Option<String>, bind, control| SignalingPod {
        name: "sip-0".to_owned(),
        node,
        bind,
        listeners: valid.listeners.clone(),
        addresses: addresses.clone(),
        control,
    };
    if observed.environment != Environment::Laptop {
        return vec![pod(None, None, cluster_control(valid))];
    }
    let placed = wants.iter().filter_map(|want| Some((want, granted.leases.get(&want.id)?)));
    placed
        .map(|(want, lease)| {
            pod(Some(want.node.name.clone()), addresses::bind_address(want.node), control_ports(lease))
        })
        .collect()
}

/// Control ports in Kubernetes. On the network of a node they follow from the first listener, so that media-nodes know
/// them wherever the sip-node runs.
pub(crate) fn cluster_control(valid: &ValidCluster) -> ControlPorts {
    match valid.listeners.first() {
        Some(listener) if valid.spec.signaling.exposure == Exposure::HostNetwork => {
            ControlPorts { grpc: beside(listener.port, 2000), http: beside(listener.port, 3000) }
        }
        _ => POD_CONTROL,
    }
}

/// Above the port, or below it where there is none above.
fn beside(port: u16, distance: u16) -> u16 {
    port.checked_add(distance).unwrap_or_else(|| port.saturating_sub(distance))
}

fn reached_at(valid: &ValidCluster, observed: &Observed, listener: &Listener) -> Vec<SignalingAddress> {
    let exposure = valid.spec.signaling.exposure;
    let laptop = observed.environment == Environment::Laptop;
    let port = match exposure {
        Exposure::NodePort if !laptop => {
            let ports = observed.service.as_ref().map(|service| &service.node_ports);
            let Some(port) = ports.and_then(|ports| ports.get(&listener.name)) else { return Vec::new() };
            *port
        }
        _ => listener.port,
    };
    let found = if laptop { observed.ingress.into_iter().collect() } else { addresses(valid, observed) };
    let told = |Address { address, source }| SignalingAddress {
        listener: listener.name.clone(),
        address,
        source,
        port,
    };
    found.into_iter().take(MAX_ADDRESSES).map(told).collect()
}

/// What the spec says, else what the exposure gives.
fn addresses(valid: &ValidCluster, observed: &Observed) -> Vec<Address> {
    if let Ok(address) = valid.spec.signaling.advertised_address.parse::<IpAddr>() {
        return vec![Address { address, source: AddressSource::Spec }];
    }
    let service = observed.service.as_ref();
    let from = |source| move |address| Address { address, source };
    match valid.spec.signaling.exposure {
        Exposure::LoadBalancer => {
            let ingress = service.into_iter().flat_map(|service| service.ingress.iter().copied());
            ingress.map(from(AddressSource::LoadBalancer)).collect()
        }
        Exposure::ClusterIP => {
            let address = service.and_then(|service| service.cluster_ip);
            address.into_iter().map(from(AddressSource::ClusterIP)).collect()
        }
        Exposure::HostNetwork => of_nodes(nodes_of_sip(observed)),
        Exposure::NodePort => match valid.spec.signaling.service.external_traffic_policy {
            // Other nodes drop what comes to them.
            voip_api::TrafficPolicy::Local => of_nodes(nodes_of_sip(observed)),
            voip_api::TrafficPolicy::Cluster => {
                of_nodes(observed.nodes.iter().filter(|node| node.ready).collect())
            }
        },
    }
}

/// Where the sip-nodes are. While one is replaced by the next the one that ends is still the best guess.
fn nodes_of_sip(observed: &Observed) -> Vec<&Node> {
    let named = |ending: bool| -> Vec<&str> {
        let pods = observed.pods.iter().filter(|pod| pod.component == Component::Signaling);
        pods.filter(|pod| pod.ending == ending).filter_map(|pod| pod.node.as_deref()).collect()
    };
    let staying = named(false);
    let names = if staying.is_empty() { named(true) } else { staying };
    observed.nodes.iter().filter(|node| names.contains(&node.name.as_str())).collect()
}

/// One address of each node: the outer one if there is any.
fn of_nodes(mut nodes: Vec<&Node>) -> Vec<Address> {
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes.into_iter().filter_map(addresses::node_address).collect()
}

/// Nobody can call as long as a listener has no address.
pub(crate) fn problem(valid: &ValidCluster, observed: &Observed, pods: &[SignalingPod]) -> Option<Problem> {
    let known = pods.iter().any(|pod| !pod.addresses.is_empty());
    if known || observed.environment == Environment::Laptop {
        return None;
    }
    let hostname = observed.service.as_ref().and_then(|service| service.hostname.as_ref());
    let (reason, fact, mend) = match valid.spec.signaling.exposure {
        Exposure::LoadBalancer if hostname.is_some() => (
            Reason::LoadBalancerPending,
            "the load balancer has a host name and no address that callers could be told",
            "give it a fixed address and set spec.signaling.advertisedAddress to that",
        ),
        Exposure::LoadBalancer => (
            Reason::LoadBalancerPending,
            "nobody has given signaling an address yet",
            "wait for the load-balancer controller; where there is none, set it to HostNetwork \
             (`exposure: HostNetwork`)",
        ),
        Exposure::NodePort | Exposure::HostNetwork => (
            Reason::NoAddress,
            "no sip-node is on a node with an address that callers reach",
            "wait until one is scheduled, or set spec.signaling.advertisedAddress",
        ),
        Exposure::ClusterIP => (
            Reason::NoAddress,
            "the Service has no address inside the cluster yet",
            "wait until it has one, or set spec.signaling.advertisedAddress",
        ),
    };
    Some(Problem {
        document: valid.document(),
        path: "spec.signaling.exposure".to_owned(),
        reason,
        fact: fact.to_owned(),
        mend: mend.to_owned(),
    })
}
