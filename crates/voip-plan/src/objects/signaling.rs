//! The sip-node and the Services before it.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{ContainerPort, Service, ServicePort, ServiceSpec, Toleration, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use voip_api::{Exposure, TrafficPolicy};
use voip_contract::config::SIP_DOCUMENT;

use super::manifest::{list, metadata, object, text};
use super::pod::{self, POD_IP, POD_NAME, Program};
use super::users::BUCKETS;
use super::{Object, Release, names};
use crate::observed::Component;
use crate::plan::{ControlPorts, POD_CONTROL, Plan};
use crate::validate::ValidCluster;

/// Grace period, seconds: a constant, so that no field replaces the pod for it.
const GRACE_SECONDS: u32 = 60;
/// Calls that are left get a BYE this long after SIGTERM.
const DRAIN_SECONDS: u32 = 50;
/// How long a node that does not answer keeps the sip-node before another is started, seconds.
const LOST_NODE_SECONDS: i64 = 30;

/// The Services: none before a sip-node on the host network but the one that media-nodes look up.
pub(super) fn services(valid: &ValidCluster, plan: &Plan) -> Vec<Object> {
    let control = control(plan);
    let mut services = vec![peers(valid, control)];
    if !on_host(valid) {
        services.push(callers(valid));
        services.push(api(valid, control));
    }
    services
}

/// The ports at which the programs find sip-node.
pub(super) fn control(plan: &Plan) -> ControlPorts {
    plan.signaling.first().map_or(POD_CONTROL, |pod| pod.control)
}

fn on_host(valid: &ValidCluster) -> bool {
    valid.spec.signaling.exposure == Exposure::HostNetwork
}

fn callers(valid: &ValidCluster) -> Object {
    let signaling = &valid.spec.signaling;
    let kind = match signaling.exposure {
        Exposure::LoadBalancer => "LoadBalancer",
        Exposure::NodePort => "NodePort",
        Exposure::HostNetwork | Exposure::ClusterIP => "ClusterIP",
    };
    let policy = match signaling.service.external_traffic_policy {
        TrafficPolicy::Local => "Local",
        TrafficPolicy::Cluster => "Cluster",
    };
    let balanced = signaling.exposure == Exposure::LoadBalancer;
    let ports = valid.listeners.iter().map(|listener| port(&listener.name, listener.port, "UDP"));
    let settings = &signaling.service;
    let mut service = service(valid, names::signaling(&valid.name), ports.collect());
    service.metadata.annotations =
        Some(settings.annotations.clone()).filter(|annotations| !annotations.is_empty());
    if let Some(spec) = &mut service.spec {
        spec.type_ = Some(kind.to_owned());
        spec.external_traffic_policy = (kind != "ClusterIP").then(|| policy.to_owned());
        spec.load_balancer_class = text(&settings.load_balancer_class).filter(|_| balanced);
        spec.load_balancer_source_ranges =
            list(settings.load_balancer_source_ranges.clone()).filter(|_| balanced);
        // A call's requests find their pod by its address; affinity would only hold on to pods that are gone.
        spec.session_affinity = Some("None".to_owned());
    }
    object(&service)
}

/// Headless, and with pods that are not ready: a media-node announces itself before calls are possible.
fn peers(valid: &ValidCluster, control: ControlPorts) -> Object {
    let ports = vec![port("grpc", control.grpc, "TCP")];
    let mut service = service(valid, names::peers(&valid.name), ports);
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".to_owned());
        spec.publish_not_ready_addresses = Some(true);
    }
    object(&service)
}

fn api(valid: &ValidCluster, control: ControlPorts) -> Object {
    object(&service(valid, names::api(&valid.name), vec![port("http", control.http, "TCP")]))
}

fn service(valid: &ValidCluster, name: String, ports: Vec<ServicePort>) -> Service {
    let labels = names::of_component(&valid.name, Component::Signaling);
    Service {
        metadata: metadata(valid, name, labels),
        spec: Some(ServiceSpec {
            selector: Some(names::selector(&valid.name, Component::Signaling)),
            ports: Some(ports),
            // Media and signaling are IPv4 for now, whatever the cluster's first family is.
            ip_families: Some(vec!["IPv4".to_owned()]),
            ip_family_policy: Some("SingleStack".to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, number: u16, protocol: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(number),
        target_port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    }
}

/// The Deployment. `Recreate`: a second sip-node would not know the registrations of the first.
pub(super) fn deployment(valid: &ValidCluster, plan: &Plan, release: &Release) -> Object {
    let labels = names::of_component(&valid.name, Component::Signaling);
    object(&Deployment {
        metadata: metadata(valid, names::signaling(&valid.name), labels.clone()),
        spec: Some(DeploymentSpec {
            replicas: i32::try_from(valid.spec.signaling.replicas).ok(),
            // A Deployment that is paused makes no first pod, so only one that has some is.
            paused: (valid.spec.updates.paused && valid.signaling_runs).then_some(true),
            revision_history_limit: Some(1),
            selector: LabelSelector {
                match_labels: Some(names::selector(&valid.name, Component::Signaling)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                ..DeploymentStrategy::default()
            }),
            template: pod::template(program(valid, control(plan), release, labels)),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    })
}

fn program<'a>(
    valid: &'a ValidCluster,
    control: ControlPorts,
    release: &Release,
    labels: names::Labels,
) -> Program<'a> {
    let host = on_host(valid);
    let template = &valid.spec.signaling.template;
    Program {
        container: "sip-node",
        service_account: names::signaling(&valid.name),
        image: release.image(&valid.spec.images.signaling, Component::Signaling),
        pull_policy: valid.spec.images.pull_policy,
        args: arguments(control, host),
        ports: ports(valid, control, host),
        http: control.http,
        host_network: host,
        volumes: volumes(valid),
        grace_seconds: GRACE_SECONDS,
        component: Component::Signaling,
        template,
        labels,
        annotations: annotations(valid, control),
        tolerations: lost_node(template),
        affinity: None,
        node_selector: true,
    }
}

/// A sip-node opens its sockets when it starts, so other listeners need another pod, even by name.
fn annotations(valid: &ValidCluster, control: ControlPorts) -> names::Labels {
    let listeners = valid.listeners.iter().map(|listener| format!("{}={}", listener.name, listener.port));
    let mut annotations = names::control(control);
    annotations.insert(names::LISTENERS.to_owned(), listeners.collect::<Vec<_>>().join(","));
    annotations
}

fn arguments(control: ControlPorts, host: bool) -> Vec<String> {
    vec![
        format!("--name={POD_NAME}"),
        format!("--config={}", pod::CONFIG),
        format!("--bind={POD_IP}"),
        // The document says what callers are told as soon as it is known.
        format!("--advertise={POD_IP}"),
        format!("--peers={POD_IP}:{}", control.grpc),
        pod::http_argument(host, control.http),
        "--state=/var/lib/voip".to_owned(),
        format!("--tls={}", pod::TLS),
        format!("--drain={DRAIN_SECONDS}"),
        "--cdr-log".to_owned(),
        "--api-token=/etc/voip-api/token".to_owned(),
        "--log-format=json".to_owned(),
    ]
}

/// On the host network the scheduler sees from them which nodes are free.
fn ports(valid: &ValidCluster, control: ControlPorts, on_node: bool) -> Vec<ContainerPort> {
    let listeners = valid.listeners.iter().map(|listener| pod::port(listener.port, "UDP", on_node));
    listeners.chain(control_ports(control, on_node)).collect()
}

fn control_ports(control: ControlPorts, on_node: bool) -> Vec<ContainerPort> {
    [control.grpc, control.http].map(|number| pod::port(number, "TCP", on_node)).into()
}

fn volumes(valid: &ValidCluster) -> Vec<(Volume, &'static str)> {
    // All buckets, filled or not: a user more replaces no pod.
    let users = (0..BUCKETS).map(|at| (names::users(&valid.name, at), names::users_file(at))).collect();
    let certificate = names::certificate(&valid.name, Component::Signaling);
    vec![
        (pod::config_volume(names::signaling_config(&valid.name), SIP_DOCUMENT, users), pod::CONFIG),
        (pod::secret_volume("tls", certificate), pod::TLS),
        (pod::secret_volume("api", names::api(&valid.name)), "/etc/voip-api"),
        (pod::scratch_volume("state", "256Mi"), "/var/lib/voip"),
    ]
}

/// Unless the user says otherwise for one of these taints, or for all.
fn lost_node(template: &voip_api::PodTemplate) -> Vec<Toleration> {
    let said =
        |taint: &str| template.spec.tolerations.iter().any(|own| own.key.is_empty() || own.key == taint);
    ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
        .into_iter()
        .filter(|taint| !said(taint))
        .map(|taint| Toleration {
            key: Some(taint.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some("NoExecute".to_owned()),
            toleration_seconds: Some(LOST_NODE_SECONDS),
            value: None,
        })
        .collect()
}
