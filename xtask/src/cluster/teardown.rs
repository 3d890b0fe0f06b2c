//! Ends and removes what a cluster consists of, from what is found on the machine rather than from what was written
//! down: an `up` may have been killed at any point.

use anyhow::{Context, Result, bail};

use super::daemon::Running;
use super::instance::{self, Instance};
use super::{Tier, cgroup, claim, network};

/// Rounds of ending processes: one may have started another while it was being ended.
const ROUNDS: usize = 5;

/// Takes the instance down; does nothing when there is none.
pub(crate) fn down(instance: &Instance) -> Result<()> {
    end_daemons(instance)?;
    let had_machine = claim::is_held_by(instance)?;
    if had_machine {
        cgroup::all().iter().try_for_each(|group| cgroup::remove(group))?;
        network::remove()?;
    }
    instance.remove()?;
    unguard()?;
    let left = leftovers(instance, had_machine)?;
    if !left.is_empty() {
        bail!("left behind: {}", left.join(", "));
    }
    // Last, so that a down that was cut short is continued by the next.
    if had_machine { claim::release() } else { Ok(()) }
}

/// The route is for every cluster with nodes; the last one takes it away.
fn unguard() -> Result<()> {
    let _lock = instance::lock_ports()?;
    let others = instance::all_states()?;
    if others.iter().all(|state| state.tier == Tier::A) { network::unguard() } else { Ok(()) }
}

fn end_daemons(instance: &Instance) -> Result<()> {
    for _ in 0..ROUNDS {
        let running = Running::all(instance)?;
        if running.is_empty() {
            break;
        }
        running.iter().try_for_each(Running::kill)?;
    }
    Ok(())
}

/// What is still there, in words.
fn leftovers(instance: &Instance, had_machine: bool) -> Result<Vec<String>> {
    let mut left: Vec<String> =
        Running::all(instance)?.iter().map(|process| format!("process {}", process.pid())).collect();
    if instance.directory().exists() {
        left.push(instance.directory().display().to_string());
    }
    let directory = instance.directory().to_string_lossy();
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("list mounts")?;
    left.extend(mounts.lines().filter(|line| line.contains(&*directory)).map(|line| format!("mount {line}")));
    if had_machine {
        left.extend(cgroup::all().into_iter().map(|group| format!("cgroup {group}")));
        left.extend(network::leftovers()?);
    }
    Ok(left)
}
