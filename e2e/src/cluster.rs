//! A cluster on this machine: its documents, and `voipctl up` on them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use softphone::{Phone, PhoneConfig, Secret};

use crate::ports::Block;
use crate::process::Process;
use crate::wait;

/// `voipctl`, built by the test command before the tests.
pub fn voipctl() -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let program = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join("voipctl");
    assert!(
        program.exists(),
        "{} is missing: run `cargo build -p voipctl`, or `cargo xtask test`",
        program.display()
    );
    program
}

/// What a test wants to run; every field has the value that most tests want.
pub struct Cluster {
    /// Users; the password of each is `secret-NAME`.
    pub users: Vec<String>,
    /// Media nodes.
    pub nodes: u32,
    /// Calls per media node.
    pub calls_per_node: u32,
    /// YAML flow list for `digestAlgorithms`.
    pub digest: &'static str,
    /// Routes beside the built-in ones, as YAML list items of `spec.routes`; empty: no Dialplan at all.
    pub routes: &'static str,
    block: Block,
    directory: PathBuf,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// Two media nodes for 40 calls each, users 1001 and 1002, no Dialplan.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("voip-e2e-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
        Self {
            users: vec!["1001".into(), "1002".into()],
            nodes: 2,
            calls_per_node: 40,
            digest: "[SHA-256, MD5]",
            routes: "",
            block: Block::take(),
            directory,
        }
    }

    /// Where the cluster's phones register.
    pub fn server(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.block.sip(0)).into()
    }

    /// SIP port number `nth` (1 to 7) for a foreign phone.
    pub fn phone_port(&self, nth: u16) -> u16 {
        assert!(nth > 0, "the first is the cluster's own");
        self.block.sip(nth)
    }

    /// First and last port of `network.portRange`.
    pub fn rtp(&self) -> (u16, u16) {
        self.block.rtp()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Its documents.
    pub fn yaml(&self) -> String {
        let (first, last) = self.rtp();
        let mut yaml = format!(
            "apiVersion: voip.dev/v1alpha1\nkind: VoipCluster\nmetadata: {{name: test, namespace: voip}}\nspec:\n  \
             digestAlgorithms: {}\n  signaling:\n    replicas: 1\n    listeners: [{{name: udp, protocol: UDP, port: {}}}]\n  \
             media: {{pools: [{{name: default, nodes: {}, callsPerNode: {}}}]}}\n  \
             network: {{portRange: {first}-{last}}}\n",
            self.digest,
            self.server().port(),
            self.nodes,
            self.calls_per_node,
        );
        for user in &self.users {
            write!(
                yaml,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {user}-sip, namespace: voip}}\nstringData: \
                 {{password: secret-{user}}}\n---\napiVersion: voip.dev/v1alpha1\nkind: SipUser\nmetadata: {{name: \
                 \"{user}\", namespace: voip}}\nspec:\n  clusterRef: {{name: test}}\n  passwordSecretRef: {{name: \
                 {user}-sip, key: password}}\n"
            )
            .expect("writing to a string");
        }
        if !self.routes.is_empty() {
            write!(
                yaml,
                "---\napiVersion: voip.dev/v1alpha1\nkind: Dialplan\nmetadata: {{name: test, namespace: voip}}\nspec:\n  \
                 clusterRef: {{name: test}}\n  routes:\n{}\n",
                self.routes
            )
            .expect("writing to a string");
        }
        yaml
    }

    /// Writes `yaml` where `up` reads it.
    pub fn write(&self, yaml: &str) -> PathBuf {
        let path = self.directory.join("cluster.yaml");
        let mut file = std::fs::File::create(&path).expect("the test's directory is writable");
        file.write_all(yaml.as_bytes()).expect("the test's directory has room");
        path
    }

    /// Starts `voipctl up` on [`Cluster::yaml`] and waits until calls are possible.
    pub fn up(self) -> Up {
        let yaml = self.yaml();
        let mut up = self.start(&yaml);
        up.await_ready();
        up
    }

    /// Starts `voipctl up` on `yaml`, and waits for nothing.
    pub fn start(self, yaml: &str) -> Up {
        let file = self.write(yaml);
        let log = |name: &str| {
            std::fs::File::create(self.directory.join(name)).expect("the test's directory is writable")
        };
        let child = Command::new(voipctl())
            .arg("up")
            .arg(&file)
            .arg("--state-dir")
            .arg(self.state())
            .stdin(Stdio::null())
            .stdout(log("up.out"))
            .stderr(log("up.err"))
            .spawn()
            .expect("voipctl starts");
        Up { cluster: self, child: Some(child) }
    }

    /// Runs `voipctl` to its end with `arguments` and `--state-dir`.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(voipctl())
            .args(arguments)
            .arg("--state-dir")
            .arg(self.state())
            .stdin(Stdio::null())
            .output()
            .expect("voipctl starts")
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.directory.display());
        } else {
            std::fs::remove_dir_all(&self.directory).ok();
        }
    }
}

/// A running `voipctl up`.
pub struct Up {
    /// What it runs.
    pub cluster: Cluster,
    child: Option<Child>,
}

impl Up {
    /// Waits until `voipctl status --wait` says that calls are possible.
    pub fn await_ready(&mut self) {
        let output = self.cluster.run(&["status", "--wait", "60s"]);
        assert!(
            output.status.success(),
            "not ready: {}\nup said: {}{}",
            String::from_utf8_lossy(&output.stderr),
            self.stdout(),
            self.stderr()
        );
    }

    /// The process of `up` itself.
    pub fn process(&self) -> Process {
        Process(self.child.as_ref().expect("up runs").id())
    }

    /// What it printed so far.
    pub fn stdout(&self) -> String {
        self.cluster.file("up.out")
    }

    /// What it complained about so far.
    pub fn stderr(&self) -> String {
        self.cluster.file("up.err")
    }

    /// The sip-node it started.
    pub fn sip_node(&self) -> Process {
        self.find(&["sip-node"]).expect("up runs a sip-node")
    }

    /// The media-node of that name, if it runs.
    pub fn media_node(&self, name: &str) -> Option<Process> {
        self.find(&["media-node", name])
    }

    fn find(&self, words: &[&str]) -> Option<Process> {
        let has = |process: &Process| {
            let arguments = process.arguments();
            words.iter().all(|word| arguments.iter().any(|argument| argument == word))
        };
        self.process().children().into_iter().find(has)
    }

    /// `voipctl status -o json`.
    pub fn status(&self) -> Value {
        self.json(&["status", "-o", "json"])
    }

    /// `voipctl cdrs -o json`.
    pub fn cdrs(&self) -> Vec<Value> {
        let Value::Array(records) = self.json(&["cdrs", "-o", "json"]) else {
            panic!("cdrs prints an array")
        };
        records
    }

    /// Runs a command of `voipctl` that must succeed, and reads the JSON it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.cluster.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("-o json prints JSON and nothing else")
    }

    /// Waits until `count` CDRs are closed, and returns them all.
    pub fn closed_cdrs(&self, count: usize) -> Vec<Value> {
        wait::until(&format!("{count} closed CDRs"), Duration::from_secs(5), || {
            let records = self.cdrs();
            let closed = records.iter().filter(|record| !record["endedAt"].is_null()).count();
            if closed == count && records.len() == count { Ok(records) } else { Err(records) }
        })
    }

    /// Waits until no call, session and port is in use.
    pub fn await_idle(&self) {
        wait::until("no call, session and port in use", Duration::from_secs(5), || {
            let status = self.status();
            let idle = |node: &Value| node["sessions"] == 0 && node["portsInUse"] == 0;
            let nodes = status["mediaNodes"].as_array().cloned().unwrap_or_default();
            if status["activeCalls"] == 0 && nodes.iter().all(idle) { Ok(()) } else { Err(status) }
        });
    }

    /// A figure of sip-node's metrics page: the sum over the series whose name and labels start with `series`.
    pub fn metric(&self, series: &str) -> f64 {
        let arguments = self.sip_node().arguments();
        let at = arguments.iter().position(|argument| argument == "--http").expect("sip-node has --http");
        let page = ureq::get(format!("http://{}/metrics", arguments[at + 1]))
            .call()
            .and_then(|mut response| response.body_mut().read_to_string())
            .expect("sip-node serves metrics");
        let values =
            page.lines().filter(|line| line.starts_with(series)).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum()
    }

    /// Waits until a figure is as wanted: metrics follow what happens by a moment.
    pub fn await_metric(&self, series: &str, wanted: impl Fn(f64) -> bool) {
        wait::until(series, Duration::from_secs(5), || {
            let value = self.metric(series);
            if wanted(value) { Ok(()) } else { Err(value) }
        });
    }

    /// A phone of `user` with the right password and otherwise the usual configuration.
    pub fn phone(&self, user: &str) -> Phone {
        Phone::start(self.phone_config(user)).expect("a phone starts")
    }

    /// Configuration of a phone of `user`, to be changed.
    pub fn phone_config(&self, user: &str) -> PhoneConfig {
        PhoneConfig::new(self.cluster.server(), "127.0.0.1", user, Secret::Password(format!("secret-{user}")))
    }

    /// Ends it as Ctrl-C does and checks that it goes in good order: within 5 s (times [`wait::PATIENCE`]), exit code
    /// 0, no child left.
    pub fn stop(mut self) {
        let children = self.process().children();
        self.process().signal(Signal::INT);
        let code = self.exit_code(Duration::from_secs(5));
        assert_eq!(code, Some(0), "{}", self.stderr());
        assert!(children.iter().all(|child| !child.runs()), "children outlived up");
    }

    /// Waits for its end, at most `limit` times [`wait::PATIENCE`], and returns its exit code.
    pub fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        let mut child = self.child.take().expect("up runs");
        let deadline = Instant::now() + limit * wait::PATIENCE;
        loop {
            match child.try_wait().expect("up is our child") {
                Some(status) => return status.code(),
                None if Instant::now() >= deadline => {
                    child.kill().ok();
                    child.wait().ok();
                    panic!("up did not end within {limit:?} x {}", wait::PATIENCE);
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let children = Process(child.id()).children();
        Process(child.id()).signal(Signal::INT);
        let deadline = Instant::now() + Duration::from_secs(8);
        while child.try_wait().ok().flatten().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().ok();
        child.wait().ok();
        for process in children.into_iter().filter(|process| process.runs()) {
            process.signal(Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("up said:\n{}{}", self.stdout(), self.stderr());
        }
    }
}

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace")
}
