//! Leases of clusters that are gone.

use std::collections::BTreeSet;

use serde_json::json;
use voip_api::{ForeignPort, LeaseState, RtpPortLease, Transport};

use super::world::{cluster, kubernetes, nodes};
use crate::*;

/// The lease objects of two nodes on which the clusters `office` and `other` have one each.
fn leases() -> Vec<RtpPortLease> {
    let mut observed = kubernetes(nodes(2));
    for name in ["office", "other"] {
        let mut resources =
            cluster(json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 50}]}}));
        resources.cluster.metadata.name = Some(name.to_owned());
        resources.cluster.metadata.uid = Some(format!("uid-{name}"));
        observed.leases = plan(&validate(&resources, &observed).unwrap(), &observed).leases;
    }
    observed.leases
}

fn judged(leases: &[RtpPortLease], alive: &[&str], ended: &[&str], now_ms: u64) -> Vec<RtpPortLease> {
    let alive = alive.iter().map(|&uid| uid.to_owned()).collect();
    let all = leases.iter().flat_map(|object| &object.spec.leases);
    let ended = all.filter(|lease| ended.contains(&lease.id.as_str())).map(LeaseKey::of).collect();
    orphans(leases, &alive, |namespace| namespace == "voip", &ended, now_ms)
}

fn ids(object: &RtpPortLease) -> Vec<(&str, LeaseState)> {
    object.spec.leases.iter().map(|lease| (lease.id.as_str(), lease.state)).collect()
}

#[test]
fn leases_of_clusters_that_are_there_are_left_alone() {
    assert_eq!(judged(&leases(), &["uid-office", "uid-other"], &["voip/office/default/0@w1"], 0), []);
}

#[test]
fn whoever_ended_is_free_and_others_are_quarantined() {
    let found = judged(&leases(), &["uid-other"], &["voip/office/default/0@w1"], 1_000);
    assert_eq!(ids(&found[0]), [("voip/other/default/0@w1", LeaseState::Active)]);
    let quarantined = [
        ("voip/office/default/0@w2", LeaseState::Quarantined),
        ("voip/other/default/0@w2", LeaseState::Active),
    ];
    assert_eq!(ids(&found[1]), quarantined);
    let release = found[1].spec.leases[0].release_after.as_ref().unwrap().0.as_millisecond();
    assert_eq!(release, 1_000 + 86_400_000 + 120_000);
    // The same again changes nothing, until it is over.
    let release = u64::try_from(release).unwrap();
    assert_eq!(judged(&found, &["uid-other"], &[], release - 1), []);
    let later = judged(&found, &["uid-other"], &[], release);
    assert_eq!(ids(&later[0]), [("voip/other/default/0@w2", LeaseState::Active)]);
    // Or until its end is seen after all.
    let seen = judged(&found, &["uid-other"], &["voip/office/default/0@w2"], 2_000);
    assert_eq!(ids(&seen[0]), [("voip/other/default/0@w2", LeaseState::Active)]);
}

#[test]
fn another_operator_judges_its_own_namespaces() {
    let elsewhere = |namespace: &str| namespace == "elsewhere";
    assert_eq!(orphans(&leases(), &BTreeSet::new(), elsewhere, &BTreeSet::new(), 0), []);
}

#[test]
fn an_object_without_leases_is_empty() {
    let mut leases = leases();
    leases[0].spec.foreign.push(ForeignPort { protocol: Transport::Udp, port: 20_000, seen: String::new() });
    let all: Vec<String> =
        leases.iter().flat_map(|object| &object.spec.leases).map(|lease| lease.id.clone()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let found = judged(&leases, &[], &all, 0);
    assert!(found.iter().all(|object| object.spec.leases.is_empty() && object.spec.foreign.is_empty()));
    assert_eq!(found.len(), 2);
}
