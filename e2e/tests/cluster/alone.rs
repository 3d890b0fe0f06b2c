//! What befalls the whole Kubernetes: its API server goes, the definitions of our kinds are edited or deleted. What runs stays as
//! it is.
//!
//! Each of these tests disturbs all others on the same cluster, so they have a run of their own, one at a time, on tier b.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::audit::Audit;
use e2e::kubernetes::{Namespace, get, install_crds, kubectl};
use e2e::leases::held_spans;
use e2e::nodes::Nodes;
use e2e::office::Office;
use e2e::operator::{Operator, Settings};
use e2e::process::Process;
use e2e::wait::until;
use rustix::process::Signal;
use serde_json::{Value, json};

const CALLS_POSSIBLE: &str = "True CallsPossible";
const SOON: Duration = Duration::from_secs(10);
/// A watch that failed counts as failing for 75 s, and the next look comes within a minute.
const HEALED: Duration = Duration::from_secs(50);
const LOOKS: &str = "voip_operator_reconcile_seconds_count";
const FAULTS: &str = "voip_operator_faults_total";

fn spec(nodes: &Nodes, pools: &[&str]) -> Value {
    let pool = |name: &&str| json!({"name": name, "callsPerNode": 50, "nodes": "100%", "template": nodes.template()});
    let pools: Vec<Value> = pools.iter().map(pool).collect();
    json!({"signaling": {"exposure": "ClusterIP"}, "media": {"pools": pools}})
}

/// One on nodes of its own, with two media pools, at rest.
fn at_rest(namespace: &Namespace, nodes: &Nodes) -> Office {
    let office = Office::open(namespace, "office", &spec(nodes, &["default", "extra"]));
    office.until_condition("Ready", CALLS_POSSIBLE, SOON);
    office.until_pods_have_their_leases(SOON);
    office.until_condition("Progressing", "False UpToDate", SOON);
    office.until_condition("Degraded", "False Healthy", SOON);
    office
}

/// What runs: workloads with their generation, pods, ports.
fn running(office: &Office) -> Vec<String> {
    let kinds = ["deployments", "daemonsets", "services", "configmaps", "pods"];
    let mut all: Vec<String> = kinds
        .iter()
        .flat_map(|kind| office.objects(kind))
        .map(|object| {
            let metadata = &object["metadata"];
            format!(
                "{} {} {} {}",
                metadata["name"], metadata["uid"], metadata["generation"], metadata["deletionTimestamp"]
            )
        })
        .collect();
    all.extend(held_spans(&office.prefix()).iter().map(|(id, spans)| format!("{id} {spans:?}")));
    all
}

fn until_media(office: &Office, count: usize) {
    until(&format!("{count} media workloads"), SOON, || {
        let nodes = office.media_nodes();
        if nodes.len() == count { Ok(()) } else { Err(nodes) }
    });
}

/// Waits until `operator` has looked `times` more.
fn until_looked(operator: &Operator, times: f64) {
    let before = operator.metric(LOOKS);
    until(&format!("{times} looks"), SOON * 2, || {
        let looks = operator.metric(LOOKS);
        if looks >= before + times { Ok(()) } else { Err(looks) }
    });
}

/// Waits until looks of `operator` find nothing that cannot be done.
fn until_no_fault(operator: &Operator) {
    until("looks without a fault", HEALED, || {
        let before = operator.metric(FAULTS);
        until_looked(operator, 3.0);
        let faults = operator.metric(FAULTS) - before;
        if faults > 0.0 { Err(faults) } else { Ok(()) }
    });
}

/// Waits until `operator` has found more than `before` that cannot be done.
fn until_faults(operator: &Operator, before: f64) {
    until("the operator finds faults", SOON, || {
        let faults = operator.metric(FAULTS);
        if faults > before { Ok(()) } else { Err(faults) }
    });
}

fn api_server() -> Process {
    let run = PathBuf::from(std::env::var_os("VOIP_E2E_RUN").expect("run this by `cargo xtask cluster run`"));
    let pid = std::fs::read_to_string(run.join("pids/kube-apiserver")).expect("an API server was started");
    Process(pid.trim().parse().expect("a process id"))
}

/// Ends it if it runs, and starts it with the same arguments.
fn restart_api_server() {
    let xtask = std::env::var_os("VOIP_E2E_XTASK").expect("run this by `cargo xtask cluster run`");
    let status = Command::new(xtask).args(["cluster", "restart-apiserver"]).status().expect("start xtask");
    assert!(status.success(), "cluster restart-apiserver: {status}");
}

#[test]
fn cluster_alone_an_api_server_that_goes_and_comes_back_moves_nothing() {
    mend_definitions();
    let (namespace, nodes) = (Namespace::new("outage"), Nodes::new("outage", 2));
    let operator = Settings::serving(&[namespace.name()]).elected_in(namespace.name()).resync(5).start();
    let office = at_rest(&namespace, &nodes);
    let (before, audit) = (running(&office), Audit::start());

    // It is killed, and when it is back it is told to end.
    let faults = operator.metric(FAULTS);
    api_server().signal(Signal::KILL);
    until_faults(&operator, faults);
    restart_api_server();
    restart_api_server();
    until_no_fault(&operator);
    office.until_condition("Degraded", "False Healthy", SOON);
    office.until_condition("Ready", CALLS_POSSIBLE, SOON);
    assert_eq!(running(&office), before);
    assert!(operator.process().runs());
    let told =
        |write: &String| ["voipclusters/status", "events/", "leases/ "].iter().any(|it| write.contains(it));
    let writes = audit.writes_of(operator.user());
    let needless: Vec<&String> =
        writes.iter().filter(|write| !told(write) || write.contains("rtpportleases")).collect();
    assert!(needless.is_empty(), "{needless:#?}");

    office.edit(&spec(&nodes, &["default", "extra", "later"]));
    until_media(&office, 6);
    office.until_pods_have_their_leases(SOON);
    let after = running(&office);
    assert!(before.iter().all(|it| it.contains("sip") || after.contains(it)), "{before:#?} {after:#?}");
}

/// What the operator says mends a definition.
fn mend_definitions() {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", crds]).ok();
    install_crds();
}

/// Changes a definition by a JSON patch.
fn patch_definition(name: &str, operation: &Value) {
    let patch = json!([operation]).to_string();
    kubectl(&["patch", "customresourcedefinition", name, "--type=json", "-p", &patch]).ok();
}

/// Waits until an event of `office` tells `what`.
fn until_told(office: &Office, what: &str) {
    until(&format!("an event tells: {what}"), SOON, || {
        let said = office.kubectl(&["get", "events", "-o", "jsonpath={.items[*].message}"]);
        if said.contains(what) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn cluster_alone_a_definition_that_is_edited_takes_nothing_away() {
    mend_definitions();
    let (namespace, nodes) = (Namespace::new("schema"), Nodes::new("schema", 2));
    let operator = Settings::serving(&[namespace.name()]).resync(5).start();
    let office = at_rest(&namespace, &nodes);
    let (before, audit) = (running(&office), Audit::start());
    let (clusters, version) = ("voipclusters.voip.dev", "/spec/versions/0");

    // Columns are for people only.
    patch_definition(
        clusters,
        &json!({"op": "remove", "path": format!("{version}/additionalPrinterColumns")}),
    );
    until_looked(&operator, 3.0);
    assert_eq!(audit.writes_of(operator.user()), [""; 0]);

    // Without the field every VoipCluster seems to have the default pool.
    let media = format!("{version}/schema/openAPIV3Schema/properties/spec/properties/media");
    patch_definition(clusters, &json!({"op": "remove", "path": media}));
    until_told(
        &office,
        "CustomResourceDefinition voipclusters.voip.dev: read: it lacks .spec.media; `kubectl apply",
    );
    until("the API server tells nothing of the field", SOON, || {
        let spec = office.get()["spec"].take();
        if spec["media"].is_null() { Ok(()) } else { Err(spec) }
    });
    // An operator that starts now knows no better.
    let operator = operator.kill().start();
    until_faults(&operator, 0.0);
    assert_eq!(running(&office), before);
    let clusters = |write: &String| write.contains("voipclusters");
    assert!(!audit.writes_of(operator.user()).iter().any(clusters), "the field would be lost for ever");

    mend_definitions();
    until_no_fault(&operator);
    assert_eq!(office.get()["spec"]["media"]["pools"].as_array().map(Vec::len), Some(2));
    office.until_condition("Degraded", "False Healthy", SOON);
    assert_eq!(running(&office), before);
    office.edit(&spec(&nodes, &["default", "extra", "later"]));
    until_media(&office, 6);
    office.until_pods_have_their_leases(SOON);
}

#[test]
fn cluster_alone_leases_come_back_as_they_were_after_their_definition_was_deleted() {
    mend_definitions();
    let (namespace, nodes) = (Namespace::new("undefined"), Nodes::new("undefined", 2));
    let operator = Settings::serving(&[namespace.name()]).resync(5).start();
    let office = at_rest(&namespace, &nodes);
    let before = running(&office);

    kubectl(&["delete", "customresourcedefinition", "rtpportleases.voip.dev"]).ok();
    let message = office.until_condition("Degraded", "True CrdInvalid", SOON);
    assert!(message.contains("CustomResourceDefinition rtpportleases.voip.dev"), "{message}");
    office.until_condition("Ready", CALLS_POSSIBLE, SOON);
    assert!(operator.process().runs());

    mend_definitions();
    until("the leases are back", HEALED, || {
        let after = running(&office);
        if after == before { Ok(()) } else { Err(after) }
    });
    until_no_fault(&operator);
    office.until_condition("Degraded", "False Healthy", SOON);
    assert_eq!(running(&office), before);
    let object = get(&["rtpportlease", &format!("node.{}", nodes.name(0))]);
    assert_eq!(object["status"]["leases"], 2);
}
