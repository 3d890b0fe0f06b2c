//! Starts the executable with ports, a file and a state directory of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster to run: its directory and ports, nobody else's while it lives.
pub(crate) struct Site {
    directory: TempDir,
    ports: Ports,
}

impl Site {
    /// Two users, two media-nodes, the echo test; one user's password is in a Secret.
    pub(crate) fn new() -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap(), ports: Ports::take() };
        site.write(&site.yaml());
        site
    }

    /// The content of the file that `new` wrote.
    pub(crate) fn yaml(&self) -> String {
        let (sip, first, last) = (self.ports.sip, self.ports.first, self.ports.first + 255);
        format!(
            "apiVersion: voip.dev/v1alpha1
kind: VoipCluster
metadata: {{name: office}}
spec:
  signaling:
    listeners:
    - {{name: udp, protocol: UDP, port: {sip}}}
  media:
    pools:
    - {{name: default, nodes: 2, callsPerNode: 4}}
  network: {{portRange: {first}-{last}}}
---
apiVersion: voip.dev/v1alpha1
kind: SipUser
metadata: {{name: \"1001\"}}
spec: {{clusterRef: {{name: office}}}}
---
apiVersion: voip.dev/v1alpha1
kind: SipUser
metadata: {{name: \"1002\"}}
spec:
  clusterRef: {{name: office}}
  passwordSecretRef: {{name: desk}}
---
apiVersion: v1
kind: Secret
metadata: {{name: desk}}
stringData: {{password: correct horse}}
"
        )
    }

    /// Replaces the file as editors do: as a whole.
    pub(crate) fn write(&self, yaml: &str) {
        let draft = self.directory.path().join("draft");
        std::fs::write(&draft, yaml).unwrap();
        std::fs::rename(draft, self.file()).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("office.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// First of the ports for media and control.
    pub(crate) fn first_port(&self) -> u16 {
        self.ports.first
    }

    pub(crate) fn sip_port(&self) -> u16 {
        self.ports.sip
    }

    /// `voipctl ARGUMENTS --state-dir STATE`, to its end.
    pub(crate) fn voipctl(&self, arguments: &[&str]) -> Finished {
        Finished::of(voipctl().args(arguments).arg("--state-dir").arg(self.state()))
    }

    /// `voipctl up FILE`, to its end.
    pub(crate) fn up_to_its_end(&self) -> Finished {
        self.voipctl(&["up", self.file().to_str().unwrap()])
    }

    /// `voipctl up FILE`, running.
    pub(crate) fn up(&self) -> Up {
        Up::start(voipctl().arg("up").arg(self.file()).arg("--state-dir").arg(self.state()))
    }
}

pub(crate) fn voipctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voipctl"));
    command.env_remove("XDG_STATE_HOME").env_remove("RUST_LOG");
    command
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Asserts that it was refused with one message, and returns that.
    pub(crate) fn refused(&self) -> &str {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.err.matches("error: ").count(), 1, "{self:?}");
        self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("no error first: {self:?}")).trim_end()
    }
}

/// A running `voipctl up`. Killed when dropped.
pub(crate) struct Up {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Up {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (out, err): (Box<dyn Read + Send>, Box<dyn Read + Send>) =
            (Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap()));
        for stream in [out, err] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, seen: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {text:?} in time, but:\n{}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("ended without {text:?}:\n{}", self.seen),
            }
        }
    }

    /// Waits until calls are possible and everything about it has been printed.
    pub(crate) fn ready(mut self) -> Self {
        self.wait_for("Ctrl-C ends everything");
        self
    }

    /// Everything printed up to the last line waited for.
    pub(crate) fn seen(&self) -> &str {
        &self.seen
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end; the time it took.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("up did not end; it said:\n{}", self.seen);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// 320 port numbers below the ephemeral ones: 256 for media and control, one for SIP. The lock keeps them from other
/// tests, in whatever process those run.
struct Ports {
    first: u16,
    sip: u16,
    _lock: File,
}

impl Ports {
    fn take() -> Self {
        for slot in 0..60_u16 {
            let path = std::env::temp_dir().join(format!("voipctl-test-ports-{slot}"));
            let Ok(lock) = File::options().create(true).append(true).open(path) else { continue };
            let first = 10_240 + slot * 320;
            if lock.try_lock().is_ok() && Self::free(first) {
                return Self { first, sip: first + 300, _lock: lock };
            }
        }
        panic!("no free ports for another test");
    }

    fn free(first: u16) -> bool {
        let udp = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        let tcp = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        udp(first + 300) && (first..first + 256).all(|port| udp(port) && tcp(port))
    }
}

/// Reads a file as JSON.
pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Permission bits.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
