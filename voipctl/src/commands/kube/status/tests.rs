use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_767_225_900;

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn cluster(conditions: &[Value]) -> Cluster {
    serde_json::from_value(json!({
        "metadata": {"name": "office", "namespace": "voip", "generation": 4},
        "status": {
            "observedGeneration": 4, "version": "0.1.0",
            "network": {"mode": "HostNetwork", "reason": "HostNetworkAdmitted"},
            "signaling": {"replicas": 1, "readyReplicas": 1, "addresses": [
                {"address": "203.0.113.5", "port": 5060, "protocol": "UDP", "source": "LoadBalancer"},
                {"address": "2001:db8::5", "port": 5060, "protocol": "UDP", "source": "LoadBalancer"},
            ]},
            "media": {"ready": 1, "desired": 2, "draining": 1, "summary": "1/2"},
            "capacity": {"calls": 500, "callsWithoutOneNode": 250, "portsFree": 24_924},
            "load": {"activeCalls": 41, "registrations": 1},
            "conditions": conditions,
        },
    }))
    .unwrap()
}

#[test]
fn everything_is_said_in_80_columns() {
    let long = "spec.signaling.exposure: nobody has given signaling an address yet: wait for the load-balancer \
                controller; where there is none, set it to HostNetwork (`exposure: HostNetwork`)";
    let text = text(
        &cluster(&[
            condition("Ready", "False", "LoadBalancerPending", long),
            condition("AddressesResolved", "False", "LoadBalancerPending", long),
            condition("Degraded", "False", "Healthy", "well"),
        ]),
        NOW,
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for expected in [
        "VoipCluster voip/office: not ready",
        "HostNetwork (HostNetworkAdmitted)",
        "203.0.113.5:5060/UDP (LoadBalancer)",
        "[2001:db8::5]:5060/UDP (LoadBalancer)",
        "1 of 2 ready, 1 draining",
        "500 calls, 250 without the busiest node",
        "24924 ports free",
        "41 calls, 1 registration\n",
        "AddressesResolved  False   LoadBalancerPending  5m",
        "- AddressesResolved: spec.signaling.exposure: nobody has given",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert_eq!(text.matches("nobody has given").count(), 1, "{text}");
}

#[test]
fn what_is_well_needs_nothing() {
    let steps = next(&cluster(&[
        condition("Ready", "True", "CallsPossible", ""),
        condition("Degraded", "False", "Healthy", ""),
        condition("Progressing", "False", "UpToDate", ""),
    ]));
    assert_eq!(
        steps,
        [
            "Nothing is wrong. Phones register at 203.0.113.5:5060/UDP as a SipUser: kubectl get sipusers -n voip"
        ]
    );
}

#[test]
fn what_goes_on_is_said() {
    let mut busy = cluster(&[condition("Progressing", "True", "DrainingMedia", "w1: 3 calls are left")]);
    busy.metadata.generation = Some(5);
    busy.metadata.annotations = Some([("voip.dev/drain".to_owned(), "w1, w2,".to_owned())].into());
    let steps = next(&busy);
    assert_eq!(steps[0], "Wait: the operator has reported on generation 4, the newest is 5.");
    assert_eq!(steps[1], "Progressing: w1: 3 calls are left");
    assert!(steps[2].ends_with("kubectl voip drain -n voip --undo office w1 w2"), "{steps:?}");
}

#[test]
fn a_cluster_that_no_operator_has_seen_says_so() {
    let mut unseen = cluster(&[]);
    unseen.status = VoipClusterStatus::default();
    let text = text(&unseen, NOW);
    assert!(text.contains("The operator has not reported on it."), "{text}");
    assert!(!text.contains("capacity"), "{text}");
}
