//! How callers reach the programs: exposure, advertised address and network mode, and what of them a laptop has no use for.

use std::net::IpAddr;

use voip_api::{Bridge, Exposure, NetworkMode, Signaling, TrafficPolicy};

use super::{Report, ValidCluster};
use crate::network::{MAX_HOST_PORT_CALLS, MAX_HOST_PORTS};
use crate::observed::{Environment, Observed};
use crate::ports::ports_for_calls;
use crate::problem::{FieldError, Problem, Reason};

/// Lowest port that a program that is not root binds on a host.
const UNPRIVILEGED: u16 = 1024;

/// The rules that hold these fields together.
pub(super) fn check(observed: &Observed, valid: &ValidCluster, errors: &mut Vec<FieldError>) {
    let mut report = Report::new(valid.document(), errors);
    check_advertised(valid, &mut report);
    let (signaling, network) = (&valid.spec.signaling, &valid.spec.network);
    if signaling.exposure == Exposure::HostNetwork {
        for (at, listener) in signaling.listeners.iter().enumerate() {
            if (1..UNPRIVILEGED).contains(&listener.port) {
                let fact = format!("the programs are not root and cannot bind {} on the host", listener.port);
                let path = format!("spec.signaling.listeners[{at}].port");
                report.error(path, fact, format!("use a port from {UNPRIVILEGED}"));
            }
        }
    }
    if network.bridge.is_some() && network.mode != NetworkMode::Bridge {
        let mend = "set network.mode to Bridge, or leave it out";
        report.error("spec.network.bridge", "it is the way of mode Bridge", mend);
    }
    let host_ports = network.mode == NetworkMode::Bridge && network.bridge != Some(Bridge::PodAddress);
    if host_ports && observed.environment == Environment::Kubernetes {
        check_host_ports(valid, &mut report);
    }
}

fn check_advertised(valid: &ValidCluster, report: &mut Report<'_>) {
    let text = &valid.spec.signaling.advertised_address;
    let good = text.is_empty()
        || matches!(text.parse(), Ok(IpAddr::V4(v4)) if !(v4.is_loopback()
            || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast()));
    if !good {
        let mend = "use an IPv4 address that callers reach, or leave it out";
        report.error("spec.signaling.advertisedAddress", format!("no caller can send to {text:?}"), mend);
    }
}

fn check_host_ports(valid: &ValidCluster, report: &mut Report<'_>) {
    for pool in &valid.pools {
        let ports = ports_for_calls(pool.calls_per_pod());
        if ports <= MAX_HOST_PORTS {
            continue;
        }
        let fact = format!(
            "{} calls for each pod need {ports} host ports, and a pod gets at most {MAX_HOST_PORTS}: \
             {MAX_HOST_PORT_CALLS} calls",
            pool.calls_per_pod()
        );
        let calls = MAX_HOST_PORT_CALLS.saturating_mul(pool.pods_per_node);
        let pods = pool.calls_per_node.div_ceil(MAX_HOST_PORT_CALLS);
        let path = format!("spec.media.pools[{}].callsPerNode", pool.at);
        report.error(path, fact, format!("set it to at most {calls}, or podsPerNode to at least {pods}"));
    }
}

/// A field, what is so, and what to do about it.
type Told = (&'static str, String, &'static str);

/// What works, though perhaps not as meant.
pub(super) fn advise(observed: &Observed, valid: &mut ValidCluster) {
    let told = match observed.environment {
        Environment::Laptop => without_use_on_a_laptop(valid),
        Environment::Kubernetes => hides_callers(&valid.spec.signaling).into_iter().collect(),
    };
    let document = valid.document();
    valid.advice.extend(told.into_iter().map(|(path, fact, mend)| Problem {
        document: document.clone(),
        path: path.to_owned(),
        reason: Reason::Advice,
        fact,
        mend: mend.to_owned(),
    }));
}

/// Media goes to where signaling came from when a phone is behind NAT and names an address that nobody reaches.
fn hides_callers(signaling: &Signaling) -> Option<Told> {
    let exposed = matches!(signaling.exposure, Exposure::LoadBalancer | Exposure::NodePort);
    let hides = exposed && signaling.service.external_traffic_policy == TrafficPolicy::Cluster;
    hides.then(|| {
        let fact = "Cluster hides the addresses of callers: phones behind NAT get no audio";
        let path = "spec.signaling.service.externalTrafficPolicy";
        (path, fact.to_owned(), "set it to Local, or leave it out")
    })
}

/// What will not be as written on a laptop, where every program uses the network of the machine.
fn without_use_on_a_laptop(valid: &ValidCluster) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let serve = "say --address to serve other machines";
    if let Some(address) = valid.media_address {
        told.push((
            "spec.network.mediaAddresses[0]",
            format!("{address} is not told to callers on a laptop"),
            serve,
        ));
    }
    let (signaling, network) = (&valid.spec.signaling, &valid.spec.network);
    if !signaling.advertised_address.is_empty() {
        let fact = format!("{} is not told to callers on a laptop", signaling.advertised_address);
        told.push(("spec.signaling.advertisedAddress", fact, serve));
    }
    let keep = "keep it: it counts in Kubernetes";
    if matches!(signaling.exposure, Exposure::NodePort | Exposure::ClusterIP) {
        let fact = format!("a laptop has no Services, so {:?} means nothing there", signaling.exposure);
        told.push(("spec.signaling.exposure", fact, keep));
    }
    if network.mode == NetworkMode::Bridge {
        told.push((
            "spec.network.mode",
            "a laptop has no pods, so Bridge means nothing there".to_owned(),
            keep,
        ));
    }
    told
}
