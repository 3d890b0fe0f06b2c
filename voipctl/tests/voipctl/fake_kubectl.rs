//! A `kubectl` of the test's own: it answers what the test wrote and keeps what it was asked.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::harness::Finished;

/// A directory with a fake kubectl, and a `kubectl-voip` that finds no other.
pub(crate) struct Kubectl {
    directory: TempDir,
    cases: String,
}

impl Kubectl {
    /// Knows nothing yet.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_voipctl"), directory.path().join("kubectl-voip")).unwrap();
        Self { directory, cases: String::new() }
    }

    /// A file beside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Asked something that begins with `arguments`, it does `shell`. The first that fits counts.
    pub(crate) fn does(mut self, arguments: &str, shell: &str) -> Self {
        writeln!(self.cases, "'{arguments}'*) {shell} ;;").unwrap();
        let log = self.path("log");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> '{}'\ncase \"$*\" in\n{}\n*) echo \"error: unexpected: $*\" >&2; exit 1;;\nesac\n",
            log.display(),
            self.cases
        );
        let program = self.path("kubectl");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    /// Asked something that begins with `arguments`, it prints `answer`.
    pub(crate) fn answers(self, arguments: &str, answer: &Value) -> Self {
        let file = self.path(&format!("answer-{}", self.cases.lines().count()));
        std::fs::write(&file, answer.to_string()).unwrap();
        let shell = format!("exec cat '{}'", file.display());
        self.does(arguments, &shell)
    }

    /// Asked something that begins with `arguments`, it fails with `words`.
    pub(crate) fn refuses(self, arguments: &str, words: &str) -> Self {
        let file = self.path(&format!("refusal-{}", self.cases.lines().count()));
        std::fs::write(&file, words).unwrap();
        let shell = format!("cat '{}' >&2; exit 1", file.display());
        self.does(arguments, &shell)
    }

    /// What it was asked, one line each.
    pub(crate) fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// `kubectl-voip ARGUMENTS`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("kubectl-voip"));
        command.args(arguments).env("PATH", format!("{}:/usr/bin:/bin", self.directory.path().display()));
        command
    }

    /// The same, to its end.
    pub(crate) fn voip(&self, arguments: &[&str]) -> Finished {
        Finished::of(&mut self.command(arguments))
    }
}
