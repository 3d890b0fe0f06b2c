//! Files that are generated and committed. `--check` fails when one is stale.

mod chart;
mod crds;
mod docs;
mod grpc;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A generated file.
struct Generated {
    /// From the workspace root.
    path: PathBuf,
    text: String,
}

/// Every generated file of the workspace.
fn generate(root: &Path) -> Result<Vec<Generated>> {
    let mut files = crds::generate()?;
    files.extend(chart::generate(root)?);
    files.push(docs::generate()?);
    files.extend(grpc::generate(root)?);
    Ok(files)
}

/// Formats generated Rust as `cargo fmt` would, or the two would fight over the file.
fn rustfmt(root: &Path, text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start rustfmt")?;
    // Dropped at the end of the statement: rustfmt reads to the end of its input.
    child.stdin.take().context("rustfmt has no input")?.write_all(text.as_bytes()).context("feed rustfmt")?;
    let output = child.wait_with_output().context("wait for rustfmt")?;
    if !output.status.success() {
        bail!("rustfmt refused generated code: {}", output.status);
    }
    String::from_utf8(output.stdout).context("rustfmt printed no UTF-8")
}

/// Writes what is stale, or with `check` only names it and fails.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for file in generate(root)? {
        let path = root.join(&file.path);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        if !check {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
            }
            std::fs::write(&path, file.text).with_context(|| format!("write {}", path.display()))?;
            println!("wrote {}", file.path.display());
        }
        stale.push(file.path.display().to_string());
    }
    if check && !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask codegen` and commit the result", stale.join(", "));
    }
    Ok(())
}
