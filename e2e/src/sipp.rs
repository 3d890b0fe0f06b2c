//! SIPp as a phone: scenarios of `e2e/scenarios`, one process a run, bounded in calls and time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::workspace;
use crate::process::Process;
use crate::wait;

/// A SIPp user agent on one local port.
pub struct Sipp {
    /// Its user; the password is `secret-USER`.
    pub user: &'static str,
    /// Its SIP port on loopback.
    pub port: u16,
    /// Where it registers and calls.
    pub server: SocketAddr,
    /// RTP port that its SDP names.
    pub rtp_port: u16,
    /// Where its logs go.
    pub directory: PathBuf,
}

/// How many calls a run makes.
#[derive(Clone, Copy)]
pub struct Load {
    /// Calls in all; 0: as many as come.
    pub calls: u32,
    /// New calls a second.
    pub per_second: u32,
    /// Calls at a time.
    pub at_a_time: u32,
    /// How long each lasts.
    pub duration: Duration,
}

impl Load {
    /// One call of this length.
    pub fn one(duration: Duration) -> Self {
        Self { calls: 1, per_second: 1, at_a_time: 1, duration }
    }
}

/// A SIPp that runs; killed when dropped.
pub struct Run {
    child: Child,
    log: PathBuf,
    errors: PathBuf,
}

impl Sipp {
    /// Registers once and checks that it was accepted.
    pub fn register(&self) {
        self.start("register", "-", &Load::one(Duration::ZERO)).finish(Duration::from_secs(10));
    }

    /// Calls `number`.
    pub fn call(&self, number: &str, load: &Load) -> Run {
        self.start("caller", number, load)
    }

    /// Answers calls, until it is told that there are no more: to SIPp an OPTIONS is a call too, so that it cannot
    /// count them.
    pub fn answer(&self, load: &Load) -> Run {
        self.start("callee", "-", &Load { calls: 0, ..*load })
    }

    fn start(&self, scenario: &str, number: &str, load: &Load) -> Run {
        std::fs::create_dir_all(&self.directory).expect("the test's directory is writable");
        let file = |ending: &str| self.directory.join(format!("{scenario}-{}.{ending}", self.user));
        let users = file("csv");
        let credentials = format!("[authentication username={0} password=secret-{0}]", self.user);
        std::fs::write(&users, format!("SEQUENTIAL\n{};{credentials}\n", self.user))
            .expect("room for a line");
        let text = |number: u32| number.to_string();
        let calls = text(load.calls);
        let limit = if load.calls == 0 { Vec::new() } else { vec!["-m", &calls] };
        let child = Command::new("sipp")
            .args(limit)
            .arg("-sf")
            .arg(scenario_file(scenario))
            .arg("-inf")
            .arg(&users)
            .args(["-i", "127.0.0.1", "-p", &self.port.to_string(), "-s", number])
            .args(["-key", "rtp_port", &self.rtp_port.to_string()])
            .args(["-r", &text(load.per_second), "-l", &text(load.at_a_time)])
            .args(["-d", &load.duration.as_millis().to_string()])
            .args(["-timeout", "180s", "-timeout_error", "-nostdin"])
            .args(["-trace_logs", "-log_file"])
            .arg(file("log"))
            .args(["-trace_err", "-error_file"])
            .arg(file("errors"))
            .arg(self.server.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp starts: Debian package sip-tester");
        Run { child, log: file("log"), errors: file("errors") }
    }
}

impl Run {
    /// Waits until the other side's RTP port is known.
    pub fn remote_rtp_port(&self) -> u16 {
        wait::until("SIPp sees the other side's SDP", Duration::from_secs(10), || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let port = log.lines().find_map(|line| line.trim().strip_prefix("rtp ")?.trim().parse().ok());
            port.ok_or_else(|| self.complaints())
        })
    }

    /// There are no more calls: those that are may end. Waits as [`Run::finish`].
    pub fn end(self, limit: Duration) {
        Process(self.child.id()).signal(Signal::USR1);
        self.finish(limit);
    }

    /// Waits for its end, at most `limit` times [`wait::PATIENCE`]; every call must have gone as the scenario says.
    pub fn finish(mut self, limit: Duration) {
        let status =
            wait::until("SIPp ends", limit, || self.child.try_wait().ok().flatten().ok_or("it runs"));
        assert!(status.success(), "SIPp: {status}: {}", self.complaints());
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn scenario_file(name: &str) -> PathBuf {
    Path::new(workspace()).join("e2e/scenarios").join(format!("{name}.xml"))
}
