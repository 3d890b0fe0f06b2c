//! `kubectl voip status`: what the operator reports, on a terminal of 80 columns, and what to do next.

use std::fmt::Write;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use voip_api::{SignalingAddress, VoipClusterStatus};

use crate::cli::kube::ShowArgs;
use crate::failure::Failure;
use crate::kubernetes::cluster::{Cluster, find};
use crate::kubernetes::kubectl::Kubectl;
use crate::show;

/// Conditions that are well when they are not true.
const WELL_WHEN_FALSE: [&str; 2] = ["Progressing", "Degraded"];

/// What is printed with `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    namespace: &'a str,
    name: &'a str,
    ready: bool,
    generation: Option<i64>,
    draining: Vec<&'a str>,
    next: Vec<String>,
    status: &'a VoipClusterStatus,
}

/// Runs the command.
pub(crate) fn run(kubectl: &Kubectl, args: &ShowArgs) -> Result<(), Failure> {
    let cluster = find(kubectl, args.name.as_deref())?;
    match args.output {
        Some(_) => show::print(&show::json(&report(&cluster))),
        None => show::print(&text(&cluster, super::now_seconds())),
    }
    Ok(())
}

fn report(cluster: &Cluster) -> Report<'_> {
    Report {
        namespace: cluster.namespace(),
        name: cluster.name(),
        ready: cluster.is("Ready"),
        generation: cluster.metadata.generation,
        draining: cluster.drained(),
        next: next(cluster),
        status: &cluster.status,
    }
}

fn text(cluster: &Cluster, now: i64) -> String {
    let ready = if cluster.is("Ready") { "ready" } else { "not ready" };
    let mut text = format!("VoipCluster {}: {ready}\n\n", cluster.id());
    if cluster.status.observed_generation.is_some() {
        text.push_str(&facts(&cluster.status));
        let rows = cluster.status.conditions.iter().map(|it| row(it, now));
        text.push('\n');
        text.push_str(&show::table(&["CONDITION", "STATUS", "REASON", "SINCE"], rows));
        text.push('\n');
    }
    text.push_str("What to do next\n");
    for step in next(cluster) {
        text.push_str(&show::wrapped("- ", &step));
    }
    text
}

fn facts(status: &VoipClusterStatus) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<11} {value}");
    };
    if let Some(network) = &status.network {
        fact("network", format!("{} ({})", network.mode, network.reason));
    }
    let (signaling, media) = (&status.signaling, &status.media);
    fact("signaling", format!("{} of {} ready", signaling.ready_replicas, signaling.replicas));
    for address in &signaling.addresses {
        fact("", format!("{} ({})", told(address), address.source));
    }
    let draining = if media.draining > 0 { format!(", {} draining", media.draining) } else { String::new() };
    fact("media", format!("{} of {} ready{draining}", media.ready, media.desired));
    let capacity = &status.capacity;
    let without = format!("{} without the busiest node", capacity.calls_without_one_node);
    fact("capacity", format!("{}, {without}", show::count(capacity.calls, "call")));
    fact("", show::count(capacity.ports_free, "port") + " free");
    let load = &status.load;
    let registrations = show::count(load.registrations, "registration");
    fact("load", format!("{}, {registrations}", show::count(load.active_calls, "call")));
    text
}

/// `address:port/PROTOCOL`
fn told(address: &SignalingAddress) -> String {
    let SignalingAddress { address, port, protocol, .. } = address;
    match address.parse() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]:{port}/{protocol}"),
        _ => format!("{address}:{port}/{protocol}"),
    }
}

fn row(condition: &Condition, now: i64) -> Vec<String> {
    let since = now.saturating_sub(condition.last_transition_time.0.as_second());
    vec![condition.type_.clone(), condition.status.clone(), condition.reason.clone(), show::age(since)]
}

/// The steps that lead on from here; never empty.
fn next(cluster: &Cluster) -> Vec<String> {
    let mut steps = Vec::new();
    if cluster.metadata.deletion_timestamp.is_some() {
        steps.push("Wait: it is being deleted, and its calls are ended within a minute.".to_owned());
    }
    match (cluster.status.observed_generation, cluster.metadata.generation) {
        (None, _) => {
            steps.push(
                "The operator has not reported on it. See whether it runs and serves this namespace: \
                 kubectl get pods -A -l app.kubernetes.io/name=voip-operator"
                    .to_owned(),
            );
        }
        (Some(seen), Some(newest)) if seen < newest => {
            steps.push(format!(
                "Wait: the operator has reported on generation {seen}, the newest is {newest}."
            ));
        }
        _ => {}
    }
    // What is not ready repeats the part that is not.
    let troubled = cluster.status.conditions.iter().filter(|it| it.type_ != "Ready" && !is_well(it));
    steps.extend(troubled.map(|it| format!("{}: {}", it.type_, it.message)));
    let drained = cluster.drained();
    if !drained.is_empty() {
        steps.push(format!(
            "Asked to drain: {}. To give them back: kubectl voip drain -n {} --undo {} {}",
            drained.join(", "),
            cluster.namespace(),
            cluster.name(),
            drained.join(" ")
        ));
    }
    if steps.is_empty() {
        steps.push(usual(cluster));
    }
    steps
}

fn is_well(condition: &Condition) -> bool {
    (condition.status == "True") != WELL_WHEN_FALSE.contains(&condition.type_.as_str())
}

fn usual(cluster: &Cluster) -> String {
    let users = format!("kubectl get sipusers -n {}", cluster.namespace());
    match cluster.status.signaling.addresses.first() {
        Some(address) => {
            format!("Nothing is wrong. Phones register at {} as a SipUser: {users}", told(address))
        }
        None => format!("Nothing is wrong. Phones register as a SipUser: {users}"),
    }
}

#[cfg(test)]
mod tests;
