//! A relay as a child process on a CPU of its own, and the CPU time it used.

use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// A relay that runs.
pub(crate) struct Relay {
    pub(crate) child: Child,
    /// Where each phone is to send.
    pub(crate) ports: Vec<SocketAddr>,
    /// What must live as long as the relay.
    pub(crate) keep: Option<tokio::runtime::Runtime>,
}

impl Relay {
    /// CPU time of all threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            total += text.split(' ').next().context("no figure in schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.keep.take() {
            runtime.shutdown_background();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this thread, and what it starts from here on, on one CPU.
pub(crate) fn pin_to(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("pin to CPU {cpu}"))
}
