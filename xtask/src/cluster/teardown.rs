//! Ends and removes what a cluster consists of, from what is found on the machine rather than from what was written
//! down: an `up` may have been killed at any point.

use anyhow::{Result, bail};

use super::daemon::Running;
use super::instance::Instance;

/// Rounds of ending processes: one may have started another while it was being ended.
const ROUNDS: usize = 5;

/// Takes the instance down; does nothing when there is none.
pub(crate) fn down(instance: &Instance) -> Result<()> {
    end_daemons(instance)?;
    instance.remove()?;
    let left = leftovers(instance)?;
    if left.is_empty() { Ok(()) } else { bail!("left behind: {}", left.join(", ")) }
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
fn leftovers(instance: &Instance) -> Result<Vec<String>> {
    let mut left: Vec<String> =
        Running::all(instance)?.iter().map(|process| format!("process {}", process.pid())).collect();
    if instance.directory().exists() {
        left.push(instance.directory().display().to_string());
    }
    Ok(left)
}
