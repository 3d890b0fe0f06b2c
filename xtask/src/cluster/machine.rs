//! What a machine must have for a tier, and how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::build::Programs;
use super::instance::Tier;
use crate::peers;

/// The Go release that the modules ask for, as `1.MINOR`.
const GO_MINOR: u32 = 26;

/// A program of the machine, and the Debian package that holds it.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const ALWAYS: &[Tool] =
    &[Tool { program: "openssl", package: "openssl" }, Tool { program: "setsid", package: "util-linux" }];

/// Makes sure that `tier` can run here; the error says in one line what is missing. Installs Debian packages where this
/// machine is ours to change: root on Debian with `CI=true`.
pub(crate) fn prepare(root: &Path, tier: Tier, programs: &Programs) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("tier {tier} needs Linux");
    }
    let absent = || ALWAYS.iter().filter(|tool| !is_on_path(tool.program)).collect::<Vec<_>>();
    let mut missing = absent();
    if !missing.is_empty() && ours_to_change() {
        peers::install(&missing.iter().map(|tool| tool.package).collect::<Vec<_>>())?;
        missing = absent();
    }
    if !missing.is_empty() {
        let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
        bail!("tier {tier} cannot run here: install the Debian packages {}", packages.join(" "));
    }
    if programs.is_built() { Ok(()) } else { go(root) }
}

/// Whether packages may be installed without asking.
fn ours_to_change() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true") && rustix::process::geteuid().is_root()
}

/// Go, new enough or able to fetch a release that is.
fn go(root: &Path) -> Result<()> {
    if go_minor(root).is_some_and(|minor| minor >= GO_MINOR) {
        return Ok(());
    }
    if ours_to_change() && candidate_minor().is_some_and(|minor| minor >= GO_MINOR) {
        peers::install(&["golang-go"])?;
        if go_minor(root).is_some_and(|minor| minor >= GO_MINOR) {
            return Ok(());
        }
    }
    bail!("a Kubernetes cannot be built here: needs Go 1.{GO_MINOR} or newer on PATH (https://go.dev/dl)")
}

/// The minor number of the Go that our modules get: since 1.21 Go fetches the release that a module asks for.
fn go_minor(root: &Path) -> Option<u32> {
    let output = Command::new("go")
        .arg("version")
        .current_dir(root.join("e2e/kubernetes/mod/k8s"))
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    minor_after(&text, "go1.")
}

/// The minor number of the Go that Debian would install.
fn candidate_minor() -> Option<u32> {
    let output = Command::new("apt-cache").args(["policy", "golang-go"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    minor_after(text.lines().find(|line| line.contains("Candidate:"))?, ":1.")
}

/// The number that follows `prefix` in `text`.
fn minor_after(text: &str, prefix: &str) -> Option<u32> {
    let rest = text.split_once(prefix)?.1;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_go_and_apt_print() {
        assert_eq!(minor_after("go version go1.26.8 linux/amd64", "go1."), Some(26));
        assert_eq!(minor_after("  Candidate: 2:1.19~1", ":1."), Some(19));
        assert_eq!(minor_after("  Candidate: (none)", ":1."), None);
    }
}
