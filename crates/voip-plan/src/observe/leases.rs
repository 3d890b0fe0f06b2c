//! Which leases have no pod any more.
//!
//! Only an end that was seen counts: a pod that is gone together with its node may still hold its ports.

use std::collections::BTreeSet;

use voip_api::RtpPortLease;

use crate::observed::{Node, Pod};

/// Ids of leases of the VoipCluster with this UID whose pod has ended: no pod and no `DaemonSet` has the lease, and the
/// very node that it was granted for is there and well, so that its kubelet has told the truth.
pub fn ended(
    cluster_uid: &str,
    leases: &[RtpPortLease],
    pods: &[Pod],
    daemon_sets: &BTreeSet<String>,
    nodes: &[Node],
) -> BTreeSet<String> {
    let in_use: BTreeSet<&str> = pods.iter().filter_map(|pod| pod.lease.as_deref()).collect();
    let well: BTreeSet<&str> = nodes.iter().filter(|node| node.ready).map(|node| node.uid.as_str()).collect();
    let ours =
        leases.iter().flat_map(|object| &object.spec.leases).filter(|it| it.cluster_uid == cluster_uid);
    ours.filter(|lease| !in_use.contains(lease.id.as_str()) && !daemon_sets.contains(&lease.id))
        .filter(|lease| well.contains(lease.node_uid.as_str()))
        .map(|lease| lease.id.clone())
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

    fn pod() -> Pod {
        Pod {
            name: "p".to_owned(),
            uid: "u".to_owned(),
            component: Component::Media,
            owner: "d".to_owned(),
            lease: Some(ID.to_owned()),
            rendered: String::new(),
            node: Some("w1".to_owned()),
            address: None,
            ready: false,
            ending: true,
            draining_since_ms: None,
            trouble: String::new(),
        }
    }

    fn ended_with(pods: &[Pod], daemon_sets: &[&str], node: Node) -> usize {
        let daemon_sets = daemon_sets.iter().map(|&id| id.to_owned()).collect();
        ended("c", &[lease()], pods, &daemon_sets, &[node]).len()
    }

    #[test]
    fn a_pod_that_is_gone_from_a_node_that_is_well_has_ended() {
        assert_eq!(ended_with(&[], &[], node("n", true)), 1);
    }

    #[test]
    fn a_pod_that_is_still_ending_has_not_ended() {
        assert_eq!(ended_with(&[pod()], &[], node("n", true)), 0);
    }

    #[test]
    fn a_daemon_set_may_make_its_pod_at_any_moment() {
        assert_eq!(ended_with(&[], &[ID], node("n", true)), 0);
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
