//! Processes by id: children of a process, their arguments, signals, memory.

use std::path::PathBuf;

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

    /// Open file descriptors.
    pub fn descriptors(self) -> usize {
        std::fs::read_dir(self.proc("fd")).map_or(0, Iterator::count)
    }
}
