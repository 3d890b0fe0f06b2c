//! One tier c per machine: its networks and cgroups have fixed names, so whoever makes them says so first.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::instance::Instance;

/// Holds the directory of the instance that has the machine.
const FILE: &str = "/run/voip-e2e-tier-c";

/// Claims the machine for `instance`.
pub(crate) fn take(instance: &Instance) -> Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).open(FILE) {
        Ok(mut file) => {
            std::io::Write::write_all(&mut file, instance.directory().as_os_str().as_encoded_bytes())
                .with_context(|| format!("write {FILE}"))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse(&holder()?.unwrap_or_default()),
        Err(error) => Err(error).with_context(|| format!("write {FILE}")),
    }
}

fn refuse(holder: &Path) -> Result<()> {
    let name = holder.file_name().unwrap_or_default().to_string_lossy();
    bail!(
        "this machine runs tier c already, one is all it can: {}; cargo xtask cluster down --name {name}",
        holder.display()
    )
}

/// Whether `instance` has the machine.
pub(crate) fn is_held_by(instance: &Instance) -> Result<bool> {
    Ok(holder()?.is_some_and(|holder| holder == instance.directory()))
}

/// Gives the machine back.
pub(crate) fn release() -> Result<()> {
    fs::remove_file(FILE).with_context(|| format!("remove {FILE}"))
}

fn holder() -> Result<Option<PathBuf>> {
    match fs::read_to_string(FILE) {
        Ok(directory) => Ok(Some(directory.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {FILE}")),
    }
}
