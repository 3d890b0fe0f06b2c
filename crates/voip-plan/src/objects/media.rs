//! One DaemonSet for each media-node, pinned to its node by name: its ports and address are in its arguments, so the pod
//! is its own record and can be replaced alone.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Affinity, ContainerPort, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PodTemplateSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use voip_api::PodTemplate;
use voip_contract::config::MEDIA_DOCUMENT;

use super::manifest::{metadata, object};
use super::names::{self, Labels};
use super::pod::{self, POD_IP, Program};
use super::{Object, Release, signaling};
use crate::observed::Component;
use crate::plan::{ControlPorts, MediaPod, NetworkMode, Plan, PortsChange};
use crate::validate::ValidCluster;

/// What a pod has beyond its drain deadline to tell the last calls and end, seconds.
const GRACE_SECONDS: u32 = 30;

/// A DaemonSet for each media-node that knows what to tell callers. One that was deleted so that its ports can move is
/// not made again before they have.
pub(super) fn daemon_sets(valid: &ValidCluster, plan: &Plan, release: &Release) -> Vec<Object> {
    let pods = plan.media.iter().filter(|pod| pod.ports_change != PortsChange::Moves);
    pods.filter_map(|pod| daemon_set(valid, plan, pod, release)).map(|set| object(&set)).collect()
}

/// Fingerprint of the template of which the pod must have been made; none while it cannot be rendered.
pub(super) fn rollout(
    valid: &ValidCluster,
    plan: &Plan,
    pod: &MediaPod,
    release: &Release,
) -> Option<String> {
    let template = template(valid, plan, pod, release)?;
    template.metadata?.annotations?.remove(names::RENDERED)
}

fn daemon_set(valid: &ValidCluster, plan: &Plan, pod: &MediaPod, release: &Release) -> Option<DaemonSet> {
    let template = template(valid, plan, pod, release)?;
    let name = names::media_daemon_set(&valid.name, &pod.pool, &pod.node, pod.shard);
    Some(DaemonSet {
        metadata: metadata(valid, name, labels(valid, pod)),
        spec: Some(DaemonSetSpec {
            selector: LabelSelector { match_labels: Some(selector(valid, pod)), ..LabelSelector::default() },
            // The operator drains, then deletes the pod.
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..DaemonSetUpdateStrategy::default()
            }),
            revision_history_limit: Some(1),
            template,
            ..DaemonSetSpec::default()
        }),
        ..DaemonSet::default()
    })
}

fn selector(valid: &ValidCluster, pod: &MediaPod) -> Labels {
    let mut selector = names::selector(&valid.name, Component::Media);
    selector.extend(place(pod));
    selector
}

fn labels(valid: &ValidCluster, pod: &MediaPod) -> Labels {
    let mut labels = names::of_component(&valid.name, Component::Media);
    labels.extend(place(pod));
    labels
}

fn place(pod: &MediaPod) -> Labels {
    names::labels([
        (names::POOL, &pod.pool),
        (names::SHARD, &pod.shard.to_string()),
        (names::NODE, &names::node_hash(&pod.node)),
    ])
}

fn template(valid: &ValidCluster, plan: &Plan, pod: &MediaPod, release: &Release) -> Option<PodTemplateSpec> {
    let mode = plan.network.mode?;
    let host = mode == NetworkMode::HostNetwork;
    let certificate = names::certificate(&valid.name, Component::Media);
    let config = pod::config_volume(names::media_config(&valid.name), MEDIA_DOCUMENT, Vec::new());
    Some(pod::template(Program {
        container: "media-node",
        service_account: names::media(&valid.name),
        image: release.image(&valid.spec.images.media, Component::Media),
        pull_policy: valid.spec.images.pull_policy,
        args: arguments(valid, mode, pod, signaling::control(plan))?,
        ports: ports(mode, pod),
        http: pod.control.http,
        host_network: host,
        volumes: vec![(config, pod::CONFIG), (pod::secret_volume("tls", certificate), pod::TLS)],
        grace_seconds: valid.drain_seconds.saturating_add(GRACE_SECONDS),
        component: Component::Media,
        template: of_pool(valid, &pod.pool)?,
        labels: labels(valid, pod),
        annotations: record(mode, pod),
        tolerations: Vec::new(),
        affinity: Some(pinned(&pod.node)),
        // The plan chose the node. Were the selector here too, a label that is taken away would end calls.
        node_selector: false,
    }))
}

fn of_pool<'a>(valid: &'a ValidCluster, name: &str) -> Option<&'a PodTemplate> {
    valid.spec.media.pools.iter().find(|pool| pool.name == name).map(|pool| &pool.template)
}

/// None while it is not known what callers are to be told: such a pod could take no call.
fn arguments(
    valid: &ValidCluster,
    mode: NetworkMode,
    pod: &MediaPod,
    signaling: ControlPorts,
) -> Option<Vec<String>> {
    let advertised = match mode {
        NetworkMode::PodAddress => POD_IP.to_owned(),
        NetworkMode::HostNetwork | NetworkMode::HostPort => pod.address?.address.to_string(),
    };
    let peers = format!("{}.{}.svc:{}", names::peers(&valid.name), valid.namespace, signaling.grpc);
    Some(vec![
        format!("--name={}", pod.name),
        format!("--pool={}", pod.pool),
        format!("--config={}", pod::CONFIG),
        format!("--bind={POD_IP}"),
        format!("--advertise={advertised}"),
        format!("--ports={}-{}", pod.rtp.first, pod.rtp.last),
        format!("--calls={}", pod.capacity),
        format!("--sip-node={peers}"),
        format!("--admin={POD_IP}:{}", pod.control.grpc),
        pod::http_argument(mode == NetworkMode::HostNetwork, pod.control.http),
        format!("--tls={}", pod::TLS),
        format!("--drain={}", valid.drain_seconds),
        "--log-format=json".to_owned(),
    ])
}

/// The RTP range is mapped where the node's ports are used from a network of its own, and never declared otherwise:
/// each port costs rules.
fn ports(mode: NetworkMode, pod: &MediaPod) -> Vec<ContainerPort> {
    let control = [pod.control.grpc, pod.control.http];
    let mut ports: Vec<_> =
        control.map(|number| pod::port(number, "TCP", mode == NetworkMode::HostNetwork)).into();
    if mode == NetworkMode::HostPort {
        ports.extend((pod.rtp.first..=pod.rtp.last).map(|number| pod::port(number, "UDP", true)));
    }
    ports
}

/// What a lost lease object is made again from. A pod with an address of its own has none.
fn record(mode: NetworkMode, pod: &MediaPod) -> Labels {
    let range = format!("{}-{}", pod.rtp.first, pod.rtp.last);
    let mut record = names::control(pod.control);
    record.insert(names::RTP.to_owned(), range);
    if mode != NetworkMode::PodAddress {
        record.insert(names::LEASE.to_owned(), pod.lease.clone());
    }
    record
}

fn pinned(node: &str) -> Affinity {
    let name = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![name]), match_expressions: None };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}
