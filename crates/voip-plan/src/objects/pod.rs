//! What the pods of both programs have in common: no root, no capability, a read-only root, probes, volumes, and the few
//! settings that users may make.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, HTTPGetAction, KeyToPath, LocalObjectReference, ObjectFieldSelector, PodSecurityContext,
    PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
    SecretProjection, SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use voip_api::{Amounts, PodSettings, PodTemplate, PullPolicy, TolerationOperator};

use super::manifest::{list, text};
use super::names::{Labels, RENDERED};
use crate::digest::fingerprint;
use crate::observed::Component;
use crate::quantity;

/// User and group of the programs; nobody's by convention, and numeric so that the kubelet can tell that it is not root.
const NOBODY: i64 = 65532;
/// Mode of mounted files: owner and group may read.
const READABLE: i32 = 0o440;
/// Where documents are mounted.
pub(super) const CONFIG: &str = "/etc/voip";
/// Where the certificate is mounted.
pub(super) const TLS: &str = "/etc/voip-tls";
/// Stands for the pod's address in arguments; on the host network that is the node's `InternalIP`.
pub(super) const POD_IP: &str = "$(POD_IP)";
/// Stands for the pod's name in arguments.
pub(super) const POD_NAME: &str = "$(POD_NAME)";
/// The argument that no pod is replaced for: the operator's orders carry the deadline of the moment.
const DRAIN: &str = "--drain=";

/// A pod of one of the programs.
pub(super) struct Program<'a> {
    pub(super) container: &'a str,
    pub(super) service_account: String,
    pub(super) image: String,
    pub(super) pull_policy: PullPolicy,
    pub(super) args: Vec<String>,
    pub(super) ports: Vec<ContainerPort>,
    pub(super) http: u16,
    pub(super) host_network: bool,
    pub(super) volumes: Vec<(Volume, &'static str)>,
    pub(super) grace_seconds: u32,
    pub(super) component: Component,
    pub(super) template: &'a PodTemplate,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) affinity: Option<Affinity>,
    pub(super) node_selector: bool,
}

/// The template, with its fingerprint.
pub(super) fn template(program: Program<'_>) -> PodTemplateSpec {
    let mut labels = program.template.metadata.labels.clone();
    labels.extend(program.labels.clone());
    let mut annotations = program.template.metadata.annotations.clone();
    annotations.extend(program.annotations.clone());
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
        spec: Some(spec(program)),
    };
    if let Some(metadata) = &mut template.metadata {
        metadata.annotations = Some(annotations.clone());
    }
    annotations.insert(RENDERED.to_owned(), rollout(&template));
    if let Some(metadata) = &mut template.metadata {
        metadata.annotations = Some(annotations);
    }
    template
}

/// What a pod must have been made from. Grace period and drain deadline are said with each deletion and order, so a
/// change of them replaces nothing.
fn rollout(template: &PodTemplateSpec) -> String {
    let mut template = template.clone();
    if let Some(spec) = &mut template.spec {
        spec.termination_grace_period_seconds = None;
        for args in spec.containers.iter_mut().filter_map(|container| container.args.as_mut()) {
            args.retain(|arg| !arg.starts_with(DRAIN));
        }
    }
    fingerprint(&serde_json::to_vec(&template).unwrap_or_default())
}

fn spec(program: Program<'_>) -> PodSpec {
    let settings = &program.template.spec;
    let pull_secrets = settings.image_pull_secrets.iter();
    let tolerations = settings.tolerations.iter().map(toleration).chain(program.tolerations.clone());
    let dns = if program.host_network { "ClusterFirstWithHostNet" } else { "ClusterFirst" };
    PodSpec {
        service_account_name: Some(program.service_account.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(i64::from(program.grace_seconds)),
        host_network: program.host_network.then_some(true),
        dns_policy: Some(dns.to_owned()),
        affinity: program.affinity.clone(),
        node_selector: Some(settings.node_selector.clone())
            .filter(|selector| program.node_selector && !selector.is_empty()),
        tolerations: list(tolerations.collect()),
        priority_class_name: text(&settings.priority_class_name),
        image_pull_secrets: list(
            pull_secrets.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect(),
        ),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            fs_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        volumes: list(program.volumes.iter().map(|(volume, _)| volume.clone()).collect()),
        containers: vec![container(program)],
        ..PodSpec::default()
    }
}

fn container(program: Program<'_>) -> Container {
    let mount = |(volume, path): &(Volume, &str)| VolumeMount {
        name: volume.name.clone(),
        mount_path: (*path).to_owned(),
        read_only: volume.empty_dir.is_none().then_some(true),
        ..VolumeMount::default()
    };
    let probe = |path, period, failures| probe(path, &program, period, failures);
    Container {
        name: program.container.to_owned(),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        volume_mounts: list(program.volumes.iter().map(mount).collect()),
        resources: Some(resources(&program.template.spec, program.component)),
        image: Some(program.image.clone()),
        image_pull_policy: Some(
            match program.pull_policy {
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Always => "Always",
                PullPolicy::Never => "Never",
            }
            .to_owned(),
        ),
        env: Some(vec![from_field("POD_NAME", "metadata.name"), from_field("POD_IP", "status.podIP")]),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        args: list(program.args),
        ports: list(program.ports),
        ..Container::default()
    }
}

fn from_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector { field_path: path.to_owned(), ..ObjectFieldSelector::default() };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

/// On the host network health is served on loopback only, and the kubelet asks there.
fn probe(path: &str, program: &Program<'_>, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            host: program.host_network.then(|| "127.0.0.1".to_owned()),
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(program.http)),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// Where health, metrics and API are served.
pub(super) fn http_argument(host_network: bool, port: u16) -> String {
    format!("--http={}:{port}", if host_network { "127.0.0.1" } else { "0.0.0.0" })
}

/// A container port. On the host network the port of the node is the same, and says so to the scheduler.
pub(super) fn port(number: u16, protocol: &str, on_node: bool) -> ContainerPort {
    ContainerPort {
        container_port: i32::from(number),
        host_port: on_node.then_some(i32::from(number)),
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}

fn toleration(toleration: &voip_api::Toleration) -> Toleration {
    let operator = match toleration.operator {
        TolerationOperator::Equal => "Equal",
        TolerationOperator::Exists => "Exists",
    };
    Toleration {
        key: text(&toleration.key),
        operator: Some(operator.to_owned()),
        value: text(&toleration.value),
        effect: toleration.effect.map(|effect| format!("{effect:?}")),
        toleration_seconds: toleration.toleration_seconds.map(i64::from),
    }
}

/// What is requested for a pod unless its template says otherwise.
pub(crate) fn default_request(component: Component, resource: &str) -> &'static str {
    match (resource, component) {
        ("memory", _) => "256Mi",
        (_, Component::Signaling) => "250m",
        (_, Component::Media) => "500m",
    }
}

fn resources(settings: &PodSettings, component: Component) -> ResourceRequirements {
    let (requests, limits) = (&settings.resources.requests, &settings.resources.limits);
    let default = |resource: &str| default_request(component, resource);
    ResourceRequirements {
        requests: amounts(requests, default),
        limits: amounts(limits, |_| ""),
        ..ResourceRequirements::default()
    }
}

fn amounts(given: &Amounts, default: impl Fn(&str) -> &'static str) -> Option<BTreeMap<String, Quantity>> {
    let asked = [("cpu", given.cpu.as_str()), ("memory", given.memory.as_str())];
    let or_default = asked.map(|(name, text)| (name, if text.is_empty() { default(name) } else { text }));
    let amounts: BTreeMap<String, Quantity> = or_default
        .into_iter()
        .filter_map(|(name, text)| {
            let stored = quantity::Quantity::parse(text)?.canonical();
            Some((name.to_owned(), Quantity(stored)))
        })
        .collect();
    (!amounts.is_empty()).then_some(amounts)
}

/// A volume from one Secret.
pub(super) fn secret_volume(name: &str, secret: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The config directory: one file of a `ConfigMap`, and files of Secrets that need not be there. One volume, so that the
/// kubelet swaps all files at once.
pub(super) fn config_volume(map: String, file: &str, secrets: Vec<(String, String)>) -> Volume {
    let item = |file: String| KeyToPath { key: file.clone(), path: file, mode: None };
    let documents = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: map,
            items: Some(vec![item(file.to_owned())]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    let of_secret = |(name, file)| VolumeProjection {
        secret: Some(SecretProjection { name, items: Some(vec![item(file)]), optional: Some(true) }),
        ..VolumeProjection::default()
    };
    let sources = std::iter::once(documents).chain(secrets.into_iter().map(of_secret));
    Volume {
        name: "config".to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(READABLE),
            sources: Some(sources.collect()),
        }),
        ..Volume::default()
    }
}

/// A directory that lives and dies with the pod.
pub(super) fn scratch_volume(name: &str, limit: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(limit.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}
