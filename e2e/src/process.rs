//! Processes by id: children of a process, their arguments, signals, memory.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A process that this machine runs or ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    fn proc(self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.0).into()
    }

    /// Its direct children.
    pub fn children(self) -> Vec<Process> {
        let tasks = std::fs::read_dir(self.proc("task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .map(Process)
            .collect()
    }

    /// Its arguments, the program first; empty when it is gone or a zombie.
    pub fn arguments(self) -> Vec<String> {
        let bytes = std::fs::read(self.proc("cmdline")).unwrap_or_default();
        bytes
            .split(|b| *b == 0)
            .filter(|a| !a.is_empty())
            .map(|a| String::from_utf8_lossy(a).into_owned())
            .collect()
    }

    /// It runs: a zombie does not.
    pub fn runs(self) -> bool {
        !self.arguments().is_empty()
    }

    /// Sends `signal`; that the process is gone already is no error.
    pub fn signal(self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.0).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal).ok();
        }
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(self) -> u64 {
        let statm = std::fs::read_to_string(self.proc("statm")).unwrap_or_default();
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        pages * rustix::param::page_size() as u64
    }

    /// The most memory that was ever resident, bytes.
    pub fn peak_resident_bytes(self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// The time that all its threads have spent on a processor.
    pub fn cpu(self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap_or_default();
        // The second field is a name in parentheses and may hold anything; user and system time are the 14th and 15th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Open file descriptors.
    pub fn descriptors(self) -> usize {
        std::fs::read_dir(self.proc("fd")).map_or(0, Iterator::count)
    }
}
