//! Orders over random histories: edits, nodes that come and go, calls, pods that fail, and an operator between all of it.

use proptest::prelude::*;

use super::super::world::label;
use super::*;

const NODES: usize = 4;
const RANGES: [&str; 3] = ["20000-21999", "20000-20999", "20600-23999"];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Pool {
        nodes: usize,
        calls: u32,
        pods: u32,
    },
    SecondPool(bool),
    Range(usize),
    Image(u32),
    MaxUnavailable(usize),
    Paused(bool),
    Asked(usize),
    Cordon(usize, bool),
    Ready(usize, bool),
    Leave(usize),
    Join(usize),
    /// The node is labelled with a port space, or its label is taken away.
    Label(usize, Option<&'static str>),
    /// A pod gets calls, if it takes some, or loses all.
    Calls {
        pod: usize,
        calls: u32,
    },
    /// A pod's program stops and restarts, or cannot.
    Fail {
        pod: usize,
        starts: bool,
    },
    Unready(usize),
    Silent(usize),
    /// Somebody deletes a pod.
    Evict(usize),
    Kubelets,
    Wait {
        seconds: u64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (node, pod) = (0..NODES, 0..8_usize);
    prop_oneof![
        (1..NODES, prop_oneof![Just(20), Just(50), Just(100), Just(300)], 1..3_u32)
            .prop_map(|(nodes, calls, pods)| Step::Pool { nodes, calls, pods }),
        any::<bool>().prop_map(Step::SecondPool),
        (0..RANGES.len()).prop_map(Step::Range),
        (0..3_u32).prop_map(Step::Image),
        (0..3_usize).prop_map(Step::MaxUnavailable),
        any::<bool>().prop_map(Step::Paused),
        (0..NODES * 2).prop_map(Step::Asked),
        (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::Cordon(node, on)),
        (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::Ready(node, on)),
        node.clone().prop_map(Step::Leave),
        node.clone().prop_map(Step::Join),
        (node, prop_oneof![Just(None), Just(Some("nat")), Just(Some("other"))])
            .prop_map(|(node, space)| Step::Label(node, space)),
        (pod.clone(), 0..3_u32).prop_map(|(pod, calls)| Step::Calls { pod, calls }),
        (pod.clone(), any::<bool>()).prop_map(|(pod, starts)| Step::Fail { pod, starts }),
        pod.clone().prop_map(Step::Unready),
        pod.clone().prop_map(Step::Silent),
        pod.prop_map(Step::Evict),
        Just(Step::Kubelets),
        Just(Step::Kubelets),
        (1..90_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What was last written, besides the model.
struct Written {
    pools: Vec<Value>,
    range: usize,
    most: usize,
    paused: bool,
}

impl Written {
    fn spec(&self) -> Value {
        let most = [json!(1), json!(2), json!("50%")];
        json!({
            "media": {"pools": self.pools},
            "network": {"portRange": RANGES[self.range]},
            "updates": {"maxUnavailable": most[self.most], "paused": self.paused},
            "drain": {"timeoutSeconds": 60},
        })
    }
}

fn name(node: usize) -> String {
    format!("w{}", node + 1)
}

fn write(written: &mut Written, model: &mut Model, step: &Step) -> bool {
    match *step {
        Step::Pool { nodes, calls, pods } => {
            written.pools[0] =
                json!({"name": "default", "nodes": nodes, "callsPerNode": calls, "podsPerNode": pods});
        }
        Step::SecondPool(on) => {
            written.pools.truncate(1);
            let second = json!({"name": "second", "nodes": 2, "callsPerNode": 30});
            written.pools.extend(on.then_some(second));
        }
        Step::Range(range) => written.range = range,
        Step::MaxUnavailable(most) => written.most = most,
        Step::Paused(paused) => written.paused = paused,
        _ => return false,
    }
    model.resources.cluster.spec = serde_json::from_value(written.spec()).unwrap();
    true
}

fn happen(model: &mut Model, step: &Step) {
    let pod_at = |at: usize| {
        let pods = &model.observed.pods;
        (!pods.is_empty()).then(|| pods[at % pods.len()].name.clone())
    };
    match *step {
        Step::Image(version) => model.release.media_image = format!("media:{version}"),
        Step::Asked(node) => ask(model, &if node < NODES { name(node) } else { String::new() }),
        Step::Cordon(node, on) => with_node(model, node, |node| node.cordoned = on),
        Step::Ready(node, on) => with_node(model, node, |node| node.ready = on),
        Step::Leave(at) => model.observed.nodes.retain(|node| node.name != name(at)),
        Step::Join(at) => join(model, at),
        Step::Label(node, space) => with_node(model, node, |node| label(node, space)),
        Step::Calls { pod, calls } => {
            let Some(pod) = pod_at(pod) else { return };
            if calls == 0 {
                model.calls.remove(&pod);
            } else if model.pod(&pod).ready && model.pod(&pod).draining_since_ms.is_none() {
                model.calls.insert(pod, calls);
            }
        }
        Step::Fail { pod, starts } => {
            let Some(name) = pod_at(pod) else { return };
            model.calls.remove(&name);
            let pod = model.pod(&name);
            pod.ready = starts;
            pod.trouble = if starts { String::new() } else { "CrashLoopBackOff".to_owned() };
        }
        Step::Unready(pod) => pod_at(pod).iter().for_each(|pod| model.pod(pod).ready = false),
        Step::Silent(pod) => model.silent.extend(pod_at(pod)),
        Step::Evict(pod) => pod_at(pod).iter().for_each(|pod| model.pod(pod).ending = true),
        Step::Kubelets => model.kubelets(),
        Step::Wait { seconds } => model.observed.now_ms += seconds * 1000,
        _ => {}
    }
}

fn ask(model: &mut Model, nodes: &str) {
    let annotations = model.resources.cluster.metadata.annotations.get_or_insert_default();
    annotations.insert(DRAIN.to_owned(), nodes.to_owned());
}

fn with_node(model: &mut Model, at: usize, change: impl Fn(&mut Node)) {
    model.observed.nodes.iter_mut().filter(|node| node.name == name(at)).for_each(change);
}

/// Another machine under a name that is free. What was said to run on the one before it is forgotten first.
fn join(model: &mut Model, at: usize) {
    if model.observed.nodes.iter().any(|node| node.name == name(at)) {
        return;
    }
    model.kubelets();
    let mut joined = super::super::world::node(&name(at), at + 1);
    joined.uid = format!("{}-{}", joined.name, model.observed.now_ms);
    model.observed.nodes.push(joined);
}

/// What no order may break.
fn check(model: &Model, orders: &[Order], written: &Written) -> Result<(), TestCaseError> {
    let replaces = |order: &&Order| {
        let drain = matches!(order, Order::Drain { cause: DrainCause::Update | DrainCause::Removed, .. });
        drain || matches!(order, Order::DeletePod { .. } | Order::DeleteDaemonSet { .. })
    };
    if written.paused {
        prop_assert_eq!(orders.iter().find(replaces), None);
    }
    for pool in &written.pools {
        let name = pool["name"].as_str().unwrap();
        let size = model.wanted.values().filter(|of| *of == name).count();
        let most = [1, 2, (size / 2).max(1)][written.most];
        let replaced = orders.iter().filter(|order| match order {
            Order::Drain { pod, cause: DrainCause::Update | DrainCause::Removed, .. } => {
                model.of(pod).any(|pod| model.wanted.get(&pod.owner).is_some_and(|of| of == name))
            }
            _ => false,
        });
        prop_assert!(replaced.count() <= most, "more than {most} of pool {name} at a time: {orders:?}");
    }
    let told = orders.iter().filter_map(|order| match order {
        Order::Drain { pod, .. } | Order::Return { pod } => Some(pod.as_str()),
        _ => None,
    });
    for pod in told.chain(deleted(orders)).flat_map(|name| model.of(name)) {
        prop_assert!(model.answers(pod), "{} is on a lost node: {orders:?}", pod.name);
    }
    for pod in deleted(orders).into_iter().flat_map(|name| model.of(name)) {
        let late = pod.draining_since_ms.is_some_and(|since| since + 60_000 <= model.observed.now_ms);
        let calls = model.calls.get(&pod.name);
        prop_assert!(calls.is_none() || late || pod.ending, "{} has {calls:?} calls", pod.name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_promise_and_every_one_comes_to_an_end(steps in prop::collection::vec(any_step(), 1..50)) {
        let mut written = Written {
            pools: vec![json!({"name": "default", "nodes": 3, "callsPerNode": 50})],
            range: 0,
            most: 0,
            paused: false,
        };
        let mut model = Model::new(cluster(written.spec()), nodes(NODES));
        model.settle();
        for step in &steps {
            if !write(&mut written, &mut model, step) {
                happen(&mut model, step);
            }
            let orders = model.round();
            check(&model, &orders, &written)?;
            prop_assert_eq!(model.port_twice(), None);
        }
        // Everybody is well again.
        written.paused = false;
        model.resources.cluster.spec = serde_json::from_value(written.spec()).unwrap();
        ask(&mut model, "");
        (0..NODES).for_each(|node| join(&mut model, node));
        model.observed.nodes.iter_mut().for_each(|node| (node.ready, node.cordoned) = (true, false));
        model.observed.pods.iter_mut().for_each(|pod| (pod.ready, pod.trouble) = (true, String::new()));
        model.silent.clear();
        model.settle();
        prop_assert_eq!(model.round(), []);
        prop_assert_eq!(model.port_twice(), None);
        prop_assert_eq!(model.unlike_the_plan(), None);
    }
}
