//! One cluster's place on this machine: its name, its directory, what is written down about it.
//!
//! Everything that a cluster writes lies in its directory. It must not know what a cluster consists of.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::ports::Ports;

/// How much of a Kubernetes there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// etcd and the API server.
    A,
    /// With controllers, scheduler and simulated nodes.
    B,
    /// With controllers, scheduler and real nodes in network namespaces.
    C,
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        })
    }
}

/// What happens to packets of pods that leave the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PodNetwork {
    /// They carry the node's address, and nobody outside has a route to a pod.
    Masquerade,
    /// They carry the pod's address, and hosts outside have routes to the pods.
    Routable,
}

/// What must be known to use a cluster or to change it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) tier: Tier,
    /// How many nodes were asked for.
    pub(crate) nodes: u16,
    pub(crate) ports: Ports,
    pub(crate) pod_network: PodNetwork,
    /// Directory of the image archives that every node gets beside its own.
    pub(crate) images: Option<PathBuf>,
    /// Whether `up` came to its end.
    pub(crate) ready: bool,
}

/// One cluster's place.
pub(crate) struct Instance {
    name: String,
    directory: PathBuf,
}

impl Instance {
    /// The instance called `name`, by default what `VOIP_E2E_INSTANCE` says, or `default`.
    pub(crate) fn named(name: Option<String>) -> Result<Self> {
        let name =
            name.or_else(|| std::env::var("VOIP_E2E_INSTANCE").ok()).unwrap_or_else(|| "default".into());
        if !is_name(&name) {
            bail!("instance {name:?}: 1 to 20 of a-z, 0-9 and -");
        }
        Ok(Self { directory: base().join(&name), name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file or directory of this instance.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// Keeps others from changing this instance until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        private_directory(&base())?;
        lock(&base().join(format!("{}.lock", self.name)), &format!("instance {}", self.name))
    }

    /// Makes the directories that the programs write to.
    pub(crate) fn create(&self) -> Result<()> {
        for directory in ["pki", "log", "pids", "kubeconfig"] {
            private_directory(&self.path(directory))?;
        }
        Ok(())
    }

    /// What was written down, if there is a cluster.
    pub(crate) fn state(&self) -> Result<Option<State>> {
        read_state(&self.directory)
    }

    /// Writes `state` down, complete or not at all.
    pub(crate) fn save(&self, state: &State) -> Result<()> {
        let unfinished = self.path("state.unfinished");
        fs::write(&unfinished, serde_json::to_vec_pretty(state)?).context("write the state")?;
        fs::rename(&unfinished, self.path("state.json")).context("keep the state")
    }

    /// Removes the directory. Nothing must be mounted in it any more.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.directory.display()))
            }
            _ => Ok(()),
        }
    }
}

/// What is written down about every instance of this user.
pub(crate) fn all_states() -> Result<Vec<State>> {
    let Ok(entries) = fs::read_dir(base()) else { return Ok(Vec::new()) };
    let states = entries.map(|entry| read_state(&entry.context("list the instances")?.path()));
    states.filter_map(Result::transpose).collect()
}

/// Locks the list of instances with their ports.
pub(crate) fn lock_ports() -> Result<File> {
    lock(&base().join("ports.lock"), "the list of ports")
}

/// Locks `path` as long as the returned file lives; says so when it has to wait.
pub(crate) fn lock(path: &Path, what: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("open {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another command that changes {what}");
        file.lock().with_context(|| format!("lock {}", path.display()))?;
    }
    Ok(file)
}

/// Parent of the instances' directories. Not `$XDG_RUNTIME_DIR`: containers' file systems may fill gigabytes.
pub(crate) fn base() -> PathBuf {
    std::env::temp_dir().join("voip-e2e")
}

fn read_state(directory: &Path) -> Result<Option<State>> {
    let path = directory.join("state.json");
    match fs::read(&path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).with_context(|| format!("read {}", path.display()))
        }
        // Not a directory: one of the locks beside the instances.
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// A directory that nobody else can read: keys and tokens lie below it.
pub(crate) fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("create {}", path.display()))?;
    let owner = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        bail!("{} belongs to another user: set TMPDIR to a directory of your own", path.display());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("restrict {}", path.display()))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=20).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_directory() {
        assert!(is_name("tier-a-2"));
        for bad in ["", "..", "a/b", "Default", "abcdefghijklmnopqrstu"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
