//! Operators that are killed after every write, and operators that write at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::audit::Audit;
use e2e::gate::{Gate, Upstream};
use e2e::kubernetes::{Namespace, install_crds};
use e2e::leases::{Witness, held_spans};
use e2e::nodes::Nodes;
use e2e::office::Office;
use e2e::operator::{Operator, Settings};
use e2e::wait::until;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// Kinds that are made for a VoipCluster.
const KINDS: [&str; 6] =
    ["serviceaccounts", "configmaps", "secrets", "services", "deployments", "daemonsets"];
/// Fields that the API server fills in, and fingerprints over names and ports that differ from place to place.
const LEFT_OUT: [&str; 13] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "status",
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "healthCheckNodePort",
    "voip.dev/rendered",
    "namespace",
    "fingerprint",
];
/// Far more than there is to write.
const MOST_WRITES: usize = 100;

fn spec(nodes: &Nodes, pools: &[(&str, u32)]) -> Value {
    let pool = |(name, calls): &(&str, u32)| json!({"name": name, "nodes": 2, "callsPerNode": calls, "template": nodes.template()});
    let pools: Vec<Value> = pools.iter().map(pool).collect();
    json!({"signaling": {"exposure": "ClusterIP"}, "media": {"pools": pools}, "drain": {"timeoutSeconds": 0}})
}

fn without(value: &mut Value) {
    // A document.
    if let Some(inner @ Value::Object(_)) = value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        *value = inner;
    }
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            fields.values_mut().for_each(without);
        }
        Value::Array(items) => items.iter_mut().for_each(without),
        _ => {}
    }
}

/// What was made for `office`, without what differs between two that are asked for the same: names of places, port
/// numbers, secrets.
fn made(office: &Office, namespace: &Namespace) -> BTreeMap<String, String> {
    let uid = office.get()["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let spans = held_spans(&office.prefix());
    let ports = spans.values().flatten().flat_map(|span| [span.0, span.1]);
    let services = office.objects("services");
    let addresses = services.iter().filter_map(|service| service["spec"]["clusterIP"].as_str());
    let names: Vec<String> = ports
        .map(|port| port.to_string())
        .chain(addresses.filter(|address| *address != "None").map(str::to_owned))
        .chain([uid, namespace.name().to_owned()])
        .collect();
    let mut made = BTreeMap::new();
    for (kind, mut object) in
        KINDS.iter().flat_map(|kind| office.objects(kind).into_iter().map(move |it| (kind, it)))
    {
        if *kind == "secrets" {
            let keys: Vec<String> =
                object["data"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
            object["data"] = json!(keys);
        }
        let name = format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default());
        without(&mut object);
        let text = names.iter().fold(object.to_string(), |text, name| text.replace(name, "*"));
        made.insert(name, text);
    }
    made.extend(spans.into_iter().map(|(id, spans)| {
        let lengths: Vec<u64> = spans.iter().map(|span| span.1 - span.0 + 1).collect();
        (id.replace(namespace.name(), "*"), format!("{lengths:?}"))
    }));
    made
}

/// The operator looked, and wrote nothing since.
fn is_idle(operator: &Operator, gate: &Gate) -> bool {
    let closed = until("the operator looks or writes", SOON, || {
        if gate.is_closed_within(Duration::from_millis(50)) {
            return Ok(true);
        }
        let looked = operator.metric("voip_operator_reconcile_seconds_count") > 0.0;
        if looked { Ok(false) } else { Err("it did not look") }
    });
    // What must not happen has no event to wait for. A look before all watches have told is done again after 1 s.
    !closed && !gate.is_closed_within(Duration::from_secs(4))
}

/// One operator after the other, each killed when its first write is done, until one has nothing to write and `is_done`
/// says so too. Returns how many wrote.
fn lives_of_one_write_each(settings: &Settings, upstream: &Upstream, is_done: impl Fn() -> bool) -> usize {
    let (mut writes, mut idle) = (0, 0);
    // A life that seems idle may only have been slow.
    while idle < 5 {
        assert!(writes < MOST_WRITES, "after {writes} writes there is still something to write");
        let gate = Gate::open(upstream, 1);
        let operator = Settings { server: Some(gate.server()), ..settings.clone() }.start();
        if !is_idle(&operator, &gate) {
            (writes, idle) = (writes + 1, 0);
        } else if is_done() {
            return writes;
        } else {
            idle += 1;
        }
        operator.kill();
    }
    writes
}

/// The first difference.
fn differs(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Option<String> {
    let missing = wanted.iter().find(|(name, text)| found.get(*name) != Some(*text));
    let surplus = || found.keys().find(|name| !wanted.contains_key(*name)).cloned();
    missing.map(|(name, text)| format!("{name}: {text} is {:?}", found.get(name))).or_else(surplus)
}

#[test]
fn cluster_a_an_operator_killed_after_each_write_leaves_what_an_undisturbed_one_makes() {
    install_crds();
    let (calm, killed, nodes) = (Namespace::new("calm"), Namespace::new("killed"), Nodes::new("mortal", 2));
    let (witness, upstream) = (Witness::start(), Upstream::start());
    let _undisturbed = Settings::serving(&[calm.name()]).start();
    let settings = Settings::serving(&[killed.name()]);
    let first = spec(&nodes, &[("default", 50)]);
    let second = spec(&nodes, &[("default", 80), ("extra", 10)]);
    let (wanted, office) = (Office::open(&calm, "office", &first), Office::open(&killed, "office", &first));
    for (step, media, least) in [(first, 2, 15), (second, 4, 4)] {
        wanted.edit(&step);
        office.edit(&step);
        until("the undisturbed one is done", SOON, || {
            let nodes = wanted.media_nodes();
            if nodes.len() == media { Ok(()) } else { Err(nodes) }
        });
        wanted.until_workloads_have_their_leases(SOON);
        let difference = || differs(&made(&wanted, &calm), &made(&office, &killed));
        let writes = lives_of_one_write_each(&settings, &upstream, || difference().is_none());
        assert!(writes >= least, "{writes} writes");
        assert_eq!(difference(), None);
        office.until_workloads_have_their_leases(SOON);
    }
    let _last = settings.start();
    let kinds = ["Accepted", "PortsAllocated", "AddressesResolved", "Progressing", "Degraded"];
    until("both tell the same", SOON, || {
        let [wanted, found] = [&wanted, &office].map(|office| kinds.map(|kind| office.condition(kind).0));
        if wanted == found { Ok(()) } else { Err(format!("{found:?} and not {wanted:?}")) }
    });
    witness.found_no_overlap(&[]);
}

#[test]
fn cluster_a_two_operators_at_once_hand_out_no_port_twice_and_come_to_rest() {
    install_crds();
    let (here, there, nodes) = (Namespace::new("here"), Namespace::new("there"), Nodes::new("race", 2));
    let witness = Witness::start();
    let both = [here.name(), there.name()];
    let operators = [Settings::serving(&both).resync(5).start(), Settings::serving(&both).resync(5).start()];
    let of = |calls: u32| spec(&nodes, &[("default", calls)]);
    let mut offices = Vec::new();
    for namespace in [&here, &there] {
        offices.extend(
            [20, 120, 220].map(|calls| Office::open(namespace, &format!("with-{calls}"), &of(calls))),
        );
    }
    for office in &offices {
        office.until_media_on(&[nodes.name(0), nodes.name(1)], SOON);
        office.until_workloads_have_their_leases(SOON);
    }
    for office in &offices {
        office.edit(&spec(&nodes, &[("default", 60), ("extra", 10)]));
    }
    for office in &offices {
        let [a, b] = [nodes.name(0), nodes.name(1)];
        office.until_media_on(&[a, a, b, b], SOON);
        office.until_workloads_have_their_leases(SOON);
    }
    until("both rest for a resync and more", SOON, || {
        let audit = Audit::start();
        std::thread::sleep(Duration::from_secs(6));
        let writes: Vec<String> =
            operators.iter().flat_map(|operator| audit.writes_of(operator.user())).collect();
        if writes.is_empty() { Ok(()) } else { Err(writes) }
    });
    witness.found_no_overlap(&[]);
}
