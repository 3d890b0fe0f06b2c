//! The architecture as a test: what each crate must not be able to do, read from `cargo tree`.
//!
//! Asked per crate: in the whole workspace features unify and a crate would seem to reach what only others use.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Crates that wait, listen or dial.
const RUNTIME: &[&str] = &["tokio", "mio", "hyper", "tonic", "axum", "ureq"];
/// Crates that read a clock or a random source, or open what the kernel has.
const MACHINE: &[&str] = &["getrandom", "rand", "rustix", "socket2", "nix"];
/// Anything that talks to Kubernetes.
const KUBERNETES: &[&str] = &["kube", "kube-core", "kube-client", "kube-runtime", "k8s-openapi"];
/// The client half of it.
const CLIENT: &[&str] = &["kube-client", "kube-runtime"];
const SQL: &[&str] = &["rusqlite", "libsqlite3-sys"];
const PROTOBUF: &[&str] = &["prost", "tonic", "voip-grpc"];

const FORBIDDEN: &[(&str, &[&[&str]])] = &[
    (
        "voip-contract",
        &[RUNTIME, MACHINE, KUBERNETES, SQL, PROTOBUF, &["sip-core", "media-core", "call-core"]],
    ),
    (
        "sip-core",
        &[RUNTIME, MACHINE, KUBERNETES, SQL, PROTOBUF, &["media-core", "call-core", "voip-contract"]],
    ),
    ("dialplan", &[RUNTIME, MACHINE, KUBERNETES, SQL, PROTOBUF, &["mlua", "sip-core", "media-core"]]),
    ("call-core", &[RUNTIME, MACHINE, KUBERNETES, SQL, PROTOBUF, &["mlua", "media-core"]]),
    ("media-core", &[RUNTIME, MACHINE, KUBERNETES, SQL, PROTOBUF, &["sip-core", "call-core"]]),
    ("voip-api", &[RUNTIME, CLIENT, SQL, PROTOBUF, &["rustix", "socket2", "sip-core", "media-core"]]),
    ("voip-plan", &[RUNTIME, CLIENT, SQL, PROTOBUF, &["rustix", "socket2", "sip-core", "media-core"]]),
    ("voip-grpc", &[KUBERNETES, SQL, &["sip-core", "call-core", "media-core"]]),
    ("voip-telemetry", &[KUBERNETES, SQL, PROTOBUF, &["sip-core", "call-core", "media-core"]]),
    ("softphone", &[RUNTIME, KUBERNETES, SQL, PROTOBUF, &["call-core"]]),
    ("sip-node", &[KUBERNETES, &["voip-api", "voip-plan", "media-core", "media-node"]]),
    ("media-node", &[KUBERNETES, SQL, &["voip-api", "voip-plan", "sip-core", "call-core", "sip-node"]]),
    ("voip-operator", &[SQL, &["sip-core", "call-core", "media-core", "sip-node", "media-node", "ring"]]),
    ("voipctl", &[CLIENT]),
    ("testkit", &[RUNTIME, KUBERNETES, &["sip-core", "call-core", "media-core", "voip-contract"]]),
];

/// Names of `package` and all it links, but for what only builds or tests it.
fn linked(package: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn no_crate_reaches_what_it_must_not() {
    let mut edges = Vec::new();
    for (package, forbidden) in FORBIDDEN {
        let linked = linked(package);
        assert!(linked.contains(*package), "cargo tree says nothing of {package}");
        for name in forbidden.iter().flat_map(|names| names.iter()) {
            if linked.contains(*name) {
                edges.push(format!("{package} reaches {name}"));
            }
        }
    }
    assert!(edges.is_empty(), "forbidden edges:\n{}", edges.join("\n"));
}

#[test]
fn a_forbidden_edge_would_be_seen() {
    assert!(linked("voip-grpc").contains("tonic"));
}
