//! Leases in single situations, the words when there is no room, and capacity.

use std::collections::BTreeSet;

use serde_json::json;
use voip_api::{LeaseState, PORT_SPACE_LABEL};

use super::world::{cluster, kubernetes, label, nodes};
use crate::*;

fn planned(spec: serde_json::Value, observed: &Observed) -> Plan {
    plan(&validate(&cluster(spec), observed).unwrap(), observed)
}

fn pool(nodes: u32, calls: u32) -> serde_json::Value {
    json!({"media": {"pools": [{"name": "default", "nodes": nodes, "callsPerNode": calls}]}})
}

/// The world after a plan was carried out.
fn carried_out(observed: &Observed, plan: &Plan) -> Observed {
    Observed { leases: plan.leases.clone(), ended: BTreeSet::new(), ..observed.clone() }
}

#[test]
fn ports_follow_from_calls() {
    for (calls, ports) in
        [(1, 64), (14, 64), (15, 128), (50, 256), (250, 1152), (1000, 4416), (10_000, 44_032)]
    {
        assert_eq!(ports_for_calls(calls), ports, "{calls}");
    }
}

#[test]
fn a_resize_in_place_keeps_the_start() {
    let observed = kubernetes(nodes(2));
    let small = planned(pool(2, 50), &observed);
    let large = planned(pool(2, 250), &carried_out(&observed, &small));
    let ranges: Vec<String> = large.media.iter().map(|pod| pod.rtp.to_string()).collect();
    assert_eq!(ranges, ["16384-17535", "16384-17535"]);
    let smaller = planned(pool(2, 50), &carried_out(&observed, &large));
    assert_eq!(smaller.media[0].rtp, large.media[0].rtp, "calls may be on the ports");
    assert_eq!(smaller.media[0].capacity, 50);
}

#[test]
fn a_lease_that_cannot_grow_waits_for_its_pod() {
    let observed = kubernetes(nodes(1));
    let two_pools = |calls: u32| {
        json!({"media": {"pools": [
            {"name": "a", "nodes": 1, "callsPerNode": calls},
            {"name": "b", "nodes": 1, "callsPerNode": 50},
        ]}})
    };
    let first = planned(two_pools(50), &observed);
    let mut observed = carried_out(&observed, &first);
    let held = planned(two_pools(500), &observed);
    assert_eq!(held.media[0].rtp, first.media[0].rtp);
    assert_eq!(held.media[0].capacity, 58, "what its ports allow");
    assert_eq!(held.advice[0].reason, Reason::HeldByCalls);
    assert_eq!(held.advice[0].path, "spec.media.pools[0].callsPerNode");
    observed.ended.insert(first.media[0].lease_key());
    let moved = planned(two_pools(500), &observed);
    assert_eq!((moved.media[0].rtp.first, moved.media[0].rtp.count()), (16896, 2240));
    assert!(moved.advice.is_empty(), "{:?}", moved.advice);
}

#[test]
fn a_lost_node_keeps_its_ports_until_the_quarantine_is_over() {
    let mut observed = kubernetes(nodes(2));
    let spec = || json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 50}]}, "drain": {"timeoutSeconds": 60}});
    let all = planned(spec(), &observed);
    observed = carried_out(&observed, &all);
    let lost = observed.nodes.pop().unwrap();
    let without = planned(spec(), &observed);
    let lease = &without.leases[1].spec.leases[0];
    assert_eq!((lease.id.as_str(), lease.state), ("voip/office/default/0@w2", LeaseState::Quarantined));
    let release_ms = lease.release_after.as_ref().unwrap().0.as_millisecond();
    assert_eq!(release_ms, 1_000_000 + (60 + 120) * 1000);
    assert_eq!(without.advice[0].reason, Reason::PoolShort);

    // It comes back: the same range, another machine.
    observed = carried_out(&observed, &without);
    let returned = Node { uid: "another".to_owned(), ..lost };
    let with = planned(
        spec(),
        &Observed { nodes: [observed.nodes.clone(), vec![returned]].concat(), ..observed.clone() },
    );
    let lease = &with.leases[1].spec.leases[0];
    assert_eq!(
        (lease.state, lease.node_uid.as_str(), lease.rtp.unwrap().start),
        (LeaseState::Active, "another", 16384)
    );
    assert_eq!(lease.release_after, None);

    // It does not: one millisecond decides.
    observed.now_ms = u64::try_from(release_ms).unwrap() - 1;
    assert_eq!(planned(spec(), &observed).leases[1].spec.leases.len(), 1);
    observed.now_ms += 1;
    assert!(planned(spec(), &observed).leases[1].spec.leases.is_empty());
}

#[test]
fn a_node_that_is_not_wanted_any_more_drains_until_its_pod_ends() {
    let mut observed = kubernetes(nodes(2));
    observed = carried_out(&observed, &planned(pool(2, 50), &observed));
    let one = planned(pool(1, 50), &observed);
    assert_eq!(one.leases[1].spec.leases[0].state, LeaseState::Draining);
    assert_eq!(one.media.len(), 1);
    observed = carried_out(&observed, &one);
    observed.ended.insert(LeaseKey::of(&one.leases[1].spec.leases[0]));
    assert!(planned(pool(1, 50), &observed).leases[1].spec.leases.is_empty());
}

#[test]
fn a_node_that_holds_calls_is_kept_when_another_is_added_before_it() {
    let mut all = nodes(3);
    let first = all.remove(0);
    let observed = kubernetes(all.clone());
    let plan = planned(pool(2, 50), &observed);
    let mut observed = carried_out(&observed, &plan);
    observed.nodes.push(first);
    let names: Vec<String> =
        planned(pool(2, 50), &observed).media.iter().map(|pod| pod.name.to_string()).collect();
    assert_eq!(names, ["default-w2", "default-w3"]);
}

#[test]
fn nodes_behind_one_address_get_different_ports() {
    let mut observed = kubernetes(nodes(3));
    let mut spec = pool(3, 50);
    spec["network"] = json!({"mediaAddresses": ["203.0.113.10"]});
    let apart = planned(spec.clone(), &observed);
    assert_eq!(apart.problems[0].reason, Reason::SharedAddress);
    assert!(
        apart.problems[0].mend.contains("kubectl label node w1 w2 w3 voip.dev/port-space=office"),
        "{}",
        apart.problems[0]
    );
    for node in &mut observed.nodes {
        node.labels.insert(PORT_SPACE_LABEL.to_owned(), "office".to_owned());
    }
    let together = planned(spec, &observed);
    assert_eq!(together.problems, []);
    let ranges: Vec<String> = together.media.iter().map(|pod| pod.rtp.to_string()).collect();
    assert_eq!(ranges, ["16384-16639", "16640-16895", "16896-17151"]);
    assert_eq!(together.leases.len(), 1);
    assert_eq!(together.media[2].address.unwrap().source, AddressSource::Spec);
}

#[test]
fn a_node_without_a_usable_address_is_named() {
    let mut observed = kubernetes(nodes(2));
    observed.nodes[1].addresses =
        vec![Address { address: [127, 0, 0, 1].into(), source: AddressSource::NodeInternalIP }];
    let plan = planned(pool(2, 50), &observed);
    assert_eq!(plan.problems[0].reason, Reason::NoAddress);
    assert!(plan.problems[0].fact.contains("w2"), "{}", plan.problems[0]);
    assert!(!plan.media[1].ready);
    assert_eq!(plan.capacity.calls, 50);
}

#[test]
fn an_external_address_goes_before_an_internal_one() {
    let plan = planned(pool(1, 50), &kubernetes(nodes(1)));
    assert_eq!(plan.media[0].address.unwrap().source, AddressSource::NodeExternalIP);
    assert_eq!(plan.media[0].bind, Some([10, 51, 0, 1].into()));
}

/// What is said when there is no room is true: with the one or the other change all fit.
#[test]
fn no_room_says_what_fits() {
    let cramped = |range: &str, calls: u32| json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": calls}]}, "network": {"portRange": range}});
    let on_laptop = |spec: serde_json::Value| {
        let resources = cluster(spec);
        let observed = laptop_world(&resources.cluster, None);
        plan(&validate(&resources, &observed).unwrap(), &observed)
    };
    let short = on_laptop(cramped("20000-20511", 250));
    let [problem] = short.problems.as_slice() else { panic!("{:?}", short.problems) };
    assert_eq!(problem.reason, Reason::NoRoom);
    assert_eq!(
        problem.to_string(),
        "VoipCluster voip/office: spec.network.portRange: 2 of 2 media-nodes of pool default find no 1152 ports in a row: \
         port space laptop has at most 510 left in 20000-20511 (VoipCluster voip/office has 2): widen it to 20000-22309, \
         or set spec.media.pools[0].callsPerNode to 43"
    );
    assert_eq!(on_laptop(cramped("20000-22309", 250)).problems, []);
    assert_ne!(on_laptop(cramped("20000-22308", 250)).problems, []);
    assert_eq!(on_laptop(cramped("20000-20511", 43)).problems, []);
    assert_ne!(on_laptop(cramped("20000-20511", 44)).problems, []);
}

#[test]
fn no_room_names_who_holds_the_ports() {
    let observed = kubernetes(nodes(1));
    let mut other = cluster(pool(1, 2000));
    other.cluster.metadata.name = Some("other".to_owned());
    let first = plan(&validate(&other, &observed).unwrap(), &observed);
    let second = planned(pool(1, 2000), &carried_out(&observed, &first));
    let fact = &second.problems[0].fact;
    assert!(fact.contains("VoipCluster voip/other has 8834"), "{fact}");
    assert_eq!(second.leases.len(), 1);
    assert_eq!(second.leases[0].spec.leases.len(), 1, "what others have is kept");
    let mut narrow = pool(1, 10);
    narrow["network"] = json!({"portRange": "30000-32767"});
    let fact = &planned(narrow, &observed).problems[0].fact;
    assert!(fact.contains("the NodePort range has 2768"), "{fact}");
}

#[test]
fn capacity_counts_ready_nodes() {
    let mut observed = kubernetes(nodes(3));
    let plan = planned(pool(3, 100), &observed);
    assert_eq!((plan.capacity.calls, plan.capacity.calls_without_one_node), (300, 200));
    observed = carried_out(&observed, &plan);
    observed.nodes[0].ready = false;
    let plan = planned(pool(3, 100), &observed);
    assert_eq!((plan.capacity.calls, plan.capacity.calls_without_one_node), (200, 100));
    assert_eq!(plan.media.len(), 3, "the node may come back");
}

#[test]
fn percentages_are_of_all_nodes() {
    let half = json!({"media": {"pools": [{"name": "default", "nodes": "50%", "callsPerNode": 10}]}});
    assert_eq!(planned(half, &kubernetes(nodes(5))).media.len(), 3);
}

#[test]
fn no_node_at_all_is_a_problem() {
    let plan = planned(pool(2, 10), &kubernetes(Vec::new()));
    assert_eq!(plan.problems[0].reason, Reason::NoMatchingNode);
}

#[test]
fn a_laptop_has_at_most_eight_nodes() {
    let resources = cluster(pool(100, 10));
    let address = [192, 168, 1, 5].into();
    let observed = laptop_world(&resources.cluster, Some(address));
    let plan = plan(&validate(&resources, &observed).unwrap(), &observed);
    assert_eq!(plan.media.len(), LAPTOP_NODES);
    assert_eq!(plan.problems, []);
    assert_eq!(plan.advice[0].reason, Reason::PoolShort);
    assert!(plan.media.iter().all(|pod| pod.bind == Some(address)));
    assert_eq!(plan.signaling[0].addresses[0].address, address);
}

/// Names are unique and short whatever nodes are called.
#[test]
fn pod_names_are_unique() {
    let mut all = nodes(3);
    all[0].name = "0-1".to_owned();
    all[1].name = format!("{}.example.com", "n".repeat(100));
    all[2].name = "1".to_owned();
    let spec = json!({"media": {"pools": [
        {"name": "a", "nodes": 3, "callsPerNode": 20, "podsPerNode": 2},
        {"name": "a-0", "nodes": 3, "callsPerNode": 20, "podsPerNode": 2},
    ]}});
    let plan = planned(spec, &kubernetes(all));
    let names: BTreeSet<&str> = plan.media.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names.len(), 12, "{names:?}");
}

#[test]
fn five_thousand_nodes_have_one_range() {
    let observed = kubernetes(nodes(5000));
    let first = planned(pool(5000, 250), &observed);
    assert_eq!(first.media.len(), 5000);
    assert!(first.media.iter().all(|pod| pod.rtp == PortRange::new(16384, 17535)));
    assert_eq!(planned(pool(5000, 250), &carried_out(&observed, &first)).leases, first.leases);
}

#[test]
fn five_thousand_nodes_without_room_are_told_the_mend_of_one() {
    let observed = kubernetes(nodes(5000));
    let first = planned(pool(5000, 250), &observed);
    let too_many = planned(
        json!({"media": {"pools": [
            {"name": "a", "nodes": 5000, "callsPerNode": 250}, {"name": "b", "nodes": 5000, "callsPerNode": 4000},
        ]}}),
        &carried_out(&observed, &first),
    );
    assert_eq!(too_many.media.len(), 5000);
    let problem = &too_many.problems[0];
    assert_eq!(problem.reason, Reason::NoRoom);
    assert_eq!(problem.mend, "set spec.media.pools[1].callsPerNode to 2560");
}

#[test]
fn nodes_that_go_behind_one_address_get_no_port_that_is_still_in_use_there() {
    let mut observed = kubernetes(nodes(3));
    let spec = || {
        json!({"media": {"pools": [
            {"name": "a", "nodes": 3, "callsPerNode": 250},
            {"name": "b", "nodes": 3, "callsPerNode": 250},
        ]}})
    };
    let before = planned(spec(), &observed);
    assert_eq!(before.media[0].rtp.to_string(), "16384-17535");
    assert_eq!(before.media[3].rtp.to_string(), "17536-18687");
    observed = carried_out(&observed, &before);
    observed.nodes.iter_mut().for_each(|node| label(node, Some("office")));
    let after = planned(spec(), &observed);
    let mut starts: Vec<u16> = after.media.iter().map(|pod| pod.rtp.first).collect();
    starts.sort_unstable();
    assert_eq!(starts, [18_688, 19_840, 20_992, 22_144, 23_296, 24_448]);
    let control = |plan: &Plan| plan.media.iter().map(|pod| pod.control.grpc).collect::<BTreeSet<u16>>();
    assert!(control(&after).is_disjoint(&control(&before)));

    // Of the two leases with one id only that ends whose pod did.
    let written = carried_out(&observed, &after);
    let ended = before.media.iter().map(MediaPod::lease_key).collect();
    let last = planned(spec(), &Observed { ended, ..written });
    assert_eq!(last.media, after.media);
    let left: Vec<(&str, usize)> = last
        .leases
        .iter()
        .map(|object| (object.spec.space.name.as_str(), object.spec.leases.len()))
        .collect();
    assert_eq!(left, [("w1", 0), ("w2", 0), ("w3", 0), ("office", 6)]);
}

#[test]
fn ports_of_a_machine_that_was_replaced_are_quarantined_when_nobody_wants_them() {
    let mut observed = kubernetes(nodes(1));
    observed = carried_out(&observed, &planned(pool(1, 50), &observed));
    observed.nodes[0].uid = "another".to_owned();
    label(&mut observed.nodes[0], Some("office"));
    let plan = planned(pool(1, 50), &observed);
    let states: Vec<LeaseState> =
        plan.leases.iter().flat_map(|object| &object.spec.leases).map(|lease| lease.state).collect();
    assert_eq!(states, [LeaseState::Quarantined, LeaseState::Active]);
}
