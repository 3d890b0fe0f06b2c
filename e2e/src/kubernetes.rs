//! kubectl for tests that run against a real Kubernetes. It must not know which: `cargo xtask cluster run` says so.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::wait::until;

/// What `kubectl` said.
#[derive(Debug, Clone)]
pub struct Said {
    /// It exited with 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output.
    pub fn ok(self) -> String {
        assert!(self.success, "kubectl: {}", self.stderr);
        self.stdout
    }

    /// Standard error.
    pub fn refused(self) -> String {
        assert!(!self.success, "kubectl was not refused: {}", self.stdout);
        self.stderr
    }
}

/// Runs kubectl.
pub fn kubectl(arguments: &[&str]) -> Said {
    feed(arguments, "")
}

/// Runs kubectl with `input` on its standard input.
pub fn feed(arguments: &[&str], input: &str) -> Said {
    assert!(std::env::var_os("VOIP_E2E_TIER").is_some(), "run this by `cargo xtask cluster run`");
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start kubectl");
    // kubectl may end without reading all of it; what it says tells why.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    Said::of(&child.wait_with_output().expect("wait for kubectl"))
}

/// Applies manifests, as YAML or JSON.
pub fn apply(manifests: &str) -> Said {
    feed(&["apply", "--server-side", "-f", "-"], manifests)
}

/// Reads an object or a list: `get(&["pods", "-n", "voip"])`.
pub fn get(what: &[&str]) -> Value {
    let arguments = [&["get", "-o", "json"], what].concat();
    serde_json::from_str(&kubectl(&arguments).ok()).expect("kubectl prints JSON")
}

/// A namespace of a test's own; gone with it.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// Makes one whose name begins with `purpose`.
    pub fn new(purpose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{purpose}-{}-{count}", std::process::id());
        kubectl(&["create", "namespace", &name]).ok();
        Self(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

/// Installs the definitions of `crds/`, and waits until the API server serves them. In a Kubernetes of the user's they must be
/// there: nothing is changed in it.
pub fn install_crds() {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    if std::env::var_os("VOIP_TEST_KUBECONFIG").is_none() {
        kubectl(&["apply", "--server-side", "-f", crds]).ok();
    }
    let arguments = ["wait", "--for=condition=Established", "--timeout=30s", "-f", crds];
    kubectl(&arguments).ok();
    for kind in ["voipclusters", "sipusers", "dialplans", "rtpportleases"] {
        until(kind, Duration::from_secs(10), || {
            let said = kubectl(&["get", kind]);
            if said.success { Ok(()) } else { Err(said.stderr) }
        });
    }
}
