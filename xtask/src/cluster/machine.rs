//! What a machine must have for a tier, and how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::build::Programs;
use super::instance::Tier;
use super::{cgroup, init};
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

/// Programs that only real nodes need.
const NODES: &[Tool] = &[
    Tool { program: "containerd", package: "containerd" },
    Tool { program: "ctr", package: "containerd" },
    Tool { program: "runc", package: "runc" },
    Tool { program: "iptables", package: "iptables" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "conntrack", package: "conntrack" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nsenter", package: "util-linux" },
    Tool { program: "unshare", package: "util-linux" },
];
const PLUGINS_PACKAGE: &str = "containernetworking-plugins";

/// Makes sure that `tier` can run here; the error says in one line what is missing. Installs Debian packages where this
/// machine is ours to change: root on Debian with `CI=true`.
pub(crate) fn prepare(root: &Path, tier: Tier, programs: &Programs) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("tier {tier} needs Linux");
    }
    let mut missing = missing_packages(tier);
    if !missing.is_empty() && ours_to_change() {
        peers::install(&missing)?;
        missing = missing_packages(tier);
    }
    if !missing.is_empty() {
        bail!("tier {tier} cannot run here: install the Debian packages {}", missing.join(" "));
    }
    if tier == Tier::C {
        can_make_nodes()?;
    }
    if programs.is_built() { Ok(()) } else { go(root) }
}

/// Debian packages that `tier` needs and that are not there.
fn missing_packages(tier: Tier) -> Vec<&'static str> {
    let nodes = if tier == Tier::C { NODES } else { &[] };
    let absent = |tool: &&Tool| !is_on_path(tool.program);
    let mut packages: Vec<_> = ALWAYS.iter().chain(nodes).filter(absent).map(|tool| tool.package).collect();
    if tier == Tier::C && init::plugins().is_none() {
        packages.push(PLUGINS_PACKAGE);
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// What a node needs beside programs.
fn can_make_nodes() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("tier c cannot run here: it makes network namespaces and cgroups, for which it must be root");
    }
    if !cgroup::is_version_1() {
        bail!("tier c cannot run here: its nodes need cgroups of version 1 (cpuset, memory, pids)");
    }
    let namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "true"];
    let probe = Command::new("unshare").args(namespaces).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        bail!("tier c cannot run here: this root may not make namespaces");
    }
    Ok(())
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
