//! Leases over long random histories, held against a naive model: an array of owners for each port space.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use voip_api::{ForeignPort, Lease, PortSpace, RtpPortLease, Transport};

use super::world::{cluster, kubernetes, label, node};
use crate::leases::{Want, grant};
use crate::*;

const NODES: usize = 6;
const CLUSTERS: usize = 2;
const POOLS: usize = 2;
const RANGES: [&str; 3] = ["20000-21999", "20000-20999", "20200-23999"];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// The node appears, or another machine takes its name.
    Join {
        node: usize,
        group: bool,
    },
    Leave {
        node: usize,
    },
    Ready {
        node: usize,
        ready: bool,
    },
    Cordon {
        node: usize,
        cordoned: bool,
    },
    /// The node goes to another port space, or to its own.
    Label {
        node: usize,
        space: Option<&'static str>,
    },
    Pool {
        cluster: usize,
        pool: usize,
        nodes: usize,
        calls: u32,
        pods: u32,
    },
    RemovePool {
        cluster: usize,
        pool: usize,
    },
    Range {
        cluster: usize,
        range: usize,
    },
    Foreign {
        space: usize,
        port: u16,
    },
    /// Some pods were seen to end.
    End {
        pick: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (node, cluster, pool) = (0..NODES, 0..CLUSTERS, 0..POOLS);
    prop_oneof![
        (node.clone(), any::<bool>()).prop_map(|(node, group)| Step::Join { node, group }),
        node.clone().prop_map(|node| Step::Leave { node }),
        (node.clone(), any::<bool>()).prop_map(|(node, ready)| Step::Ready { node, ready }),
        (node.clone(), any::<bool>()).prop_map(|(node, cordoned)| Step::Cordon { node, cordoned }),
        (node, prop_oneof![Just(None), Just(Some("nat")), Just(Some("other"))])
            .prop_map(|(node, space)| Step::Label { node, space }),
        (cluster.clone(), pool.clone(), 1..NODES, 1..150u32, 1..3u32).prop_map(
            |(cluster, pool, nodes, calls, pods)| Step::Pool { cluster, pool, nodes, calls: calls + 3, pods }
        ),
        (cluster.clone(), pool).prop_map(|(cluster, pool)| Step::RemovePool { cluster, pool }),
        (cluster, 0..RANGES.len()).prop_map(|(cluster, range)| Step::Range { cluster, range }),
        (0..NODES, 20000..22000u16).prop_map(|(space, port)| Step::Foreign { space, port }),
        (0..40usize).prop_map(|pick| Step::End { pick }),
        (1..900u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

#[derive(Clone)]
struct Cluster {
    pools: BTreeMap<usize, (usize, u32, u32)>,
    range: usize,
}

struct World {
    observed: Observed,
    clusters: Vec<Cluster>,
}

impl World {
    fn new() -> Self {
        let clusters = vec![Cluster { pools: BTreeMap::new(), range: 0 }; CLUSTERS];
        Self { observed: kubernetes(Vec::new()), clusters }
    }

    fn step(&mut self, step: &Step) {
        let name = |node: usize| format!("w{node}");
        match *step {
            Step::Join { node: at, group } => {
                self.observed.nodes.retain(|node| node.name != name(at));
                let mut joined = node(&name(at), at + 1);
                label(&mut joined, group.then_some("nat"));
                joined.uid = format!("{}-{}", joined.name, self.observed.now_ms);
                self.observed.nodes.push(joined);
            }
            Step::Leave { node } => self.observed.nodes.retain(|other| other.name != name(node)),
            Step::Ready { node, ready } => {
                self.observed
                    .nodes
                    .iter_mut()
                    .filter(|other| other.name == name(node))
                    .for_each(|node| node.ready = ready);
            }
            Step::Cordon { node, cordoned } => {
                let meant = self.observed.nodes.iter_mut().filter(|other| other.name == name(node));
                meant.for_each(|node| node.cordoned = cordoned);
            }
            Step::Label { node, space } => {
                let labelled = self.observed.nodes.iter_mut().filter(|other| other.name == name(node));
                labelled.for_each(|node| label(node, space));
            }
            Step::Pool { cluster, pool, nodes, calls, pods } => {
                self.clusters[cluster].pools.insert(pool, (nodes, calls, pods));
            }
            Step::RemovePool { cluster, pool } => drop(self.clusters[cluster].pools.remove(&pool)),
            Step::Range { cluster, range } => self.clusters[cluster].range = range,
            Step::Foreign { space, port } => {
                let count = self.observed.leases.len();
                if let Some(object) = self.observed.leases.get_mut(space % count.max(1)) {
                    object.spec.foreign.push(ForeignPort {
                        protocol: Transport::Udp,
                        port,
                        seen: String::new(),
                    });
                }
            }
            Step::End { pick } => {
                let leases = self.observed.leases.iter().flat_map(|object| &object.spec.leases);
                self.observed.ended.extend(leases.map(LeaseKey::of).skip(pick % 3).step_by(3));
            }
            Step::Wait { seconds } => self.observed.now_ms += seconds * 1000,
        }
    }

    fn valid(&self, at: usize) -> Option<ValidCluster> {
        let Cluster { pools, range } = &self.clusters[at];
        if pools.is_empty() {
            return None;
        }
        let pools: Vec<_> = pools
            .iter()
            .map(|(pool, (nodes, calls, pods))| {
                json!({"name": format!("p{pool}"), "nodes": nodes, "callsPerNode": calls, "podsPerNode": pods})
            })
            .collect();
        let mut resources =
            cluster(json!({"media": {"pools": pools}, "network": {"portRange": RANGES[*range]}}));
        resources.cluster.metadata.name = Some(format!("c{at}"));
        Some(validate(&resources, &self.observed).unwrap())
    }

    /// What the operator does with the objects of a plan.
    fn write(&mut self, objects: &[RtpPortLease]) {
        for object in objects {
            self.observed.leases.retain(|old| old.spec.space != object.spec.space);
            if !object.spec.leases.is_empty() || !object.spec.foreign.is_empty() {
                self.observed.leases.push(object.clone());
            }
        }
    }
}

type Leases = BTreeMap<(PortSpace, String), Lease>;

fn leases(objects: &[RtpPortLease]) -> Leases {
    let each = |object: &RtpPortLease| {
        let space = object.spec.space.clone();
        object
            .spec
            .leases
            .iter()
            .map(move |lease| ((space.clone(), lease.id.clone()), lease.clone()))
            .collect::<Vec<_>>()
    };
    objects.iter().flat_map(each).collect()
}

fn ports(lease: &Lease) -> Vec<u32> {
    let spans = [Some(lease.control), lease.rtp].into_iter().flatten();
    spans.flat_map(|span| u32::from(span.start)..u32::from(span.start) + u32::from(span.length)).collect()
}

/// The naive model: who owns each port.
fn owners<'a>(space: &PortSpace, leases: &'a Leases) -> Result<Vec<Option<&'a str>>, TestCaseError> {
    let mut owners = vec![None; 65536];
    for ((_, id), lease) in leases.iter().filter(|((other, _), _)| other == space) {
        for port in ports(lease) {
            let port = usize::try_from(port).unwrap();
            prop_assert_eq!(owners[port], None, "{} and another have port {}", id, port);
            owners[port] = Some(id.as_str());
        }
    }
    Ok(owners)
}

/// Ports of leases of other spaces whose nodes are in this one now.
fn guests(space: &PortSpace, leases: &Leases, observed: &Observed) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for ((_, id), lease) in leases.iter().filter(|((other, _), _)| other != space) {
        let node = observed.nodes.iter().find(|node| id.ends_with(&format!("@{}", node.name)));
        if node.is_some_and(|node| node.port_space() == *space) {
            found.extend(ports(lease));
        }
    }
    found
}

/// Plans one cluster, checks the result against what was before, and writes it.
fn plan_and_check(world: &mut World, at: usize) -> Result<(), TestCaseError> {
    let Some(valid) = world.valid(at) else { return Ok(()) };
    let before = leases(&world.observed.leases);
    let first = plan(&valid, &world.observed);
    prop_assert_eq!(&first, &plan(&valid, &world.observed), "planned twice");
    let ended = world.observed.ended.clone();
    world.write(&first.leases);
    let after = leases(&world.observed.leases);
    check_kept(&before, &after, &ended, world.observed.now_ms, &format!("voip/c{at}/"))?;
    check_new(&before, &after, &ended, &valid, &world.observed)?;
    // What was seen to end is used up by this plan.
    world.observed.ended.retain(|lease| !lease.id.starts_with(&format!("voip/c{at}/")));
    let again = plan(&valid, &world.observed);
    world.write(&again.leases);
    let twice = leases(&world.observed.leases);
    let differ: Vec<_> = after.iter().filter(|(key, lease)| twice.get(*key) != Some(*lease)).collect();
    let new: Vec<_> = twice.iter().filter(|(key, lease)| after.get(*key) != Some(*lease)).collect();
    prop_assert!(after == twice, "no fixpoint: {:#?} became {:#?} before {:#?}", differ, new, before);
    check_refusals(&valid, &world.observed)
}

/// Nothing moves, shrinks or disappears that may still have calls; other clusters' leases are not touched at all.
fn check_kept(
    before: &Leases,
    after: &Leases,
    ended: &BTreeSet<LeaseKey>,
    now_ms: u64,
    ours: &str,
) -> Result<(), TestCaseError> {
    for (key, old) in before {
        let Some(new) = after.get(key) else {
            let released = old
                .release_after
                .as_ref()
                .is_some_and(|time| time.0.as_millisecond() <= i64::try_from(now_ms).unwrap());
            prop_assert!(key.1.starts_with(ours), "{} of another cluster disappeared", key.1);
            prop_assert!(ended.contains(&LeaseKey::of(old)) || released, "{} disappeared", key.1);
            continue;
        };
        if !key.1.starts_with(ours) {
            prop_assert_eq!(new, old);
        } else if !ended.contains(&LeaseKey::of(old)) {
            prop_assert_eq!(new.control, old.control, "{} moved", key.1);
            let (new, old) = (new.rtp.unwrap(), old.rtp.unwrap());
            prop_assert_eq!(new.start, old.start, "{} moved", key.1);
            prop_assert!(new.length >= old.length, "{} shrank", key.1);
        }
    }
    Ok(())
}

/// New leases lie inside the range, start even, and avoid what is reserved, foreign or another's.
fn check_new(
    before: &Leases,
    after: &Leases,
    ended: &BTreeSet<LeaseKey>,
    valid: &ValidCluster,
    observed: &Observed,
) -> Result<(), TestCaseError> {
    let spaces: BTreeSet<&PortSpace> = after.keys().map(|(space, _)| space).collect();
    for space in spaces {
        owners(space, after)?;
        let object = observed.leases.iter().find(|object| object.spec.space == *space);
        let foreign: BTreeSet<u32> = object
            .into_iter()
            .flat_map(|object| &object.spec.foreign)
            .map(|foreign| u32::from(foreign.port))
            .collect();
        let guests = guests(space, after, observed);
        for ((_, id), lease) in after.iter().filter(|((other, _), _)| other == space) {
            prop_assert_eq!(lease.control.start % 2, 0);
            prop_assert_eq!(lease.rtp.unwrap().start % 2, 0);
            let old = before.get(&(space.clone(), id.clone()));
            if old == Some(lease) || old.is_some_and(|old| !ended.contains(&LeaseKey::of(old))) {
                continue;
            }
            for port in ports(lease) {
                let kept = old.is_some_and(|old| ports(old).contains(&port));
                let inside = (u32::from(valid.ports.first)..=u32::from(valid.ports.last)).contains(&port);
                prop_assert!(kept || inside, "{} outside", id);
                prop_assert!(kept || !foreign.contains(&port), "{} was given foreign port {}", id, port);
                prop_assert!(kept || !guests.contains(&port), "{} was given a guest's port {}", id, port);
            }
        }
    }
    Ok(())
}

/// Who found no room would have found none by trying every port either.
fn check_refusals(valid: &ValidCluster, observed: &Observed) -> Result<(), TestCaseError> {
    let wanted = nodes::choose(valid, observed, Some(NetworkMode::HostNetwork));
    let wants: Vec<Want<'_>> = wanted.media;
    let granted = grant(valid, observed, &wants);
    let all = leases(&observed.leases);
    for want in wants.iter().filter(|want| !granted.leases.contains_key(&want.id)) {
        let (owners, guests) = (owners(&want.space, &all)?, guests(&want.space, &all, observed));
        let object = observed.leases.iter().find(|object| object.spec.space == want.space);
        let foreign: BTreeSet<u16> =
            object.into_iter().flat_map(|object| &object.spec.foreign).map(|foreign| foreign.port).collect();
        let mut run = 0;
        for port in valid.ports.first..=valid.ports.last {
            let free = owners[usize::from(port)].is_none()
                && !foreign.contains(&port)
                && !guests.contains(&u32::from(port));
            // A run may begin only at an even port.
            run = if free && (run > 0 || port % 2 == 0) { run + 1 } else { 0 };
            prop_assert!(run < want.rtp_ports + 2 + 1, "{} would fit at {}", want.id, port);
        }
    }
    prop_assert_eq!(
        granted.leases.len() < wants.len(),
        granted.problems.iter().any(|problem| problem.reason == Reason::NoRoom),
        "whoever finds no room is told so"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_promise(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::new();
        for at in 0..NODES - 2 {
            world.step(&Step::Join { node: at, group: false });
        }
        world.step(&Step::Pool { cluster: 0, pool: 0, nodes: 3, calls: 60, pods: 1 });
        for step in &steps {
            world.step(step);
            for cluster in 0..CLUSTERS {
                plan_and_check(&mut world, cluster)?;
            }
        }
    }

    #[test]
    fn fresh_nodes_get_the_same_range(
        count in 1..40usize,
        calls in 1..400u32,
        pods in 1..4u32,
        foreign in prop::collection::btree_set(16384..20000u16, 0..20),
    ) {
        let mut observed = kubernetes(super::world::nodes(count));
        // Each node has other foreign ports; some start is free on all of them.
        for (at, port) in foreign.iter().enumerate() {
            let space = observed.nodes[at % count].port_space();
            let mut object = RtpPortLease::new("any", voip_api::RtpPortLeaseSpec { space, leases: vec![], foreign: vec![] });
            object.spec.foreign.push(ForeignPort { protocol: Transport::Udp, port: *port, seen: String::new() });
            observed.leases.push(object);
        }
        let calls = calls.max(pods);
        let spec = json!({"media": {"pools": [{"name": "a", "nodes": count, "callsPerNode": calls, "podsPerNode": pods}]}});
        let valid = validate(&cluster(spec), &observed).unwrap();
        let plan = plan(&valid, &observed);
        for shard in 0..pods {
            let starts: BTreeSet<u16> = plan.media.iter().filter(|pod| pod.shard == shard).map(|pod| pod.rtp.first).collect();
            prop_assert_eq!(starts.len(), 1, "{:?}", starts);
        }
    }
}
