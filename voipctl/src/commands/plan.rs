//! `voipctl plan`: what `up` would run, or the objects that the operator would apply.

use std::fmt::Write;

use serde_json::{Value, json};
use voip_plan::objects::{Release, render};
use voip_plan::{AddressSource, NetworkMode, NetworkReason, Plan};

use crate::cli::{PlanArgs, PlanOutput};
use crate::commands::kube;
use crate::commands::up::check_address;
use crate::failure::Failure;
use crate::planned::{Generated, Planned, World, plan_file};
use crate::show;

/// Runs the command.
pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    if args.cluster {
        return kube::plan_with_context(&args.file, args.output);
    }
    if let Some(address) = args.address {
        check_address(address).map_err(Failure::input)?;
    }
    let world = if args.output.is_some() { World::Invented } else { World::Laptop(args.address) };
    let planned = plan_file(&args.file, world, Generated::Unneeded)?;
    match args.output {
        Some(format) => print_objects(&planned, &release(), format)?,
        None => show::print(&text(&planned)),
    }
    Ok(())
}

/// What the operator of this release runs programs from.
pub(crate) fn release() -> Release {
    let version = env!("CARGO_PKG_VERSION");
    Release {
        version: version.to_owned(),
        signaling_image: format!("voip-operator/sip-node:{version}"),
        media_image: format!("voip-operator/media-node:{version}"),
    }
}

/// Prints what the operator would apply.
pub(crate) fn print_objects(planned: &Planned, release: &Release, format: PlanOutput) -> Result<(), Failure> {
    let objects = objects(planned, release)?;
    match format {
        PlanOutput::Json => {
            show::print(&show::json(&json!({"apiVersion": "v1", "kind": "List", "items": objects})));
        }
        PlanOutput::Yaml => show::print(&yaml(&objects)?),
    }
    Ok(())
}

/// As the operator applies them, leases first; values of Secrets are not shown.
fn objects(planned: &Planned, release: &Release) -> Result<Vec<Value>, Failure> {
    let leases = planned.plan.leases.iter().map(|lease| serde_json::to_value(lease).map_err(Failure::failed));
    let rendered = render(&planned.valid, &planned.plan, release).into_iter();
    leases.chain(rendered.map(|object| Ok(object.redacted()))).collect()
}

fn yaml(objects: &[Value]) -> Result<String, Failure> {
    let documents: Result<Vec<String>, _> = objects.iter().map(serde_saphyr::to_string).collect();
    Ok(documents.map_err(Failure::failed)?.join("---\n"))
}

/// The plan for people.
pub(crate) fn text(planned: &Planned) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let capacity = plan.capacity;
    let _ = writeln!(text, "VoipCluster {}", plan.cluster);
    let _ = writeln!(text, "network     {}", network(plan));
    let _ = writeln!(
        text,
        "capacity    {} calls, {} without the busiest node; {} ports free",
        capacity.calls, capacity.calls_without_one_node, capacity.ports_free
    );
    let _ = writeln!(text, "users       {}\n", planned.users.len());
    text.push_str(&nodes(plan));
    for advice in &planned.advice {
        let _ = writeln!(text, "\nnote: {advice}");
    }
    text
}

fn nodes(plan: &Plan) -> String {
    let mut rows = Vec::new();
    for pod in &plan.signaling {
        let control = control(pod.control.grpc, pod.control.http);
        for address in &pod.addresses {
            let protocol = pod.listeners.iter().find(|l| l.name == address.listener).map(|l| l.protocol);
            let protocol = protocol.map(|p| format!("{p:?}").to_uppercase()).unwrap_or_default();
            rows.push(vec![
                pod.name.clone(),
                "signaling".to_owned(),
                address.address.to_string(),
                source(address.source).to_owned(),
                format!("{}/{protocol}", address.port),
                control.clone(),
                "-".to_owned(),
            ]);
        }
    }
    for pod in &plan.media {
        let (address, from) = pod.address.map_or_else(
            || ("none".to_owned(), "-"),
            |address| (address.address.to_string(), source(address.source)),
        );
        rows.push(vec![
            pod.name.to_string(),
            format!("media, pool {}", pod.pool),
            address,
            from.to_owned(),
            format!("{} RTP", pod.rtp),
            control(pod.control.grpc, pod.control.http),
            pod.capacity.to_string(),
        ]);
    }
    show::table(&["NODE", "ROLE", "ADDRESS", "SOURCE", "PORTS", "CONTROL", "CALLS"], rows)
}

fn control(grpc: u16, http: u16) -> String {
    format!("{grpc},{http}/TCP")
}

fn network(plan: &Plan) -> String {
    let mode = plan.network.mode.map_or("none", NetworkMode::name);
    let why = match plan.network.reason {
        NetworkReason::Local => "Local: everything runs on this machine",
        NetworkReason::Spec => "Spec: the file says so",
        NetworkReason::Unchanged => "Unchanged: media pods run so already",
        NetworkReason::HostNetworkAdmitted => "HostNetworkAdmitted: pods may use the network of their node",
        NetworkReason::PodAddressesVouched => {
            "PodAddressesVouched: pods may not use the network of their node"
        }
        NetworkReason::HostPortsAdmitted => "HostPortsAdmitted: pods may not use the network of their node",
        NetworkReason::NoUsableNetwork => {
            "NoUsableNetwork: pods may use neither the host's network nor its ports"
        }
        NetworkReason::Undecided => "Undecided: admission has not answered",
    };
    format!("{mode} ({why})")
}

fn source(source: AddressSource) -> &'static str {
    match source {
        AddressSource::Local => "Local",
        AddressSource::Spec => "Spec",
        AddressSource::LoadBalancer => "LoadBalancer",
        AddressSource::NodeExternalIP => "NodeExternalIP",
        AddressSource::Stun => "Stun",
        AddressSource::NodeInternalIP => "NodeInternalIP",
        AddressSource::ClusterIP => "ClusterIP",
        AddressSource::PodIP => "PodIP",
    }
}
