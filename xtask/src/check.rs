//! `lint` and `test`: what CI runs, and what one runs before a push.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{codegen, peers};

/// Formatting, clippy with warnings as errors, generated files.
pub(crate) fn lint(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"])?;
    codegen::run(root, true)?;
    cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Every test of the workspace, but for those whose peer is not on this machine; they are named. `filters` go to
/// the test runner as they are.
pub(crate) fn test(root: &Path, filters: &[String]) -> Result<()> {
    let missing = peers::missing()?;
    // The end-to-end tests start this executable, as a user would.
    cargo(root, &["build", "--package", "voipctl", "--locked"])?;
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast", "--"];
    for peer in &missing {
        println!("SKIPPED for want of {}: every test named *{}*", peer.name, peer.tests);
        arguments.extend(["--skip", peer.tests]);
    }
    arguments.extend(filters.iter().map(String::as_str));
    cargo(root, &arguments)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    println!("cargo {}", arguments.join(" "));
    let started = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .status()
        .with_context(|| format!("start cargo {}", arguments.join(" ")))?;
    println!("{:.0} s: cargo {}", started.elapsed().as_secs_f64(), arguments.join(" "));
    if status.success() { Ok(()) } else { bail!("cargo {}: {status}", arguments.join(" ")) }
}
