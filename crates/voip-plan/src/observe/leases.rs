//! Which leases have no pod any more.
//!
//! Only an end that was seen counts: a pod that is gone together with its node may still hold its ports.

use std::collections::BTreeSet;

use voip_api::RtpPortLease;

use crate::leases::LeaseKey;
use crate::observed::{Node, Pod};

/// Leases of the VoipCluster with this UID whose pod has ended: no pod and no `DaemonSet` has the lease, and the very
/// node that it was granted for is there and well, so that its kubelet has told the truth.
pub fn ended(
    cluster_uid: &str,
    leases: &[RtpPortLease],
    pods: &[Pod],
    daemon_sets: &BTreeSet<LeaseKey>,
    nodes: &[Node],
) -> BTreeSet<LeaseKey> {
    let in_use: BTreeSet<&LeaseKey> =
        pods.iter().filter_map(|pod| pod.lease.as_ref()).chain(daemon_sets).collect();
    let well: BTreeSet<&str> = nodes.iter().filter(|node| node.ready).map(|node| node.uid.as_str()).collect();
    let ours =
        leases.iter().flat_map(|object| &object.spec.leases).filter(|it| it.cluster_uid == cluster_uid);
    ours.filter(|lease| well.contains(lease.node_uid.as_str()))
        .map(LeaseKey::of)
        .filter(|lease| !in_use.contains(lease) && !in_use.contains(&lease.any()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observed::Component;

    const ID: &str = "voip/office/default/0@w1";

    fn lease() -> RtpPortLease {
        serde_json::from_value(json!({
            "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": "node.w1"},
            "spec": {
                "space": {"type": "Node", "name": "w1"},
                "leases": [{
                    "id": ID, "clusterUID": "c", "nodeUID": "n", "state": "Active",
                    "control": {"start": 29_996, "length": 2},
                }],
            },
        }))
        .unwrap()
    }

    fn node(uid: &str, ready: bool) -> Node {
        Node { name: "w1".to_owned(), uid: uid.to_owned(), ready, ..Node::default() }
    }

    fn key(control: Option<u16>) -> LeaseKey {
        LeaseKey { id: ID.to_owned(), control }
    }

    fn pod(control: Option<u16>) -> Pod {
        Pod {
            name: "p".to_owned(),
            uid: "u".to_owned(),
            component: Component::Media,
            owner: "d".to_owned(),
            lease: Some(key(control)),
            rendered: String::new(),
            node: Some("w1".to_owned()),
            address: None,
            ready: false,
            ending: true,
            draining_since_ms: None,
            trouble: String::new(),
        }
    }

    fn ended_with(pods: &[Pod], daemon_sets: &[LeaseKey], node: Node) -> usize {
        let daemon_sets = daemon_sets.iter().cloned().collect();
        ended("c", &[lease()], pods, &daemon_sets, &[node]).len()
    }

    #[test]
    fn a_pod_that_is_gone_from_a_node_that_is_well_has_ended() {
        assert_eq!(ended_with(&[], &[], node("n", true)), 1);
    }

    #[test]
    fn a_pod_that_is_still_ending_has_not_ended() {
        for control in [Some(29_996), None] {
            assert_eq!(ended_with(&[pod(control)], &[], node("n", true)), 0);
        }
    }

    #[test]
    fn a_pod_and_a_daemon_set_with_other_ports_have_another_lease() {
        assert_eq!(ended_with(&[pod(Some(29_998))], &[key(Some(29_998))], node("n", true)), 1);
    }

    #[test]
    fn a_daemon_set_may_make_its_pod_at_any_moment() {
        for control in [Some(29_996), None] {
            assert_eq!(ended_with(&[], &[key(control)], node("n", true)), 0);
        }
    }

    #[test]
    fn nobody_saw_the_end_on_a_node_that_is_lost_or_was_replaced() {
        assert_eq!(ended_with(&[], &[], node("n", false)), 0);
        assert_eq!(ended_with(&[], &[], node("another", true)), 0);
    }

    #[test]
    fn leases_of_another_cluster_are_not_judged() {
        let nodes = [node("n", true)];
        assert!(ended("other", &[lease()], &[], &BTreeSet::new(), &nodes).is_empty());
    }
}
