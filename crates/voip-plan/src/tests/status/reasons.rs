//! Each reason by one change of the valid world.

use voip_api::VoipClusterStatus;

use super::*;

pub(super) struct Case {
    pub(super) spoil: fn(&mut World),
    kind: &'static str,
    reason: &'static str,
    /// What the message must say: the path or the words of whoever refused.
    says: &'static str,
    /// Whether calls are possible all the same.
    ready: bool,
}

const fn case(
    kind: &'static str,
    reason: &'static str,
    says: &'static str,
    ready: bool,
    spoil: fn(&mut World),
) -> Case {
    Case { spoil, kind, reason, says, ready }
}

pub(super) const CASES: [Case; 38] = [
    case("Accepted", "InvalidSpec", "spec.network.portRange", false, |world| {
        world.spec(json!({"network": {"portRange": "7-9"}}));
    }),
    case("Accepted", "NoMatchingNode", "spec.media.pools[0].nodes", false, |world| {
        world.observed.nodes.clear();
    }),
    case("Accepted", "ForeignObject", "Service office-sip", false, |world| {
        world.fault("Service office-sip", FaultReason::ForeignObject, "it belongs to nobody of ours");
    }),
    case("PortsAllocated", "Forbidden", "RtpPortLease node.w1", false, |world| {
        world.fault("RtpPortLease node.w1", FaultReason::Forbidden, "cannot update rtpportleases");
    }),
    case("PortsAllocated", "NoRoom", "spec.", false, |world| {
        world.spec(json!({"network": {"portRange": "16384-16447"}}));
    }),
    case("PortsAllocated", "SharedAddress", "spec.network.mediaAddresses[0]", false, |world| {
        world.spec(json!({"network": {"mediaAddresses": ["203.0.113.9"]}}));
    }),
    case("PortsAllocated", "ForeignPort", "spec.network.portRange", false, |world| {
        world
            .observed
            .reports
            .values_mut()
            .filter(|report| report.role == Role::MediaNode)
            .for_each(|report| report.foreign_ports = (16384..16500).collect());
    }),
    case("AddressesResolved", "LoadBalancerPending", "spec.signaling", false, |world| {
        world.observed.service = None;
    }),
    case("AddressesResolved", "LoadBalancerPending", "advertisedAddress", false, |world| {
        let service = world.observed.service.get_or_insert_default();
        service.ingress.clear();
        service.hostname = Some("lb.example".to_owned());
    }),
    case("AddressesResolved", "NoAddress", "spec.network.mediaAddresses", false, |world| {
        world.observed.nodes.iter_mut().take(1).for_each(|node| node.addresses.clear());
    }),
    case("SignalingReady", "PodsNotReady", "ImagePullBackOff: no such image", false, |world| {
        world.observed.signaling.get_or_insert_default().ready = 0;
        let pod = world.observed.pods.last_mut().unwrap();
        (pod.ready, pod.trouble) = (false, "ImagePullBackOff: no such image".to_owned());
    }),
    case("SignalingReady", "PodsNotReady", "no sip-node", false, |world| world.observed.signaling = None),
    case("SignalingReady", "AdmissionDenied", "violates PodSecurity", false, |world| {
        world.observed.signaling = Some(Workload {
            failure: "pods \"x\" is forbidden: violates PodSecurity".to_owned(),
            ..Workload::default()
        });
    }),
    case("SignalingReady", "QuotaExceeded", "exceeded quota: small", false, |world| {
        world.observed.signaling = Some(Workload {
            failure: "pods \"x\" is forbidden: exceeded quota: small".to_owned(),
            ..Workload::default()
        });
    }),
    case("SignalingReady", "Forbidden", "cannot patch deployments", false, |world| {
        world.observed.signaling = None;
        world.fault("Deployment office-sip", FaultReason::Forbidden, "cannot patch deployments");
    }),
    case("MediaReady", "PodsNotReady", "CrashLoopBackOff: exit 2", false, |world| {
        world
            .media()
            .for_each(|pod| (pod.ready, pod.trouble) = (false, "CrashLoopBackOff: exit 2".to_owned()));
    }),
    case("MediaReady", "PodsNotReady", "spec.network.mode", false, |world| {
        world.observed.pods.retain(|pod| pod.component == Component::Signaling);
        world.network = Some(Network { mode: None, reason: NetworkReason::Undecided });
    }),
    case("MediaReady", "AdmissionDenied", "violates PodSecurity \"restricted\"", false, |world| {
        world.media().for_each(|pod| pod.ready = false);
        world.observed.admission.host_network =
            Verdict::Denied("violates PodSecurity \"restricted\"".to_owned());
    }),
    case("MediaReady", "AdmissionDenied", "no pods here", false, |world| {
        world.observed.pods.retain(|pod| pod.component == Component::Signaling);
        world.observed.admission.plain = Verdict::Denied("no pods here".to_owned());
        world.network = Some(Network { mode: None, reason: NetworkReason::NoUsableNetwork });
    }),
    case("MediaReady", "NoUsableNetwork", "host ports are not allowed", false, |world| {
        world.observed.pods.retain(|pod| pod.component == Component::Signaling);
        world.observed.admission.host_ports = Verdict::Denied("host ports are not allowed".to_owned());
        world.network = Some(Network { mode: None, reason: NetworkReason::NoUsableNetwork });
    }),
    case("MediaReady", "QuotaExceeded", "exceeded quota: objects", false, |world| {
        world.media().for_each(|pod| pod.ready = false);
        world.fault("DaemonSet office-media-x", FaultReason::QuotaExceeded, "exceeded quota: objects");
    }),
    case("Progressing", "Applying", "Conflict: try again", true, |world| {
        world.fault("Service office-sip", FaultReason::Conflict, "Conflict: try again");
    }),
    case("Progressing", "Applying", "1 of 2", true, |world| {
        world.media().take(1).for_each(|pod| pod.ready = false);
    }),
    case("Progressing", "HeldByCalls", "spec.media.pools[0].callsPerNode", true, |world| {
        world.advice.push(Problem {
            document: String::new(),
            path: "spec.media.pools[0].callsPerNode".to_owned(),
            reason: Reason::HeldByCalls,
            fact: "ports do not fit".to_owned(),
            mend: "they move".to_owned(),
        });
    }),
    case("Progressing", "DrainingMedia", "pod p drains", true, |world| {
        world.orders.push(Order::Drain { pod: "p".to_owned(), seconds: 600, cause: DrainCause::Update });
    }),
    case("Progressing", "RollingSignaling", "0 of 1", true, |world| {
        world.observed.signaling.get_or_insert_default().updated = 0;
    }),
    case("Progressing", "Paused", "spec.updates.paused", true, |world| {
        world.spec(json!({"updates": {"paused": true}}));
        world.observed.signaling.get_or_insert_default().updated = 0;
        world.advice.push(Problem {
            document: String::new(),
            path: "spec.network.portRange".to_owned(),
            reason: Reason::HeldByCalls,
            fact: "nodes have other ports".to_owned(),
            mend: "they get them".to_owned(),
        });
    }),
    case("Degraded", "PoolShort", "spec.media.pools[0].nodes", true, |world| {
        world.spec(json!({"media": {"pools": [{"name": "default", "nodes": 3}]}}));
    }),
    case("Degraded", "PoolShort", "OOMKilled", true, |world| {
        world.media().take(1).for_each(|pod| (pod.ready, pod.trouble) = (false, "OOMKilled".to_owned()));
    }),
    case("Degraded", "NodeLost", "node w2", true, |world| lose(world, "w2")),
    case("Degraded", "Unheard", "at 192.0.2.1:29998", true, |world| {
        let Some(name) = world.media().next().map(|pod| pod.name.clone()) else { return };
        world.observed.reports.remove(&name);
        world.observed.unheard.insert(name, "192.0.2.1:29998".parse().unwrap());
    }),
    case("Degraded", "ConfigRejected", "unknown field", true, |world| {
        world.sip_report().rejected.push("sip.json: unknown field".to_owned());
    }),
    case("Degraded", "VersionSkew", "runs 0.0.9", true, |world| {
        world.sip_report().version = "0.0.9".to_owned();
    }),
    case("Degraded", "ApiUnavailable", "etcdserver: request timed out", true, |world| {
        world.fault("ConfigMap office-sip-v1", FaultReason::ApiUnavailable, "etcdserver: request timed out");
    }),
    case("Degraded", "SecretUnusable", "it does not fit", true, |world| {
        world.fault("Secret office-sip-mtls", FaultReason::SecretUnusable, "it does not fit");
    }),
    case("DialplanLoaded", "PartlyLoaded", "0 of 1", true, |world| world.sip_report().documents.clear()),
    case("DialplanLoaded", "Rejected", "unknown field", true, |world| {
        world.sip_report().documents.clear();
        world.sip_report().rejected.push("sip.json: unknown field".to_owned());
    }),
    case("DialplanLoaded", "Rejected", "spec.routes[0].pattern", true, |world| {
        let error = FieldError {
            document: String::new(),
            path: "spec.routes[0].pattern".to_owned(),
            fact: "it is wrong".to_owned(),
            mend: "change it".to_owned(),
        };
        world.dialplans.insert("internal".to_owned(), Err(vec![error]));
    }),
];

/// The node is known from its lease; it only does not answer any more.
fn lose(world: &mut World, name: &str) {
    if let Ok(valid) = validate(&world.resources, &world.observed) {
        world.observed.leases = plan(&valid, &world.observed).leases;
    }
    world.observed.nodes.iter_mut().filter(|node| node.name == name).for_each(|node| node.ready = false);
}

pub(super) fn spoilt(case: &Case) -> World {
    let mut world = healthy();
    (case.spoil)(&mut world);
    world
}

#[test]
fn each_reason_by_one_change() {
    for (at, case) in CASES.iter().enumerate() {
        let status = spoilt(case).status(&VoipClusterStatus::default());
        let said = message(&status, case.kind);
        let (is, reason) = condition(&status, case.kind);
        assert_eq!(reason, case.reason, "case {at}, {}: {said}", case.kind);
        let trouble = if matches!(case.kind, "Progressing" | "Degraded") { "True" } else { "False" };
        assert_eq!(is, trouble, "case {at}: {said}");
        assert!(said.contains(case.says), "case {at}: {said}");
        let ready = condition(&status, "Ready");
        assert_eq!(ready.0 == "True", case.ready, "case {at}: {ready:?}");
        if !case.ready {
            assert_eq!((ready.1, message(&status, "Ready")), (case.reason, said), "case {at}");
        }
    }
}

#[test]
fn each_reason_has_a_row_in_the_docs() {
    let page = include_str!("../../../../../docs/operations.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for case in &CASES {
        let name = format!("`{}`", case.reason);
        assert!(rows.iter().any(|row| row.contains(&name)), "{}: {name}", case.kind);
    }
}

#[test]
fn where_no_program_is_heard_there_may_be_none() {
    let mut world = healthy();
    world.observed.reports.clear();
    world.observed.unheard.insert("p".to_owned(), "192.0.2.1:29998".parse().unwrap());
    assert_eq!(condition(&world.status(&VoipClusterStatus::default()), "Degraded"), ("False", "Healthy"));
}

#[test]
fn an_invalid_spec_leaves_what_is_known_of_the_pods() {
    let mut world = healthy();
    let before = world.status(&VoipClusterStatus::default());
    world.spec(json!({"network": {"portRange": "7-9"}}));
    let after = world.status(&before);
    assert_eq!(
        (&after.nodes, &after.media, &after.capacity),
        (&before.nodes, &before.media, &before.capacity)
    );
    assert_eq!(condition(&after, "MediaReady"), ("True", "MinimumAvailable"));
    assert_eq!(condition(&after, "Ready"), ("False", "InvalidSpec"));
}

#[test]
fn faults_touch_no_readiness_of_pods_that_run() {
    for reason in [
        FaultReason::Forbidden,
        FaultReason::QuotaExceeded,
        FaultReason::CrdInvalid,
        FaultReason::AdmissionDenied,
    ] {
        let mut world = healthy();
        world.fault("Deployment office-sip", reason, "no");
        let status = world.status(&VoipClusterStatus::default());
        assert_eq!(condition(&status, "Ready").0, "True");
        assert_eq!(condition(&status, "Degraded"), ("True", reason.name()));
    }
}

#[test]
fn what_keeps_everything_from_being_seen_is_told_and_the_rest_stays() {
    let mut world = healthy();
    let before = world.status(&VoipClusterStatus::default());
    world.fault(
        "CustomResourceDefinition sipusers.voip.dev",
        FaultReason::CrdInvalid,
        "it lacks .spec.numbers",
    );
    let after = status::unseen(&before, &world.faults, world.observed.now_ms);
    assert_eq!(condition(&after, "Progressing"), ("True", "Applying"));
    assert_eq!(condition(&after, "Degraded"), ("True", "CrdInvalid"));
    assert!(message(&after, "Degraded").contains("sipusers.voip.dev: apply: it lacks .spec.numbers"));
    assert_eq!(condition(&after, "Ready"), condition(&before, "Ready"));
    assert_eq!(VoipClusterStatus { conditions: before.conditions.clone(), ..after }, before);
    world.faults[0].reason = FaultReason::Conflict;
    let after = status::unseen(&before, &world.faults, world.observed.now_ms);
    assert_eq!(condition(&after, "Degraded"), ("False", "Healthy"), "it passes by itself");
}
