//! Mode Bridge: pods with a network of their own, behind a load balancer that the test plays.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use e2e::wait::until;
use serde_json::json;

use super::nodes::{NODES, Node, Routable};
use super::office::{Office, condition};
use super::operator::Operator;
use super::phones::{Phones, SOON, Talk};

const RESTRICTED: &str = "pod-security.kubernetes.io/enforce=restricted";

/// Two calls; the answer is whom the phones sent their audio to.
fn relays_of_two_calls(office: &Office) -> BTreeSet<IpAddr> {
    let phones = Phones::register(office);
    let talks: Vec<Talk> = (0..2).map(|_| phones.talk()).collect();
    let mut relays = BTreeSet::new();
    for talk in &talks {
        talk.assert_bit_for_bit();
        relays.extend(talk.relays());
        talk.hang_up();
    }
    office.records.await_answered(talks.len(), SOON);
    relays
}

#[test]
fn cluster_c_bridge_with_host_ports_carries_calls_to_masqueraded_pods() {
    let operator = Operator::take();
    let mut office = Office::new(&operator, "hostport", &[]);
    let address = Ipv4Addr::new(10, 98, 0, 1);
    office.apply(&office.balanced_spec(&json!({"mode": "Bridge", "bridge": "HostPort"})));
    office.balance(address);
    office.route(address);
    office.await_ready();
    assert_eq!(office.cluster()["status"]["network"]["mode"], "Bridge/HostPort");
    assert_eq!(office.server().ip(), address);
    let relays = relays_of_two_calls(&office);
    assert!(relays.len() == 2 && relays.is_subset(&NODES.map(Node::address).into()), "{relays:?}");
}

#[test]
fn cluster_c_a_restricted_namespace_gets_pod_addresses_where_they_are_vouched_for_and_else_a_reason() {
    let operator = Operator::take();
    let _routable = Routable::set();
    let mut office = Office::new(&operator, "restricted", &[RESTRICTED]);
    let address = Ipv4Addr::new(10, 98, 0, 2);
    office.apply(&office.balanced_spec(&json!({"mode": "Auto"})));
    office.balance(address);
    let ready = until("Auto says why it cannot", Duration::from_secs(20), || {
        let ready = condition(&office.cluster(), "MediaReady");
        if ready["reason"] == "NoUsableNetwork" { Ok(ready) } else { Err(ready) }
    });
    let message = ready["message"].as_str().unwrap_or_default();
    for part in ["host namespaces (hostNetwork=true)", "hostPort", "PodAddress"] {
        assert!(message.contains(part), "{part} in {message:?}");
    }
    office.apply(&office.balanced_spec(&json!({"mode": "Bridge", "bridge": "PodAddress"})));
    office.route(address);
    office.await_ready();
    assert_eq!(office.cluster()["status"]["network"]["mode"], "Bridge/PodAddress");
    let relays = relays_of_two_calls(&office);
    let of_a_pod = |relay: &IpAddr| relay.to_string().starts_with("10.100.");
    assert!(relays.len() == 2 && relays.iter().all(of_a_pod), "{relays:?}");
}
