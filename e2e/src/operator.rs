//! `voip-operator` as a process beside the cluster: under a name of its own, ended by process id.
//!
//! The name is one that the administrator's credentials speak for (impersonation), so that the audit log tells what this
//! operator asked for, and so that it can be given fewer rights than the administrator has.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kubernetes::kubectl;
use crate::process::Process;
use crate::wait::until;

/// How an operator is started; every field has the value that most tests want.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--watch-namespaces`.
    pub namespaces: Vec<String>,
    /// Who it is to the API server.
    pub user: String,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// Where the API server is said to be, when not where it is.
    pub server: Option<String>,
    /// Namespace of the Lease by which it asks for leadership; none: it leads without asking.
    pub elected_in: Option<String>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// The executable; none: the one that was built with the tests.
    pub program: Option<PathBuf>,
}

impl Settings {
    /// Serves `namespaces` with every right.
    pub fn serving(namespaces: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            user: format!("operator-{}-{count}", std::process::id()),
            groups: vec!["system:masters".to_owned()],
            server: None,
            elected_in: None,
            arguments: Vec::new(),
            program: None,
        }
    }

    /// Looks at everything every `seconds`.
    #[must_use]
    pub fn resync(mut self, seconds: u32) -> Self {
        self.arguments.extend(["--resync".to_owned(), seconds.to_string()]);
        self
    }

    /// Leads only by a Lease in `namespace`.
    #[must_use]
    pub fn elected_in(mut self, namespace: &str) -> Self {
        self.elected_in = Some(namespace.to_owned());
        self
    }

    /// Takes the operator as it is shipped, out of its image.
    #[must_use]
    pub fn shipped(mut self) -> Self {
        let image = format!("{}-unknown-linux-gnu/image/voip-operator", std::env::consts::ARCH);
        let program = built().join(image);
        assert!(program.exists(), "{} is missing: run `cargo xtask images operator`", program.display());
        self.program = Some(program);
        self
    }

    /// Starts it and waits until it serves its metrics.
    pub fn start(self) -> Operator {
        let run =
            PathBuf::from(std::env::var_os("VOIP_E2E_RUN").expect("run this by `cargo xtask cluster run`"));
        // KUBECONFIG is a list with colons between.
        let name = self.user.replace(':', "-");
        let (kubeconfig, log) = (run.join(format!("{name}.kubeconfig")), run.join(format!("log/{name}.log")));
        std::fs::write(&kubeconfig, self.kubeconfig().to_string())
            .expect("the directory of the run is writable");
        let errors =
            std::fs::File::options().create(true).append(true).open(&log).expect("the log is writable");
        let told = errors.metadata().map_or(0, |log| log.len());
        let child = Command::new(self.program.clone().unwrap_or_else(program))
            .args(self.leadership())
            .args(["--http", "127.0.0.1:0", "--log-format", "json"])
            .args(["--log", "info,voip_operator=debug", "--watch-namespaces", &self.namespaces.join(",")])
            .args([
                "--signaling-image",
                "test.invalid/sip-node:1",
                "--media-image",
                "test.invalid/media-node:1",
            ])
            .args(&self.arguments)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("voip-operator starts");
        let mut operator = Operator { child, log, told, http: ([127, 0, 0, 1], 0).into(), settings: self };
        operator.http = until("metrics are served", Duration::from_secs(10), || {
            operator.address().ok_or_else(|| operator.log())
        });
        operator
    }

    fn leadership(&self) -> Vec<&str> {
        match &self.elected_in {
            Some(namespace) => vec!["--leader-election-namespace", namespace],
            None => vec!["--no-leader-election"],
        }
    }

    /// The administrator's, who speaks for this user.
    fn kubeconfig(&self) -> Value {
        let text = kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).ok();
        let mut config: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
        if let Some(server) = &self.server {
            config["clusters"][0]["cluster"] = json!({ "server": server });
            config["users"][0]["user"] = json!({});
        } else {
            config["users"][0]["user"]["as"] = json!(self.user);
            config["users"][0]["user"]["as-groups"] = json!(self.groups);
        }
        config
    }
}

/// Where this test was built: `target`.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    test.ancestors().nth(3).expect("target/PROFILE/deps/TEST").to_owned()
}

/// `voip-operator`, built by the test command before the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let program = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join("voip-operator");
    assert!(program.exists(), "{} is missing: run `cargo build -p voip-operator`", program.display());
    program
}

/// A running operator; ends when dropped.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
    /// How long the log was before this one wrote into it.
    told: u64,
    http: SocketAddr,
    settings: Settings,
}

impl Operator {
    /// Who it is to the API server.
    pub fn user(&self) -> &str {
        &self.settings.user
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        let own = usize::try_from(self.told).ok().and_then(|told| all.get(told..)).unwrap_or_default();
        String::from_utf8_lossy(own).into_owned()
    }

    fn address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut said = lines.filter(|line| line["message"] == "health and metrics are served");
        said.find_map(|line| line["address"].as_str()?.parse().ok())
    }

    /// The sum of a metric over its labels; 0 where there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.http);
        let text = ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.unwrap_or_else(|error| panic!("{url}: {error}"));
        let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
        let named = samples.filter(|(series, _)| series.split('{').next() == Some(name));
        named.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }

    /// Ends it at once, as loss of power would.
    pub fn kill(mut self) -> Settings {
        self.process().signal(Signal::KILL);
        self.child.wait().expect("the operator was ours to end");
        self.settings.clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.process().signal(Signal::KILL);
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            let log = self.log();
            // The spans repeat which VoipCluster it is about.
            let lines: Vec<&str> =
                log.lines().map(|line| line.split(",\"target\":").next().unwrap_or(line)).collect();
            eprintln!("the operator said last:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
