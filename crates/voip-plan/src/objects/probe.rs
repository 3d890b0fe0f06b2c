//! Pods that are never made: admission is asked about them by a dry run, and the network mode follows from its answers.

use k8s_openapi::api::core::v1::{ContainerPort, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::{self, Program};
use super::{Release, names};
use crate::observed::Component;
use crate::validate::ValidCluster;

/// A media pod of each kind. They differ in nothing but the network, so that the answers do.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbePods {
    /// On the host network.
    pub host_network: Pod,
    /// Without it, with host ports.
    pub host_ports: Pod,
    /// With neither.
    pub plain: Pod,
}

/// Pods like those of the first pool, under the `ServiceAccount` that every namespace has.
pub fn probe_pods(valid: &ValidCluster, release: &Release) -> ProbePods {
    let control = [valid.ports.last.saturating_sub(1), valid.ports.last];
    let tcp = |on_node| control.map(|number| pod::port(number, "TCP", on_node)).to_vec();
    let mut mapped = tcp(false);
    mapped.push(pod::port(valid.ports.first, "UDP", true));
    let probe = |host_network, ports| probe(valid, release, host_network, ports);
    ProbePods {
        host_network: probe(true, tcp(true)),
        host_ports: probe(false, mapped),
        plain: probe(false, tcp(false)),
    }
}

fn probe(valid: &ValidCluster, release: &Release, host_network: bool, ports: Vec<ContainerPort>) -> Pod {
    let none = voip_api::PodTemplate::default();
    let template = pod::template(Program {
        container: "media-node",
        service_account: "default".to_owned(),
        image: release.image(&valid.spec.images.media, Component::Media),
        pull_policy: valid.spec.images.pull_policy,
        args: Vec::new(),
        ports,
        http: valid.ports.last,
        host_network,
        volumes: Vec::new(),
        grace_seconds: 0,
        component: Component::Media,
        template: valid.spec.media.pools.first().map_or(&none, |pool| &pool.template),
        labels: names::of_component(&valid.name, Component::Media),
        annotations: names::Labels::new(),
        tolerations: Vec::new(),
        affinity: None,
        node_selector: true,
    });
    let metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-probe-", valid.name)),
            namespace: Some(valid.namespace.clone()),
            labels: metadata.labels,
            annotations: metadata.annotations,
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}
