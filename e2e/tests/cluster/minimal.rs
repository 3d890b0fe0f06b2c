//! The minimal example under a real operator, real controllers and simulated nodes.

use std::path::Path;
use std::time::Duration;

use e2e::audit::Audit;
use e2e::cluster::workspace;
use e2e::kubernetes::{Namespace, apply, install_crds};
use e2e::leases;
use e2e::office::Office;
use e2e::operator::Settings;

const CALLS_POSSIBLE: &str = "True CallsPossible";

fn minimal(namespace: &Namespace) -> Office {
    let path = Path::new(workspace()).join("examples/minimal.yaml");
    let text = std::fs::read_to_string(path).expect("the example is there");
    apply(&text.replace("namespace: voip", &format!("namespace: {}", namespace.name()))).ok();
    Office::of(namespace, "office")
}

#[test]
fn cluster_b_the_minimal_example_becomes_ready_and_shows_its_columns() {
    install_crds();
    let namespace = Namespace::new("minimal");
    let _operator = Settings::serving(&[namespace.name()]).start();
    let office = minimal(&namespace);
    let message = office.until_condition("Ready", "False LoadBalancerPending", Duration::from_secs(10));
    assert!(message.contains("exposure"), "the message offers another exposure: {message}");
    office.give_address("203.0.113.5");
    office.until_condition("Ready", CALLS_POSSIBLE, Duration::from_secs(10));

    let table = office.kubectl(&["get", "voip", "office"]);
    let [head, line] = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|lines| panic!("two lines: {lines:?}"));
    assert_eq!(head, ["NAME", "READY", "MODE", "ADDRESS", "CALLS", "CAPACITY", "MEDIA", "AGE"]);
    assert_eq!(line[..7], ["office", "True", "HostNetwork", "203.0.113.5", "0", "500", "2/2"], "{table}");
    let wide = office.kubectl(&["get", "voip", "office", "-o", "wide"]);
    for column in ["SIGNALING", "REGISTRATIONS", "PORTS-FREE", "VERSION", "REASON"] {
        assert!(wide.contains(column), "{wide}");
    }
    assert!(wide.contains("CallsPossible") && wide.contains(env!("CARGO_PKG_VERSION")), "{wide}");
    assert_eq!(leases::held(&office.prefix()).len(), 2);
    let users = office.kubectl(&["get", "sipusers", "-o", "jsonpath={.items[*].status.secretName}"]);
    assert_eq!(users, "phone-1001 1002-sip");
}

/// `RESYNC` often enough.
const IDLE: Duration = Duration::from_mins(3);
const RESYNC: u32 = 30;

#[test]
fn cluster_b_nothing_is_written_while_nothing_changes() {
    install_crds();
    let namespace = Namespace::new("idle");
    let operator = Settings::serving(&[namespace.name()]).elected_in(namespace.name()).resync(RESYNC).start();
    let office = minimal(&namespace);
    office.until_condition("Ready", "False LoadBalancerPending", Duration::from_secs(10));
    office.give_address("203.0.113.6");
    office.until_condition("Ready", CALLS_POSSIBLE, Duration::from_secs(10));
    office.until_condition("Progressing", "False UpToDate", Duration::from_secs(20));

    let (audit, looks) = (Audit::start(), "voip_operator_reconcile_seconds_count");
    let before = operator.metric(looks);
    // What must not happen has no event to wait for.
    std::thread::sleep(IDLE);
    assert!(operator.metric(looks) >= before + 5.0, "the operator did look");
    let (renewals, writes): (Vec<String>, Vec<String>) =
        audit.writes_of(operator.user()).into_iter().partition(|write| write.contains(" leases/ "));
    assert!(!renewals.is_empty(), "it leads by a Lease, which it renews");
    assert!(writes.is_empty(), "written while nothing changed: {writes:#?}");
}
