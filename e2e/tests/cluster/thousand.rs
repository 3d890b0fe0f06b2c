//! One VoipCluster on as many nodes as the test cluster has: a thousand when `cargo xtask test` runs it. Prints what it cost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::audit::Audit;
use e2e::kubernetes::{Namespace, get, install_crds};
use e2e::leases::{Witness, held};
use e2e::office::Office;
use e2e::operator::{Operator, Settings};
use e2e::process::Process;
use e2e::wait::until;
use serde_json::json;

/// Most that the operator may ever have resident.
const MEMORY: u64 = 256 << 20;
/// The seconds that each hundred nodes are given; a tenth of it is usual.
const PER_HUNDRED: u32 = 10;
/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How often the operator looks at everything.
const RESYNC: u32 = 10;
/// How long nothing may be written once all is done: long enough for several looks.
const REST: Duration = Duration::from_secs(35);

/// A program of Kubernetes, by the name of its log.
fn kubernetes(program: &str) -> Process {
    let run = std::env::var("VOIP_E2E_RUN").expect("run this by `cargo xtask cluster run`");
    let path = format!("{run}/pids/{program}");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Process(text.parse().unwrap_or_else(|error| panic!("{path}: {text}: {error}")))
}

/// Processor time of those whose work this is.
struct Costs<'a> {
    operator: &'a Operator,
    controllers: Process,
    api_server: Process,
    before: [Duration; 3],
}

impl<'a> Costs<'a> {
    fn from_now_on(operator: &'a Operator) -> Self {
        let (controllers, api_server) = (kubernetes("kube-controller-manager"), kubernetes("kube-apiserver"));
        let before = [operator.process(), controllers, api_server].map(Process::cpu);
        Self { operator, controllers, api_server, before }
    }

    fn print(&self, when: &str) {
        let now = [self.operator.process(), self.controllers, self.api_server].map(Process::cpu);
        let [operator, controllers, api_server] =
            [0, 1, 2].map(|nth: usize| now[nth].saturating_sub(self.before[nth]).as_secs_f64());
        let looks = self.operator.metric("voip_operator_reconcile_seconds_count");
        println!(
            "{when}: CPU of operator {operator:.1} s, controller-manager {controllers:.1} s, API server {api_server:.1} s; \
             looks so far {looks}; load average {}",
            std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim()
        );
    }
}

/// How often each kind of thing was written.
fn by_kind(writes: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for write in writes {
        let words: Vec<&str> = write.split(' ').collect();
        *counts.entry(format!("{} {} {}", words[0], words[1], words[3])).or_default() += 1;
    }
    counts
}

#[test]
fn cluster_thousand_nodes_get_their_leases_and_pods_and_then_nothing_is_written() {
    install_crds();
    let nodes = get(&["nodes"])["items"].as_array().map_or(0, Vec::len);
    let limit = Duration::from_secs(u64::from(PER_HUNDRED)) * u32::try_from(nodes.div_ceil(100)).unwrap();
    let namespace = Namespace::new("thousand");
    let operator = Settings::serving(&[namespace.name()]).resync(RESYNC).shipped().start();
    let (witness, audit, costs) = (Witness::start(), Audit::start(), Costs::from_now_on(&operator));
    let spec = json!({
        "signaling": {"exposure": "ClusterIP"},
        "media": {"pools": [{"name": "default", "nodes": "100%"}]},
    });
    let (office, started) = (Office::open(&namespace, "office", &spec), Instant::now());
    until("every node has a lease", limit, || {
        let leases = witness.count(&office.prefix());
        if leases >= nodes { Ok(()) } else { Err(leases) }
    });
    println!("{nodes} leases after {:.1} s", started.elapsed().as_secs_f64());
    await_pods(&office, nodes, limit);
    println!("{nodes} pods Ready after {:.1} s", started.elapsed().as_secs_f64());
    office.until_condition("Progressing", "False UpToDate", limit);
    println!("up to date after {:.1} s", started.elapsed().as_secs_f64());
    costs.print("until then");
    let writes = audit.writes_of(operator.user());
    println!("writes of the operator: {} {:#?}", writes.len(), by_kind(&writes));

    office.until_pods_have_their_leases(limit);
    let leases = held(&office.prefix());
    assert_eq!(leases.len(), nodes);
    assert!(leases.values().all(|lease| lease["state"] == "Active"), "{leases:#?}");
    witness.found_no_overlap(&[office.prefix()]);

    let (audit, costs, looks) =
        (Audit::start(), Costs::from_now_on(&operator), "voip_operator_reconcile_seconds_count");
    let before = operator.metric(looks);
    // What must not happen has no event to wait for.
    std::thread::sleep(REST);
    assert!(operator.metric(looks) >= before + 2.0, "the operator did look");
    costs.print(&format!("{} s at rest", REST.as_secs()));
    let writes = audit.writes_of(operator.user());
    assert!(writes.is_empty(), "written while nothing changed: {:#?}", by_kind(&writes));
    let peak = operator.process().peak_resident_bytes();
    println!("memory of the operator: {:.0} MiB at its peak", peak as f64 / f64::from(1 << 20));
    assert!(peak <= MEMORY, "{peak} bytes");
}

/// Asks for nothing big and not all the time: on two cores that alone would be much of the load.
fn await_pods(office: &Office, nodes: usize, limit: Duration) {
    until("every node has a media pod that is Ready", limit, || {
        let media = office.status()["media"].take();
        if media["ready"] == nodes && media["desired"] == nodes {
            return Ok(());
        }
        std::thread::sleep(ASK_EVERY);
        Err(media)
    });
}
