//! Programs that outlive the command that starts them: each carries a mark in its environment, so that it is found and
//! ended even when nobody wrote its number down.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::instance::Instance;

/// Environment variable of every daemon; its value is the instance's directory.
const MARK: &str = "VOIP_E2E_DAEMON";
/// How long a program may take to end after SIGTERM, and to vanish after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that this command has started.
pub(crate) struct Daemon {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts `command` in a session of its own; its output goes to `log/NAME.log`.
    pub(crate) fn start(instance: &Instance, name: &str, command: &Command) -> Result<Self> {
        let log = instance.path("log").join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let child = Command::new("setsid")
            .arg(command.get_program())
            .args(command.get_args())
            .env(MARK, instance.directory())
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        // setsid and whatever precedes the program replace themselves: the number stays the program's.
        fs::write(instance.path("pids").join(name), child.id().to_string())
            .with_context(|| format!("write down the process id of {name}"))?;
        Ok(Self { name: name.into(), log, child })
    }

    /// Fails, with the end of its log, when the program has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait().with_context(|| format!("ask for {}", self.name))? else {
            return Ok(());
        };
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.reverse();
        bail!("{} ended with {status}; the end of {}:\n{}", self.name, self.log.display(), lines.join("\n"))
    }
}

/// A running daemon of an instance, held so that its number cannot become another's.
pub(crate) struct Running {
    pid: i32,
    handle: OwnedFd,
}

impl Running {
    /// The daemon called `name`, if it runs.
    pub(crate) fn named(instance: &Instance, name: &str) -> Option<Self> {
        let pid = fs::read_to_string(instance.path("pids").join(name)).ok()?;
        Self::marked(instance, pid.trim().parse().ok()?)
    }

    /// Every process that carries the instance's mark, its children included.
    pub(crate) fn all(instance: &Instance) -> Result<Vec<Self>> {
        let entries = fs::read_dir("/proc").context("list processes")?;
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(pids.filter_map(|pid| Self::marked(instance, pid)).collect())
    }

    fn marked(instance: &Instance, pid: i32) -> Option<Self> {
        let handle = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        // Read after the handle is open: what is read belongs to the process that the handle means.
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mark = format!("{MARK}={}", instance.directory().display());
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == mark.as_bytes())
            .then_some(Self { pid, handle })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Asks it to end, ends it when it does not, and returns when it is gone.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::TERM);
        if self.gone_within(PATIENCE)? { Ok(()) } else { self.kill() }
    }

    /// Ends it and returns when it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL);
        if self.gone_within(PATIENCE)? { Ok(()) } else { bail!("process {} survives SIGKILL", self.pid) }
    }

    fn signal(&self, signal: Signal) {
        // It may have ended in the meantime, which is what the signal is for.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    fn gone_within(&self, limit: Duration) -> Result<bool> {
        let limit = Timespec::try_from(limit).context("a limit in range")?;
        let ready = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&limit));
        Ok(ready.with_context(|| format!("wait for process {}", self.pid))? > 0)
    }
}

/// Asks `condition` until it holds. Other processes' states have no event to wait on.
pub(crate) fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        if Instant::now() >= deadline {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_found_by_its_mark_and_ended() {
        let name = format!("daemon-{}", std::process::id());
        let instance = Instance::named(Some(name)).unwrap();
        instance.create().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut daemon = Daemon::start(&instance, "sleeper", &command).unwrap();
        // Between fork and exec a process shows its parent's environment.
        until(PATIENCE, "the mark shows", || Ok(Running::named(&instance, "sleeper").is_some())).unwrap();
        fs::remove_file(instance.path("pids/sleeper")).unwrap();
        let all = Running::all(&instance).unwrap();
        assert_eq!(all.iter().map(Running::pid).collect::<Vec<_>>(), [daemon.child.id().cast_signed()]);
        all[0].stop().unwrap();
        assert!(daemon.check().unwrap_err().to_string().contains("sleeper ended with signal: 15"));
        assert!(Running::all(&instance).unwrap().is_empty());
        instance.remove().unwrap();
    }
}
