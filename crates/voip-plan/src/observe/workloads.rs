//! The Deployment of sip-nodes and the Service before them, as far as planning needs them.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;

use crate::objects::names::RENDERED;
use crate::observed::{SignalingService, Workload};

/// What of a Deployment is planned with.
pub fn workload(deployment: &Deployment) -> Workload {
    let status = deployment.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let failure = status.conditions.iter().flatten();
    let failure = failure.into_iter().find(|it| it.type_ == "ReplicaFailure" && it.status == "True");
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let rendered = template.and_then(|metadata| metadata.annotations.as_ref()?.get(RENDERED).cloned());
    Workload {
        replicas: count(status.replicas),
        ready: count(status.ready_replicas),
        updated: count(status.updated_replicas),
        observed: status.observed_generation.is_some()
            && status.observed_generation == deployment.metadata.generation,
        failure: failure.and_then(|it| it.message.clone()).unwrap_or_default(),
        rendered: rendered.unwrap_or_default(),
    }
}

/// What of a Service is planned with.
pub fn service(service: &Service) -> SignalingService {
    let spec = service.spec.clone().unwrap_or_default();
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = || balancer.iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    let node_port = |port: &k8s_openapi::api::core::v1::ServicePort| {
        Some((port.name.clone()?, u16::try_from(port.node_port?).ok().filter(|port| *port != 0)?))
    };
    SignalingService {
        // `None` is what a headless Service has.
        cluster_ip: spec.cluster_ip.as_deref().and_then(|address| address.parse().ok()),
        ingress: ingress().filter_map(|ingress| ingress.ip.as_deref()?.parse().ok()).collect(),
        hostname: ingress().find_map(|ingress| ingress.hostname.clone()),
        node_ports: spec.ports.iter().flatten().filter_map(node_port).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_observed_only_when_its_controller_saw_this_generation() {
        let deployment = |seen: i64| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {"name": "office-sip", "generation": 3},
                "spec": {"selector": {}, "template": {"metadata": {"annotations": {RENDERED: "f00"}}}},
                "status": {
                    "observedGeneration": seen, "replicas": 2, "readyReplicas": 1, "updatedReplicas": 1,
                    "conditions": [
                        {"type": "Available", "status": "True", "message": "fine"},
                        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"},
                    ],
                },
            }))
            .unwrap()
        };
        let workload = workload(&deployment(3));
        assert_eq!((workload.replicas, workload.ready, workload.updated, workload.observed), (2, 1, 1, true));
        assert_eq!((workload.failure.as_str(), workload.rendered.as_str()), ("exceeded quota: small", "f00"));
        assert!(!super::workload(&deployment(2)).observed);
        assert!(!super::workload(&Deployment::default()).observed);
    }

    #[test]
    fn a_service_tells_its_addresses_and_ports() {
        let object: Service = serde_json::from_value(json!({
            "metadata": {"name": "office-sip"},
            "spec": {"clusterIP": "10.96.0.7", "ports": [
                {"name": "udp", "port": 5060, "nodePort": 31_060, "protocol": "UDP"}, {"name": "api", "port": 8080},
            ]},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}, {"hostname": "lb.example"}]}},
        }))
        .unwrap();
        let seen = service(&object);
        assert_eq!(seen.cluster_ip, Some([10, 96, 0, 7].into()));
        assert_eq!(seen.ingress, [std::net::IpAddr::from([203, 0, 113, 5])]);
        assert_eq!(seen.hostname.as_deref(), Some("lb.example"));
        assert_eq!(seen.node_ports.get("udp"), Some(&31_060));
        assert_eq!(seen.node_ports.len(), 1);
    }

    #[test]
    fn a_headless_service_has_no_address() {
        let object: Service =
            serde_json::from_value(json!({"metadata": {}, "spec": {"clusterIP": "None"}})).unwrap();
        assert_eq!(service(&object), SignalingService::default());
    }
}
