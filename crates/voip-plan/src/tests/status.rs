//! Status: one valid world, and for each reason the one line that breaks it.

mod events;
mod lists;
mod reasons;
mod steady;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use voip_api::VoipClusterStatus;
use voip_contract::config::SIP_DOCUMENT;
use voip_contract::ids::Incarnation;
use voip_contract::node_admin::{NodeReport, Role, Service};

use super::world::{cluster, kubernetes, nodes};
use crate::objects::names::media_daemon_set;
use crate::status::{Fault, FaultReason, Round, status};
use crate::*;

/// Everything that a round is made of, to be spoilt.
struct World {
    resources: Resources,
    observed: Observed,
    faults: Vec<Fault>,
    dialplans: BTreeMap<String, Result<(), Vec<FieldError>>>,
    load_written_ms: Option<u64>,
    /// What the plan says besides, or instead.
    orders: Vec<Order>,
    advice: Vec<Problem>,
    network: Option<Network>,
}

/// Two nodes, one sip-node and two media-nodes, all well.
fn healthy() -> World {
    let resources = cluster(json!({}));
    let mut observed = kubernetes(nodes(2));
    observed.signaling =
        Some(Workload { replicas: 1, ready: 1, updated: 1, observed: true, ..Workload::default() });
    let valid = validate(&resources, &observed).unwrap();
    let planned = plan(&valid, &observed);
    observed.mode = planned.network.mode;
    let media = planned.media.iter().map(|pod| media_daemon_set("office", &pod.pool, &pod.node, pod.shard));
    observed.pods = media.map(|set| pod(&format!("{set}-x"), Component::Media, &set)).collect();
    observed.pods.push(pod("office-sip-1-x", Component::Signaling, "office-sip-1"));
    let mut sip = report(Role::SipNode, "office-sip-1-x");
    sip.documents.insert(SIP_DOCUMENT.to_owned(), planned.documents.sip.fingerprint.clone());
    observed.reports =
        observed.pods.iter().map(|pod| (pod.name.clone(), report(Role::MediaNode, &pod.name))).collect();
    observed.reports.insert(sip.name.clone(), sip);
    World {
        resources,
        observed,
        faults: Vec::new(),
        dialplans: BTreeMap::new(),
        load_written_ms: None,
        orders: Vec::new(),
        advice: Vec::new(),
        network: None,
    }
}

fn pod(name: &str, component: Component, owner: &str) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        component,
        owner: owner.to_owned(),
        lease: None,
        rendered: String::new(),
        node: None,
        address: None,
        ready: true,
        ending: false,
        draining_since_ms: None,
        trouble: String::new(),
    }
}

fn report(role: Role, name: &str) -> NodeReport {
    NodeReport {
        role,
        name: name.to_owned(),
        incarnation: Incarnation(1),
        version: "0.1.0".to_owned(),
        service: Service::Serving,
        calls: 0,
        registrations: 0,
        documents: BTreeMap::new(),
        rejected: Vec::new(),
        foreign_ports: Vec::new(),
        ephemeral_ports: None,
        media_nodes: Vec::new(),
    }
}

impl World {
    fn media(&mut self) -> impl Iterator<Item = &mut Pod> {
        self.observed.pods.iter_mut().filter(|pod| pod.component == Component::Media)
    }

    fn sip_report(&mut self) -> &mut NodeReport {
        self.observed.reports.get_mut("office-sip-1-x").unwrap()
    }

    /// sip-node has loaded what the plan says now.
    fn load_documents(&mut self) {
        let valid = validate(&self.resources, &self.observed).unwrap();
        let fingerprint = plan(&valid, &self.observed).documents.sip.fingerprint;
        self.sip_report().documents.insert(SIP_DOCUMENT.to_owned(), fingerprint);
    }

    fn spec(&mut self, spec: serde_json::Value) {
        self.resources = cluster(spec);
    }

    fn fault(&mut self, object: &str, reason: FaultReason, message: &str) {
        let (object, action, message) = (object.to_owned(), "apply".to_owned(), message.to_owned());
        self.faults.push(Fault { object, action, reason, message });
    }

    /// Says `what` about the round of this world.
    fn round<T>(&self, what: impl FnOnce(&Round<'_>) -> T) -> T {
        let checked = validate(&self.resources, &self.observed).map(|valid| {
            let mut plan = plan(&valid, &self.observed);
            plan.orders.extend(self.orders.clone());
            plan.advice.extend(self.advice.clone());
            plan.network = self.network.unwrap_or(plan.network);
            (valid, plan)
        });
        what(&Round {
            generation: 4,
            version: "0.1.0",
            outcome: checked.as_ref().map(|(valid, plan)| (valid, plan)).map_err(Vec::as_slice),
            dialplans: &self.dialplans,
            observed: &self.observed,
            faults: &self.faults,
            load_written_ms: self.load_written_ms,
        })
    }

    fn status(&self, before: &VoipClusterStatus) -> VoipClusterStatus {
        self.round(|round| status(before, round))
    }
}

/// Status and reason of a condition.
fn condition<'a>(status: &'a VoipClusterStatus, kind: &str) -> (&'a str, &'a str) {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or(("", ""), |found| (found.status.as_str(), found.reason.as_str()))
}

fn message<'a>(status: &'a VoipClusterStatus, kind: &str) -> &'a str {
    status.conditions.iter().find(|condition| condition.type_ == kind).map_or("", |found| &found.message)
}

#[test]
fn a_world_in_which_all_is_well() {
    let status = healthy().status(&VoipClusterStatus::default());
    let types: BTreeSet<&str> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(types.len(), status.conditions.len());
    for (kind, is, reason) in [
        ("Ready", "True", "CallsPossible"),
        ("Accepted", "True", "Valid"),
        ("PortsAllocated", "True", "Allocated"),
        ("AddressesResolved", "True", "Resolved"),
        ("SignalingReady", "True", "MinimumAvailable"),
        ("MediaReady", "True", "MinimumAvailable"),
        ("Progressing", "False", "UpToDate"),
        ("Degraded", "False", "Healthy"),
        ("DialplanLoaded", "True", "Loaded"),
    ] {
        assert_eq!(condition(&status, kind), (is, reason), "{kind}: {}", message(&status, kind));
    }
    insta::assert_yaml_snapshot!("healthy", status);
}
