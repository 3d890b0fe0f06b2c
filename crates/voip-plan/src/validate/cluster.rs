//! The VoipCluster itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use voip_api::{VoipCluster, VoipClusterSpec, text};
use voip_contract::config::{DigestAlgorithm, Listener, Protocol};

use super::{NodeCount, Pool, Report, ValidCluster, namespace, service, template};
use crate::objects::names;
use crate::observed::Component;
use crate::ports::PortRange;
use crate::problem::FieldError;

const LABEL_MEND: &str = "use a-z, 0-9 and -, beginning with a letter";

/// Checks the spec. What is returned is of use only when no error was reported.
pub(super) fn check(cluster: &VoipCluster, errors: &mut Vec<FieldError>) -> ValidCluster {
    let namespace = namespace(&cluster.metadata).to_owned();
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let spec = &cluster.spec;
    let mut report = Report::new(format!("VoipCluster {namespace}/{name}"), errors);
    if !(text::is_label_1035(&name) && name.len() <= 40) {
        let mend =
            "names of Services are made from it: use at most 40 of a-z, 0-9 and -, beginning with a letter";
        report.error("metadata.name", format!("{name:?} cannot be used"), mend);
    }
    check_names(spec, &mut report);
    template::check("spec.signaling.template", &spec.signaling.template, Component::Signaling, &mut report);
    service::check(&spec.signaling.service, &mut report);
    template::images(&spec.images, &mut report);
    let realm = if spec.realm.is_empty() { format!("{name}.{namespace}") } else { spec.realm.clone() };
    ValidCluster {
        uid: cluster.metadata.uid.clone().unwrap_or_default(),
        spec: spec.clone(),
        signaling_runs: false,
        domains: spec.domains.clone(),
        realm,
        algorithms: check_algorithms(spec, &mut report),
        listeners: check_signaling(spec, &mut report),
        pools: check_pools(spec, &mut report),
        media_address: check_media_address(spec, &mut report),
        ports: check_port_range(spec, &mut report),
        drain_seconds: check_drain(spec, &mut report),
        max_unavailable: check_updates(spec, &mut report),
        drained_nodes: drained_nodes(cluster),
        users: Vec::new(),
        dialplans: Vec::new(),
        advice: Vec::new(),
        namespace,
        name,
    }
}

fn check_names(spec: &VoipClusterSpec, report: &mut Report<'_>) {
    report.at_most("spec.domains", spec.domains.len(), 32);
    for (at, domain) in spec.domains.iter().enumerate() {
        let good = text::is_domain(domain) && domain.len() <= 253;
        report.form(good, &format!("spec.domains[{at}]"), domain, "use a host name such as sip.example.com");
    }
    report.distinct("spec.domains", &spec.domains);
    let good = text::is_realm(&spec.realm) && spec.realm.len() <= 253;
    report.form(good, "spec.realm", &spec.realm, "use letters, digits, ., _ and -, or leave it out");
    if spec.realm.parse::<IpAddr>().is_ok() {
        report.error(
            "spec.realm",
            "an address changes, and with it every stored HA1",
            "use a name, or leave it out",
        );
    }
}

fn check_algorithms(spec: &VoipClusterSpec, report: &mut Report<'_>) -> Vec<DigestAlgorithm> {
    let algorithms: Vec<DigestAlgorithm> = spec.digest_algorithms.iter().map(|one| algorithm(*one)).collect();
    if algorithms.is_empty() {
        report.error("spec.digestAlgorithms", "it is empty", "name at least one, for example SHA-256");
    }
    let mut seen = algorithms.clone();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < algorithms.len() {
        report.error("spec.digestAlgorithms", "an algorithm is there twice", "name each once");
    }
    algorithms
}

fn algorithm(algorithm: voip_api::DigestAlgorithm) -> DigestAlgorithm {
    match algorithm {
        voip_api::DigestAlgorithm::Sha512_256 => DigestAlgorithm::Sha512_256,
        voip_api::DigestAlgorithm::Sha256 => DigestAlgorithm::Sha256,
        voip_api::DigestAlgorithm::Md5 => DigestAlgorithm::Md5,
    }
}

fn check_signaling(spec: &VoipClusterSpec, report: &mut Report<'_>) -> Vec<Listener> {
    let signaling = &spec.signaling;
    report.range("spec.signaling.replicas", signaling.replicas, 1, 64);
    match spec.state.kind {
        voip_api::StateType::Memory if signaling.replicas > 1 => {
            let fact = "state.type Memory holds one sip-node";
            report.error("spec.signaling.replicas", fact, "set signaling.replicas to 1");
        }
        voip_api::StateType::Memory => {}
    }
    if signaling.listeners.is_empty() {
        return vec![Listener {
            name: "udp".to_owned(),
            protocol: Protocol::Udp,
            port: 5060,
            advertised: None,
        }];
    }
    report.at_most("spec.signaling.listeners", signaling.listeners.len(), 8);
    let mut listeners: Vec<Listener> = Vec::new();
    for (at, listener) in signaling.listeners.iter().enumerate() {
        let path = format!("spec.signaling.listeners[{at}]");
        let good = text::is_label_1035(&listener.name) && listener.name.len() <= 15;
        report.form(
            good,
            &format!("{path}.name"),
            &listener.name,
            "use at most 15 of a-z, 0-9 and -, beginning with a letter",
        );
        report.range(&format!("{path}.port"), u32::from(listener.port), 1, 65535);
        let protocol = match listener.protocol {
            voip_api::Protocol::Udp => Protocol::Udp,
        };
        if let Some(other) =
            listeners.iter().find(|other| other.port == listener.port && other.protocol == protocol)
        {
            let fact = format!("listeners {} and {} share port {}", other.name, listener.name, listener.port);
            report.error(format!("{path}.port"), fact, "give each its own");
        }
        listeners.push(Listener {
            name: listener.name.clone(),
            protocol,
            port: listener.port,
            advertised: None,
        });
    }
    report.distinct("spec.signaling.listeners", listeners.iter().map(|listener| &listener.name));
    listeners
}

fn check_pools(spec: &VoipClusterSpec, report: &mut Report<'_>) -> Vec<Pool> {
    let pools = &spec.media.pools;
    report.at_most("spec.media.pools", pools.len(), 16);
    if pools.is_empty() {
        report.error("spec.media.pools", "there is no pool", "leave it out, or name one");
    }
    report.distinct("spec.media.pools", pools.iter().map(|pool| &pool.name));
    let mut valid = Vec::with_capacity(pools.len());
    for (at, pool) in pools.iter().enumerate() {
        let path = format!("spec.media.pools[{at}]");
        let good = text::is_label_1035(&pool.name) && pool.name.len() <= 20;
        report.form(
            good,
            &format!("{path}.name"),
            &pool.name,
            &format!("at most 20 characters: {LABEL_MEND}"),
        );
        report.range(&format!("{path}.callsPerNode"), pool.calls_per_node, 1, 10_000);
        report.range(&format!("{path}.podsPerNode"), pool.pods_per_node, 1, 16);
        if pool.calls_per_node > 0 && pool.pods_per_node > pool.calls_per_node {
            let fact = format!("{} pods would share {} calls", pool.pods_per_node, pool.calls_per_node);
            report.error(
                format!("{path}.podsPerNode"),
                fact,
                format!("set it to at most {}", pool.calls_per_node),
            );
        }
        let Some(nodes) = check_count(&format!("{path}.nodes"), &pool.nodes, report) else { continue };
        template::check(&format!("{path}.template"), &pool.template, Component::Media, report);
        let (calls_per_node, pods_per_node) = (pool.calls_per_node, pool.pods_per_node);
        let template = pool.template.clone();
        valid.push(Pool { at, name: pool.name.clone(), nodes, calls_per_node, pods_per_node, template });
    }
    valid
}

fn check_count(path: &str, value: &IntOrString, report: &mut Report<'_>) -> Option<NodeCount> {
    let count = node_count(value);
    if count.is_none() {
        let fact = match value {
            IntOrString::Int(count) => format!("{count} is out of range"),
            IntOrString::String(text) => format!("{text:?} is no percentage"),
        };
        report.error(path, fact, "use a count from 1 to 5000, or \"1%\" to \"100%\"");
    }
    count
}

/// A count or a percentage, when it is one.
pub(crate) fn node_count(nodes: &IntOrString) -> Option<NodeCount> {
    match nodes {
        IntOrString::Int(count) => {
            usize::try_from(*count).ok().filter(|count| (1..=5000).contains(count)).map(NodeCount::Count)
        }
        IntOrString::String(text) => {
            text::percent(text).and_then(|percent| usize::try_from(percent).ok()).map(NodeCount::Percent)
        }
    }
}

fn check_media_address(spec: &VoipClusterSpec, report: &mut Report<'_>) -> Option<IpAddr> {
    let path = "spec.network.mediaAddresses";
    report.at_most(path, spec.network.media_addresses.len(), 1);
    let text = spec.network.media_addresses.first()?;
    let fact = match text.parse() {
        Err(_) => format!("{text:?} is no address"),
        Ok(IpAddr::V6(_)) => format!("{text} is an IPv6 address, and media is IPv4 only"),
        Ok(IpAddr::V4(v4))
            if v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() =>
        {
            format!("no caller can send to {text}")
        }
        Ok(address) => return Some(address),
    };
    report.error(format!("{path}[0]"), fact, "use an IPv4 address that callers reach, or leave it out");
    None
}

fn check_port_range(spec: &VoipClusterSpec, report: &mut Report<'_>) -> PortRange {
    let text = &spec.network.port_range;
    match text::port_range(text) {
        Some((first, last))
            if first % 2 == 0 && first >= 1024 && u32::from(first) + 63 <= u32::from(last) =>
        {
            PortRange::new(first, last)
        }
        _ => {
            let mend = "use an even first port from 1024 and at least 64 ports, for example 16384-29999";
            report.error("spec.network.portRange", format!("{text:?} cannot be used"), mend);
            PortRange::new(16384, 29999)
        }
    }
}

/// The longest `spec.drain.timeoutSeconds`.
pub(crate) const LONGEST_DRAIN_SECONDS: u32 = 86_400;

fn check_drain(spec: &VoipClusterSpec, report: &mut Report<'_>) -> u32 {
    let seconds = spec.drain.timeout_seconds;
    report.range("spec.drain.timeoutSeconds", seconds, 0, LONGEST_DRAIN_SECONDS);
    seconds
}

fn check_updates(spec: &VoipClusterSpec, report: &mut Report<'_>) -> NodeCount {
    let path = "spec.updates.maxUnavailable";
    check_count(path, &spec.updates.max_unavailable, report).unwrap_or(NodeCount::Count(1))
}

/// The nodes that the annotation names, separated by commas.
pub(crate) fn drained_nodes(cluster: &VoipCluster) -> BTreeSet<String> {
    let annotation = cluster.metadata.annotations.as_ref().and_then(|all| all.get(names::DRAIN));
    let nodes = annotation.into_iter().flat_map(|text| text.split(',')).map(str::trim);
    nodes.filter(|node| !node.is_empty()).map(str::to_owned).collect()
}
