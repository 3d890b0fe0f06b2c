//! A running sip-node and its directories.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sip_core::digest::{DigestAlgorithm, ha1};
use voip_contract::admin::{CallRecord, StatusReport};

/// How long anything may take before a test fails.
pub(crate) const LONG: Duration = Duration::from_secs(20);
pub(crate) const REALM: &str = "office";

/// Directories and addresses of one test; removed at its end.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) host: IpAddr,
}

impl Place {
    /// A place with good documents and two users, 1001 and 1002.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let pid = std::process::id();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [high, low] = u16::try_from(pid % 65_536).unwrap().to_be_bytes();
        // 127.64.0.0/10: away from 127.0.0.1, where others may listen.
        let host = Ipv4Addr::new(127, 64 | (high & 63), low, number);
        let root = std::env::temp_dir().join(format!("sip-node-test-{pid}-{number}"));
        std::fs::create_dir_all(root.join("config")).unwrap();
        let place = Self { root, host: host.into() };
        place.write_sip(&sip_document());
        place.write_users(&["1001", "1002"]);
        place
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(crate) fn write_sip(&self, document: &Value) {
        replace(&self.config().join("sip.json"), &serde_json::to_string_pretty(document).unwrap());
    }

    pub(crate) fn write_users(&self, users: &[&str]) {
        self.write_users_document(&users_document(&format!("users-{}", users.len()), users));
    }

    pub(crate) fn write_users_document(&self, document: &Value) {
        replace(&self.config().join("users.json"), &serde_json::to_string_pretty(document).unwrap());
    }

    pub(crate) fn sip(&self) -> SocketAddr {
        (self.host, 5060).into()
    }

    pub(crate) fn peers(&self) -> SocketAddr {
        (self.host, 9090).into()
    }

    fn http(&self) -> SocketAddr {
        (self.host, 8080).into()
    }

    /// The command line for this place.
    pub(crate) fn command(&self) -> Command {
        self.command_bound_to(&self.host.to_string())
    }

    pub(crate) fn command_bound_to(&self, bind: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sip-node"));
        command
            .arg("--config")
            .arg(self.config())
            .arg("--state")
            .arg(self.state())
            .args(["--bind", bind])
            .args(["--peers", &self.peers().to_string()])
            .args(["--http", &self.http().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self) -> Node<'_> {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Node<'_> {
        self.start_bound_to(&self.host.to_string(), arguments)
    }

    pub(crate) fn start_bound_to(&self, bind: &str, arguments: &[&str]) -> Node<'_> {
        let child = self.command_bound_to(bind).args(arguments).spawn().unwrap();
        let mut node = Node { place: self, child };
        let start = Instant::now();
        while !node.get("/readyz").is_some_and(|text| text.starts_with("HTTP/1.1 200")) {
            if let Some(status) = node.child.try_wait().unwrap() {
                panic!("sip-node ended with {status}: {}", node.stderr());
            }
            assert!(start.elapsed() < LONG, "not ready in time");
            std::thread::sleep(Duration::from_millis(5));
        }
        node
    }

    /// Runs it to its end, which must come soon: exit code and stderr.
    pub(crate) fn run_to_end(&self) -> (Option<i32>, String) {
        let mut node = Node { place: self, child: self.command().spawn().unwrap() };
        let status = node.wait();
        (status.code(), node.stderr())
    }

    pub(crate) fn cdrs(&self) -> Vec<CallRecord> {
        sip_node::cdr::read(&self.state().join("cdrs.sqlite"), 100).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// As a `ConfigMap` is swapped: the file is there whole or not at all.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

pub(crate) fn sip_document() -> Value {
    json!({
        "version": 1, "fingerprint": "sip-1", "cluster": "voip/office", "domains": [], "realm": REALM,
        "digestAlgorithms": ["SHA-256", "MD5"],
        "listeners": [{"name": "udp", "protocol": "UDP", "port": 5060}],
        "localCidrs": [],
        "dialplans": []
    })
}

pub(crate) fn users_document(fingerprint: &str, users: &[&str]) -> Value {
    let users: Vec<_> = users.iter().map(|user| user_document(user)).collect();
    json!({"version": 1, "fingerprint": fingerprint, "users": users})
}

/// The password of a test user.
pub(crate) fn password(user: &str) -> String {
    format!("secret-of-{user}")
}

fn user_document(user: &str) -> Value {
    let secret = |algorithm| ha1(algorithm, user, REALM, &password(user));
    json!({
        "username": user,
        "ha1": {"SHA-256": secret(DigestAlgorithm::Sha256), "MD5": secret(DigestAlgorithm::Md5)},
        "displayName": "", "numbers": [], "context": "internal", "callerId": "",
        "maxCalls": 4, "maxContacts": 4, "enabled": true
    })
}

/// A process, killed when dropped.
pub(crate) struct Node<'a> {
    pub(crate) place: &'a Place,
    pub(crate) child: Child,
}

impl Node<'_> {
    /// The raw answer to a GET; none when nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        self.get_with(path, "")
    }

    /// The same with further header lines.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.place.http()).ok()?;
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    pub(crate) fn status(&self) -> StatusReport {
        let text = self.get("/api/v1/status").unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// Waits until the status is as wanted.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&StatusReport) -> bool) -> StatusReport {
        let start = Instant::now();
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(start.elapsed() < LONG, "{what}: {status:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The value of a metric, labels included in `name`; 0 when it is not there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Waits until a metric has reached `least`.
    pub(crate) fn wait_for_metric(&self, name: &str, least: u64) {
        let start = Instant::now();
        while self.metric(name) < least {
            assert!(start.elapsed() < LONG, "{name} stays below {least}: {}", self.get("/metrics").unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < LONG, "sip-node does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it printed; only after its end.
    pub(crate) fn stdout(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// What it wrote to stderr; only after its end.
    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
