//! Events: transitions and what the plan does, each told once.

use voip_api::VoipClusterStatus;

use super::*;
use crate::status::{EventType, events};

/// Kind and reason of what is told when the world became this one.
fn told(world: &World, before: &VoipClusterStatus) -> Vec<(EventType, String)> {
    let after = world.status(before);
    let events = world.round(|round| events(before, &after, round));
    events.into_iter().map(|event| (event.kind, event.reason)).collect()
}

/// The world after its leases were written, and its status.
fn settled() -> (World, VoipClusterStatus) {
    let mut world = healthy();
    world.observed.leases = world.round(|round| round.outcome.unwrap().1.leases.clone());
    let status = world.status(&VoipClusterStatus::default());
    (world, status)
}

fn normal(reason: &str) -> (EventType, String) {
    (EventType::Normal, reason.to_owned())
}

fn warning(reason: &str) -> (EventType, String) {
    (EventType::Warning, reason.to_owned())
}

#[test]
fn the_first_round_tells_of_calls_and_leases_and_the_second_of_nothing() {
    let world = healthy();
    assert_eq!(
        told(&world, &VoipClusterStatus::default()),
        [normal("CallsPossible"), normal("LeaseGranted")]
    );
    let (world, status) = settled();
    assert_eq!(told(&world, &status), []);
}

#[test]
fn trouble_is_told_once_though_two_conditions_say_it() {
    let (mut world, status) = settled();
    world.observed.service = None;
    world.load_documents();
    assert_eq!(told(&world, &status), [warning("LoadBalancerPending")]);
    let pending = world.status(&status);
    world.observed.service = settled().0.observed.service;
    world.load_documents();
    assert_eq!(told(&world, &pending), [normal("CallsPossible"), normal("Resolved")]);
}

#[test]
fn a_lease_that_is_given_back_is_told() {
    let (mut world, status) = settled();
    world.spec(json!({"media": {"pools": [{"name": "default", "nodes": 1}]}}));
    let leases = world.observed.leases.iter().flat_map(|object| &object.spec.leases);
    world.observed.ended = leases.filter(|lease| lease.id.ends_with("@w2")).map(LeaseKey::of).collect();
    assert!(told(&world, &status).contains(&normal("LeaseReleased")));
}

#[test]
fn a_drain_is_told_when_it_starts_when_it_ends_and_when_it_ended_calls() {
    let (mut world, status) = settled();
    let pod = world.media().next().unwrap().clone();
    let drain = Order::Drain { pod: pod.name.clone(), seconds: 600, cause: DrainCause::Update };
    world.orders = vec![drain];
    let orders = |world: &World| -> Vec<_> {
        let own = ["DrainStarted", "DrainFinished", "CallsEnded"];
        told(world, &status).into_iter().filter(|(_, reason)| own.contains(&reason.as_str())).collect()
    };
    assert_eq!(orders(&world), [normal("DrainStarted")]);
    world.media().next().unwrap().draining_since_ms = Some(1);
    assert_eq!(orders(&world), []);
    world.orders = vec![Order::DeletePod { pod: pod.name.clone(), uid: pod.uid.clone() }];
    assert_eq!(orders(&world), [normal("DrainFinished")]);
    world.observed.reports.get_mut(&pod.name).unwrap().calls = 3;
    assert_eq!(orders(&world), [warning("CallsEnded"), normal("DrainFinished")]);
    world.media().next().unwrap().ending = true;
    assert_eq!(orders(&world), []);
}

#[test]
fn a_drain_that_is_called_off_is_told_once() {
    let (mut world, status) = settled();
    let name = world.media().next().unwrap().name.clone();
    world.orders = vec![Order::Return { pod: name }];
    assert!(!told(&world, &status).contains(&normal("DrainFinished")));
    world.media().next().unwrap().draining_since_ms = Some(1);
    assert!(told(&world, &status).contains(&normal("DrainFinished")));
}
