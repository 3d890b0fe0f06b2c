//! A cluster that does what it is told: DaemonSets make pods, orders are obeyed, calls come and go as tests say.

use std::collections::{BTreeMap, BTreeSet};

use voip_api::{PortSpace, PortSpaceType};
use voip_contract::ids::Incarnation;
use voip_contract::node_admin::{NodeReport, Role, Service};

use super::super::world::kubernetes;
use crate::objects::names::{CONTROL, LEASE, RENDERED, RTP, media_daemon_set};
use crate::objects::{Object, Release, render};
use crate::*;

/// What the template of a DaemonSet says of its pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    node: String,
    /// In which its ports were leased.
    space: PortSpace,
    lease: LeaseKey,
    rendered: String,
    rtp: PortRange,
    control: Vec<u16>,
}

pub(super) struct Model {
    pub(super) resources: Resources,
    pub(super) observed: Observed,
    pub(super) release: Release,
    sets: BTreeMap<String, Template>,
    /// What pods were made from.
    made: BTreeMap<String, Template>,
    /// Calls of pods that have some.
    pub(super) calls: BTreeMap<String, u32>,
    /// Pods whose program says nothing.
    pub(super) silent: BTreeSet<String>,
    /// What pods found to be held by something else.
    pub(super) foreign: BTreeMap<String, Vec<u16>>,
    /// The pods as the last round found them.
    before: Vec<Pod>,
    /// Pools of the media-nodes that it wanted, by DaemonSet.
    pub(super) wanted: BTreeMap<String, String>,
    /// What it had to say of leases.
    held: Vec<Problem>,
    count: usize,
}

impl Model {
    pub(super) fn new(resources: Resources, nodes: Vec<Node>) -> Self {
        let release = Release {
            version: "0.1.0".to_owned(),
            signaling_image: "sip".to_owned(),
            media_image: "media:1".to_owned(),
        };
        Self {
            resources,
            observed: kubernetes(nodes),
            release,
            sets: BTreeMap::new(),
            made: BTreeMap::new(),
            calls: BTreeMap::new(),
            silent: BTreeSet::new(),
            foreign: BTreeMap::new(),
            before: Vec::new(),
            wanted: BTreeMap::new(),
            held: Vec::new(),
            count: 0,
        }
    }

    /// One round of the operator. Orders are made from what was observed before anything was applied.
    pub(super) fn round(&mut self) -> Vec<Order> {
        self.observe();
        let valid = validate(&self.resources, &self.observed).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let plan = plan(&valid, &self.observed);
        let orders = orders(&valid, &plan, &self.observed, &self.release);
        assert_eq!(orders, crate::orders(&valid, &plan, &self.observed, &self.release), "ordered twice");
        self.before.clone_from(&self.observed.pods);
        let set = |pod: &MediaPod| media_daemon_set("office", &pod.pool, &pod.node, pod.shard);
        self.wanted = plan.media.iter().map(|pod| (set(pod), pod.pool.clone())).collect();
        self.held =
            plan.advice.iter().filter(|advice| advice.reason == Reason::HeldByCalls).cloned().collect();
        self.write(&plan);
        for object in render(&valid, &plan, &self.release).into_iter().filter(|one| one.kind == "DaemonSet") {
            let template = template(&object, &self.observed.nodes);
            self.sets.insert(object.name.clone(), template);
        }
        for order in &orders {
            self.obey(order);
        }
        orders
    }

    /// What the operator sees.
    fn observe(&mut self) {
        let workload =
            |set: &Template| MediaWorkload { lease: set.lease.clone(), rendered: set.rendered.clone() };
        self.observed.media = self.sets.iter().map(|(name, set)| (name.clone(), workload(set))).collect();
        let pods = self.observed.pods.iter();
        let heard = pods.filter(|pod| pod.ready && !self.silent.contains(&pod.name) && self.answers(pod));
        self.observed.reports = heard.map(|pod| (pod.name.clone(), self.report(pod))).collect();
        let held = self.sets.values().map(|set| set.lease.clone()).collect();
        let Observed { leases, pods, nodes, .. } = &self.observed;
        self.observed.ended = observe::leases::ended("uid-office", leases, pods, &held, nodes);
    }

    fn report(&self, pod: &Pod) -> NodeReport {
        let calls = self.calls.get(&pod.name).copied().unwrap_or(0);
        let service = match (pod.draining_since_ms, calls) {
            (None, _) => Service::Serving,
            (Some(_), 0) => Service::Drained,
            (Some(_), _) => Service::Draining,
        };
        NodeReport {
            role: Role::MediaNode,
            name: pod.name.clone(),
            incarnation: Incarnation(1),
            version: "0.1.0".to_owned(),
            service,
            calls,
            registrations: 0,
            documents: BTreeMap::new(),
            rejected: Vec::new(),
            foreign_ports: self.foreign.get(&pod.name).cloned().unwrap_or_default(),
            ephemeral_ports: None,
            media_nodes: Vec::new(),
        }
    }

    fn write(&mut self, plan: &Plan) {
        self.observed.mode = plan.network.mode;
        for object in &plan.leases {
            self.observed.leases.retain(|old| old.spec.space != object.spec.space);
            if !object.spec.leases.is_empty() || !object.spec.foreign.is_empty() {
                self.observed.leases.push(object.clone());
            }
        }
    }

    fn obey(&mut self, order: &Order) {
        let now_ms = self.observed.now_ms;
        match order {
            Order::Drain { pod, .. } => {
                self.pod(pod).draining_since_ms.get_or_insert(now_ms);
            }
            Order::Return { pod } => self.pod(pod).draining_since_ms = None,
            Order::DeletePod { pod, uid } => {
                let pod = self.pod(pod);
                assert_eq!(pod.uid, *uid);
                pod.ending = true;
            }
            Order::DeleteDaemonSet { name } => {
                self.sets.remove(name);
                self.observed
                    .pods
                    .iter_mut()
                    .filter(|pod| pod.owner == *name)
                    .for_each(|pod| pod.ending = true);
            }
        }
    }

    pub(super) fn pod(&mut self, name: &str) -> &mut Pod {
        self.observed.pods.iter_mut().find(|pod| pod.name == name).unwrap_or_else(|| panic!("no pod {name}"))
    }

    /// The pod that lives on a node.
    pub(super) fn on(&self, node: &str) -> String {
        let on = |pod: &&Pod| pod.node.as_deref() == Some(node) && !pod.ending;
        self.observed.pods.iter().find(on).unwrap_or_else(|| panic!("no pod on {node}")).name.clone()
    }

    pub(super) fn node(&mut self, name: &str) -> &mut Node {
        self.observed.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    /// Whether the node of a pod is well.
    pub(super) fn answers(&self, pod: &Pod) -> bool {
        let node = |node: &Node| pod.node.as_ref() == Some(&node.name) && node.ready;
        self.observed.nodes.iter().any(node)
    }

    /// What programs, kubelets and controllers do: calls end at the deadline, pods that are told to end are gone, missing
    /// ones are made, and ready at once.
    pub(super) fn kubelets(&mut self) {
        let late =
            |pod: &&Pod| pod.draining_since_ms.is_some_and(|since| since + 60_000 <= self.observed.now_ms);
        for pod in self.observed.pods.iter().filter(late) {
            self.calls.remove(&pod.name);
        }
        let ended: Vec<String> = self
            .observed
            .pods
            .iter()
            .filter(|pod| {
                let node = pod.node.clone().unwrap_or_default();
                let exists = self.observed.nodes.iter().any(|other| other.name == node);
                !exists || pod.ending && self.answers(pod)
            })
            .map(|pod| pod.name.clone())
            .collect();
        for name in ended {
            self.observed.pods.retain(|pod| pod.name != name);
            self.made.remove(&name);
            self.calls.remove(&name);
        }
        for (owner, set) in self.sets.clone() {
            let node = self.observed.nodes.iter().find(|node| node.name == set.node && node.ready);
            let there = self.observed.pods.iter().any(|pod| pod.owner == owner);
            if let (Some(node), false) = (node, there) {
                let address = node.addresses.first().map(|found| found.address);
                self.make(&owner, &set, address);
            }
        }
    }

    fn make(&mut self, owner: &str, set: &Template, address: Option<std::net::IpAddr>) {
        self.count += 1;
        let name = format!("{owner}-{:05}", self.count);
        self.made.insert(name.clone(), set.clone());
        self.observed.pods.push(Pod {
            uid: format!("uid-{name}"),
            name,
            component: Component::Media,
            owner: owner.to_owned(),
            lease: Some(set.lease.clone()),
            rendered: set.rendered.clone(),
            node: Some(set.node.clone()),
            address,
            ready: true,
            ending: false,
            draining_since_ms: None,
            trouble: String::new(),
        });
    }

    /// Rounds until nothing has changed for longer than any deadline; at most so many that a loop is told from patience.
    pub(super) fn settle(&mut self) {
        let (mut last, mut same) = (None, 0);
        for round in 0..400 {
            let orders = self.round();
            // The operator is faster than those.
            if round % 3 == 2 {
                self.kubelets();
            }
            self.observed.now_ms += 50_000;
            let now = (orders, self.observed.leases.clone(), self.sets.clone(), self.observed.pods.clone());
            same = if last.as_ref() == Some(&now) { same + 1 } else { 0 };
            if same * 50 > 200 {
                return;
            }
            last = Some(now);
        }
        panic!("no end of changes: {:#?}", self.round());
    }

    /// Every port that a live pod was started with, by its node and by the port space in which it was leased.
    pub(super) fn port_twice(&self) -> Option<String> {
        let mut owners: BTreeMap<(PortSpace, bool, u16), &str> = BTreeMap::new();
        for pod in &self.observed.pods {
            if !self.observed.nodes.iter().any(|node| Some(&node.name) == pod.node.as_ref()) {
                continue;
            }
            let made = &self.made[&pod.name];
            let node = PortSpace { kind: PortSpaceType::Node, name: made.node.clone() };
            let ports = (made.rtp.first..=made.rtp.last).map(|port| (false, port));
            for (tcp, port) in ports.chain(made.control.iter().map(|port| (true, *port))) {
                for place in [&node, &made.space] {
                    let other = owners.insert((place.clone(), tcp, port), &pod.name);
                    if let Some(other) = other.filter(|other| *other != pod.name) {
                        return Some(format!("{other} and {} have port {port} of {place:?}", pod.name));
                    }
                }
            }
        }
        None
    }

    /// Pods of this name or of this DaemonSet, as the last round found them.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &Pod> {
        self.before.iter().filter(move |pod| pod.name == name || pod.owner == name)
    }

    /// Where what runs is not what was planned last.
    pub(super) fn unlike_the_plan(&self) -> Option<String> {
        let newest = |pod: &Pod| self.sets.get(&pod.owner).is_some_and(|set| set.rendered == pod.rendered);
        let leases = self.observed.leases.iter().flat_map(|object| &object.spec.leases);
        let leases: BTreeSet<LeaseKey> = leases.map(LeaseKey::of).collect();
        let pods: BTreeSet<LeaseKey> =
            self.observed.pods.iter().filter_map(|pod| pod.lease.clone()).collect();
        let alike = self.observed.pods.iter().all(newest)
            && self.observed.pods.len() == self.wanted.len()
            && self.sets.keys().eq(self.wanted.keys())
            && leases == pods
            && self.held.is_empty();
        (!alike).then(|| format!("{:?}\n{:?}\n{leases:?}\n{pods:?}\n{:?}", self.sets, self.wanted, self.held))
    }

    /// First and last RTP port that the pod on `node` was started with.
    pub(super) fn ports_on(&self, node: &str) -> String {
        self.made[&self.on(node)].rtp.to_string()
    }
}

fn template(object: &Object, nodes: &[Node]) -> Template {
    let template = &object.manifest["spec"]["template"];
    let annotation =
        |name: &str| template["metadata"]["annotations"][name].as_str().unwrap_or_default().to_owned();
    let affinity =
        &template["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let node = &affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0];
    let node = nodes.iter().find(|one| node == one.name.as_str()).unwrap();
    let rtp = annotation(RTP);
    let (first, last) = rtp.split_once('-').unwrap();
    Template {
        node: node.name.clone(),
        space: node.port_space(),
        lease: LeaseKey::said(annotation(LEASE), Some(&annotation(CONTROL))),
        rendered: annotation(RENDERED),
        rtp: PortRange::new(first.parse().unwrap(), last.parse().unwrap()),
        control: annotation(CONTROL).split(',').map(|port| port.parse().unwrap()).collect(),
    }
}
