//! The end of a `VoipCluster`, with an operator and without one.

use std::time::{Duration, Instant};

use e2e::kubernetes::{get, kubectl};
use e2e::wait::until;
use softphone::EndedBy;

use crate::chart::helm;

use super::office::{NAME, Office};
use super::operator::{self, Operator};
use super::phones::{Phones, SOON};

/// The kinds of what is made for a `VoipCluster`.
const OWNED: &str =
    "deployments,daemonsets,replicasets,pods,services,endpointslices,configmaps,secrets,serviceaccounts";

/// What Kubernetes gives a pod after SIGTERM when it says nothing of it.
const GRACE: Duration = Duration::from_secs(30);

/// Waits until nothing that belongs to the `VoipCluster` is left, its leases among it.
fn await_nothing_left(office: &Office) {
    until("nothing is left of the VoipCluster", Duration::from_secs(20), || {
        let label = format!("voip.dev/cluster={NAME}");
        let left = get(&[OWNED, "-n", office.namespace(), "-l", &label]);
        let left = left["items"].as_array().into_iter().flatten();
        // A user's password is the user's, who is still there.
        let left: Vec<String> = left
            .filter(|object| object["metadata"]["ownerReferences"][0]["kind"] != "SipUser")
            .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]))
            .collect();
        let leases = office.leases();
        if left.is_empty() && leases.is_empty() { Ok(()) } else { Err((left, leases)) }
    });
}

#[test]
fn cluster_c_a_voipcluster_that_is_deleted_ends_its_calls_within_a_minute_and_leaves_nothing() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "deletion");
    assert_eq!(office.leases().len(), 3);
    let phones = Phones::register(&office);
    let talks = [phones.talk(), phones.talk()];
    office.kubectl(&["annotate", "voipcluster", NAME, "voip.dev/allow-delete=true"]).ok();
    let began = Instant::now();
    office.kubectl(&["delete", "voipcluster", NAME, "--wait=false"]).ok();
    let mut answered = talks.len();
    let status = until("new calls are refused", SOON, || phones.refused().inspect_err(|_| answered += 1));
    assert_eq!(status, 503);
    talks[0].hang_up();
    talks[1].assert_bit_for_bit();
    for side in [&talks[1].caller, &talks[1].callee] {
        let end = side.wait_ended(Duration::from_mins(1)).expect("BYE within a minute");
        assert_eq!(end.by, EndedBy::Remote, "{end:?}");
        assert!(end.reason.as_deref().is_some_and(|reason| reason.starts_with("SIP")), "{end:?}");
    }
    office.kubectl(&["wait", "--for=delete", "voipcluster", NAME, "--timeout=60s"]).ok();
    assert!(began.elapsed() < Duration::from_secs(62), "{:?}", began.elapsed());
    await_nothing_left(&office);
    office.records.await_answered(answered, SOON);
}

#[test]
fn cluster_c_without_an_operator_calls_go_on_and_the_documented_way_out_works() {
    let turn = Operator::take();
    let office = Office::on_host(&turn, "uninstall");
    let phones = Phones::register(&office);
    let talk = phones.talk();
    let began = Instant::now();
    helm(&["uninstall", operator::RELEASE, "--namespace", operator::NAMESPACE, "--wait"]);
    assert!(began.elapsed() < GRACE, "the operator ends on SIGTERM, not on SIGKILL: {:?}", began.elapsed());
    talk.assert_bit_for_bit();
    talk.hang_up();
    phones.talk().assert_bit_for_bit();
    office.kubectl(&["delete", "voipcluster", NAME, "--wait=false"]).ok();
    assert!(!office.cluster()["metadata"]["deletionTimestamp"].is_null());
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    office.kubectl(&["patch", "voipcluster", NAME, "--type", "merge", "--patch", patch]).ok();
    office.kubectl(&["wait", "--for=delete", "pods", "--all", "--timeout=90s"]).ok();
    assert_eq!(office.leases().len(), 3, "nobody is there to free them");
    kubectl(&["get", "crd", "voipclusters.voip.dev"]).ok();
    operator::install();
    await_nothing_left(&office);
}
