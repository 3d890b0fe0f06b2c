//! Network modes, exposures and which nodes may carry a pool.

use serde_json::{Value, json};
use voip_api::TaintEffect;

use super::world::{cluster, kubernetes, nodes};
use crate::*;

fn planned(spec: Value, observed: &Observed) -> Plan {
    plan(&validate(&cluster(spec), observed).unwrap(), observed)
}

fn small(network: &Value) -> Value {
    json!({"media": {"pools": [{"name": "a", "nodes": 1, "callsPerNode": 58}]}, "network": network})
}

fn pod(component: Component, owner: &str, node: &str) -> Pod {
    Pod {
        name: format!("{owner}-x"),
        uid: "u".to_owned(),
        component,
        owner: owner.to_owned(),
        lease: None,
        rendered: String::new(),
        node: Some(node.to_owned()),
        address: Some([10, 244, 1, 7].into()),
        ready: true,
        ending: false,
        draining_since_ms: None,
        trouble: String::new(),
    }
}

#[test]
fn auto_takes_what_admission_allows_and_keeps_it() {
    let denied = || Verdict::Denied("baseline".to_owned());
    let (host, port) = (NetworkMode::HostNetwork, NetworkMode::HostPort);
    for (host_network, host_ports, calls, mode, reason) in [
        (Verdict::Admitted, Verdict::Unknown, 250, Some(host), NetworkReason::HostNetworkAdmitted),
        (denied(), Verdict::Admitted, 58, Some(port), NetworkReason::HostPortsAdmitted),
        (denied(), Verdict::Admitted, 59, None, NetworkReason::NoUsableNetwork),
        (denied(), denied(), 58, None, NetworkReason::NoUsableNetwork),
        (denied(), Verdict::Unknown, 58, None, NetworkReason::Undecided),
        (Verdict::Unknown, Verdict::Unknown, 58, None, NetworkReason::Undecided),
    ] {
        let mut observed = kubernetes(nodes(2));
        observed.admission = Admission { host_network, host_ports, plain: Verdict::Admitted };
        let spec = || json!({"media": {"pools": [{"name": "a", "nodes": 2, "callsPerNode": calls}]}});
        let plan = planned(spec(), &observed);
        assert_eq!(plan.network, Network { mode, reason });
        assert_eq!(plan.media.len(), if mode.is_some() { 2 } else { 0 });
        observed.mode = Some(port);
        let kept = Network { mode: Some(port), reason: NetworkReason::Unchanged };
        assert_eq!(planned(spec(), &observed).network, kept);
    }
}

#[test]
fn pods_with_host_ports_are_bound_to_their_own_address() {
    let plan = planned(small(&json!({"mode": "Bridge"})), &kubernetes(nodes(1)));
    assert_eq!(plan.network.reason, NetworkReason::Spec);
    assert_eq!((plan.media[0].bind, plan.media[0].rtp.count(), plan.media[0].capacity), (None, 256, 58));
    assert_eq!(plan.media[0].address.unwrap().source, AddressSource::NodeExternalIP);
    assert_eq!(plan.leases.len(), 1);
}

#[test]
fn pods_with_addresses_of_their_own_lease_nothing() {
    let spec = || small(&json!({"mode": "Bridge", "bridge": "PodAddress"}));
    let mut observed = kubernetes(nodes(1));
    let first = planned(spec(), &observed);
    assert_eq!((first.leases.len(), first.media[0].ready), (0, false));
    assert_eq!((first.media[0].rtp.first, first.media[0].control.grpc), (16384, 8081));
    assert_eq!(first.problems, []);
    let owner = objects::names::media_daemon_set("office", "a", "w1", 0);
    observed.pods.push(pod(Component::Media, &owner, "w1"));
    let address = Address { address: [10, 244, 1, 7].into(), source: AddressSource::PodIP };
    let running = planned(spec(), &observed);
    assert_eq!((running.media[0].address, running.media[0].ready), (Some(address), true));
}

#[test]
fn each_exposure_gives_its_addresses() {
    let mut observed = kubernetes(nodes(2));
    observed.pods.push(pod(Component::Signaling, "office-sip-1", "w2"));
    for (signaling, told, source) in [
        (json!({}), "203.0.113.5:5060", AddressSource::LoadBalancer),
        (json!({"exposure": "ClusterIP"}), "10.96.0.5:5060", AddressSource::ClusterIP),
        (json!({"exposure": "NodePort"}), "198.51.0.2:31060", AddressSource::NodeExternalIP),
        (json!({"exposure": "HostNetwork"}), "198.51.0.2:5060", AddressSource::NodeExternalIP),
        (
            json!({"exposure": "HostNetwork", "advertisedAddress": "192.0.2.7"}),
            "192.0.2.7:5060",
            AddressSource::Spec,
        ),
    ] {
        let plan = planned(json!({"signaling": signaling}), &observed);
        let advertised = plan.documents.sip.listeners[0].advertised;
        assert_eq!(advertised, Some(told.parse().unwrap()), "{signaling}");
        assert_eq!(plan.signaling[0].addresses.len(), 1, "{signaling}");
        assert_eq!(plan.signaling[0].addresses[0].source, source, "{signaling}");
        assert_eq!(plan.problems, [], "{signaling}");
    }
}

#[test]
fn while_a_sip_node_is_replaced_callers_are_told_the_old_address() {
    let mut observed = kubernetes(nodes(2));
    let told = |observed: &Observed| {
        let plan = planned(json!({"signaling": {"exposure": "HostNetwork"}}), observed);
        assert_eq!(plan.problems, []);
        plan.documents.sip.listeners[0].advertised.unwrap().to_string()
    };
    observed.pods.push(Pod { ending: true, ..pod(Component::Signaling, "office-sip-1", "w1") });
    assert_eq!(told(&observed), "198.51.0.1:5060");
    observed.pods.push(pod(Component::Signaling, "office-sip-2", "w2"));
    assert_eq!(told(&observed), "198.51.0.2:5060");
}

#[test]
fn every_address_of_signaling_is_ours_and_the_first_is_told() {
    let mut observed = kubernetes(nodes(3));
    observed.service.as_mut().unwrap().ingress.insert(0, [203, 0, 113, 9].into());
    let sip = planned(json!({}), &observed).documents.sip;
    assert_eq!(sip.listeners[0].advertised, Some("203.0.113.9:5060".parse().unwrap()));
    assert_eq!(
        sip.addresses,
        ["203.0.113.5", "203.0.113.9"].map(|address| address.parse::<std::net::IpAddr>().unwrap())
    );
}

#[test]
fn a_service_that_hides_callers_is_advised_against() {
    let advised = |signaling: Value| {
        let plan = planned(json!({"signaling": signaling}), &kubernetes(nodes(2)));
        assert!(plan.advice.iter().all(|advice| advice.reason == Reason::Advice));
        plan.advice.iter().any(|advice| advice.path == "spec.signaling.service.externalTrafficPolicy")
    };
    let hiding = json!({"externalTrafficPolicy": "Cluster"});
    for exposure in ["LoadBalancer", "NodePort"] {
        assert!(advised(json!({"exposure": exposure, "service": hiding})), "{exposure}");
        assert!(!advised(json!({"exposure": exposure})), "{exposure}");
    }
    for exposure in ["ClusterIP", "HostNetwork"] {
        assert!(!advised(json!({"exposure": exposure, "service": hiding})), "{exposure}");
    }
}

#[test]
fn without_an_address_the_smallest_change_is_offered() {
    let observed = Observed { service: None, ..kubernetes(nodes(2)) };
    let plan = planned(json!({}), &observed);
    assert_eq!(plan.problems[0].reason, Reason::LoadBalancerPending);
    assert!(plan.problems[0].to_string().contains("`exposure: HostNetwork`"), "{}", plan.problems[0]);
    assert_eq!(plan.documents.sip.listeners[0].advertised, None);
    let plan = planned(json!({"signaling": {"exposure": "HostNetwork"}}), &observed);
    assert_eq!(plan.problems[0].reason, Reason::NoAddress);
}

#[test]
fn control_ports_of_a_sip_node_on_its_host_follow_from_its_listener() {
    let control = |port: u32| {
        let listener = json!({"name": "udp", "protocol": "UDP", "port": port});
        let spec = json!({"signaling": {"exposure": "HostNetwork", "listeners": [listener]}});
        let plan = planned(spec, &kubernetes(nodes(2)));
        (plan.signaling[0].control.grpc, plan.signaling[0].control.http)
    };
    assert_eq!(control(5060), (7060, 8060));
    assert_eq!(control(65_000), (63_000, 62_000));
}

#[test]
fn only_nodes_that_the_pool_may_have_carry_it() {
    let mut observed = kubernetes(nodes(6));
    let taint =
        |key: &str| Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
    for node in &mut observed.nodes[..5] {
        node.labels.insert("pool".to_owned(), "media".to_owned());
    }
    observed.nodes[0].taints.push(taint("node-role.kubernetes.io/control-plane"));
    observed.nodes[1].cordoned = true;
    observed.nodes[2].taints.push(taint("dedicated"));
    observed.nodes[3].taints.push(taint("karpenter.sh/disrupted"));
    let spec = |nodes: Value, tolerations: Value| {
        let template = json!({"spec": {"nodeSelector": {"pool": "media"}, "tolerations": tolerations}});
        json!({"media": {"pools": [{"name": "a", "nodes": nodes, "template": template}]}})
    };
    let carriers = |plan: &Plan| plan.media.iter().map(|pod| pod.node.clone()).collect::<Vec<_>>();
    let tolerant = json!([{"key": "dedicated", "operator": "Exists"}]);
    let plan = planned(spec(json!(6), tolerant.clone()), &observed);
    assert_eq!(carriers(&plan), ["w3", "w5"]);
    assert_eq!(plan.advice[0].reason, Reason::PoolShort);
    // Of those that match: w2 to w5.
    assert_eq!(carriers(&planned(spec(json!("50%"), tolerant.clone()), &observed)), ["w3", "w5"]);
    assert_eq!(carriers(&planned(spec(json!(6), json!([])), &observed)), ["w5"]);
    // Whoever has a lease stays when the node is cordoned.
    observed.leases = plan.leases;
    observed.nodes[4].cordoned = true;
    assert_eq!(carriers(&planned(spec(json!(6), tolerant.clone()), &observed)), ["w3", "w5"]);
    // Others take over what it carried, if they can, and give it back.
    observed.nodes[1].cordoned = false;
    let plan = planned(spec(json!(2), tolerant.clone()), &observed);
    assert_eq!(carriers(&plan), ["w2", "w3", "w5"]);
    observed.leases = plan.leases;
    observed.nodes[4].cordoned = false;
    assert_eq!(carriers(&planned(spec(json!(2), tolerant), &observed)), ["w2", "w3"]);
}

#[test]
fn a_laptop_says_what_it_has_no_use_for() {
    let resources = cluster(json!({
        "signaling": {"exposure": "NodePort", "advertisedAddress": "192.0.2.7"}, "network": {"mode": "Bridge"}
    }));
    let observed = laptop_world(&resources.cluster, None);
    let plan = plan(&validate(&resources, &observed).unwrap(), &observed);
    assert_eq!(plan.network, Network { mode: Some(NetworkMode::HostNetwork), reason: NetworkReason::Local });
    let told: Vec<&str> = plan.advice.iter().map(|advice| advice.path.as_str()).collect();
    assert_eq!(told, ["spec.signaling.advertisedAddress", "spec.signaling.exposure", "spec.network.mode"]);
}
