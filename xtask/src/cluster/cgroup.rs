//! Control groups (version 1) of a node: everything that runs on it lies below one group per controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::daemon::until;
use super::network::{Node, PREFIX};

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: &[&str] =
    &["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];
/// Where the node's own programs run, beside its pods.
const SYSTEM: &str = "sys";
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this machine has the controllers as version 1.
pub(crate) fn is_version_1() -> bool {
    ["cpuset", "memory", "pids"].iter().all(|name| Path::new(ROOT).join(name).join("cgroup.procs").exists())
}

/// Path of the node's group below each controller.
pub(crate) fn path(node: Node) -> String {
    format!("/{PREFIX}{}", node.name())
}

/// Makes the groups of `node`.
pub(crate) fn create(node: Node) -> Result<()> {
    for controller in controllers() {
        let group = controller.join(format!("{PREFIX}{}", node.name()));
        for directory in [group.clone(), group.join(SYSTEM)] {
            fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
            if controller.ends_with("cpuset") {
                // A new group may use nothing until it is told what.
                ["cpuset.cpus", "cpuset.mems"]
                    .iter()
                    .try_for_each(|file| inherit(&controller, &directory, file))?;
            }
        }
    }
    Ok(())
}

fn inherit(from: &Path, to: &Path, file: &str) -> Result<()> {
    fs::read(from.join(file))
        .and_then(|value| fs::write(to.join(file), value))
        .with_context(|| format!("set {file} of {}", to.display()))
}

/// Moves this process into the groups of `node`.
pub(crate) fn join(node: Node) -> Result<()> {
    for controller in controllers() {
        let file = controller.join(format!("{PREFIX}{}", node.name())).join(SYSTEM).join("cgroup.procs");
        fs::write(&file, "0").with_context(|| format!("join {}", file.display()))?;
    }
    Ok(())
}

/// Ends what still runs in the groups of `node` and removes them.
pub(crate) fn remove(node: &str) -> Result<()> {
    let groups: Vec<PathBuf> = hierarchies().iter().map(|hierarchy| hierarchy.join(node)).collect();
    until(PATIENCE, &format!("the cgroups of {node} are gone"), || {
        for group in groups.iter().filter(|group| group.exists()) {
            clear(group)?;
        }
        Ok(groups.iter().all(|group| !group.exists()))
    })
}

/// Names of all groups of ours.
pub(crate) fn all() -> Vec<String> {
    let mut names: Vec<String> = hierarchies()
        .iter()
        .filter_map(|hierarchy| fs::read_dir(hierarchy).ok())
        .flat_map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Kills the members of `group` and removes it, innermost first. A member that is still dying keeps its group: the
/// caller tries again.
fn clear(group: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(group) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        clear(&entry.path())?;
    }
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
        // It may be gone already.
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = fs::remove_dir(group);
    Ok(())
}

fn controllers() -> Vec<PathBuf> {
    CONTROLLERS.iter().map(|name| Path::new(ROOT).join(name)).filter(|path| path.exists()).collect()
}

/// Every hierarchy, those included in which nothing but runc makes groups: on machines that have both versions it
/// makes them in version 2 as well.
fn hierarchies() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(ROOT) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
}
