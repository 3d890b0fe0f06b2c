//! Programs of others that the tests need, and how to get them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program that tests drive.
pub(crate) struct Peer {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Its executable.
    program: &'static str,
    /// Asks it for its version.
    version: &'static str,
    /// Debian package that holds it.
    package: &'static str,
    /// Tests whose names contain this need it.
    pub(crate) tests: &'static str,
}

/// Every peer.
pub(crate) const PEERS: &[Peer] =
    &[Peer { name: "SIPp", program: "sipp", version: "-v", package: "sip-tester", tests: "sipp_" }];

impl Peer {
    fn is_here(&self) -> bool {
        // SIPp ends with 99 after -v: that it starts is what counts.
        Command::new(self.program)
            .arg(self.version)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    }
}

/// The peers that are missing, after trying to install them where this machine is ours to change: root on Debian
/// with `CI=true`. Under `CI=true` a peer that stays missing is an error.
pub(crate) fn missing() -> Result<Vec<&'static Peer>> {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    for peer in PEERS {
        println!("needs {} ({}; Debian package {})", peer.name, peer.program, peer.package);
    }
    let absent = || PEERS.iter().filter(|peer| !peer.is_here()).collect::<Vec<_>>();
    let before = absent();
    if before.is_empty() || !ci {
        return Ok(before);
    }
    install(&before.iter().map(|peer| peer.package).collect::<Vec<_>>())?;
    let after = absent();
    if let Some(peer) = after.first() {
        bail!(
            "{} is missing under CI=true and could not be installed: apt-get install {}",
            peer.name,
            peer.package
        );
    }
    Ok(after)
}

/// Installs Debian packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| -> Result<()> {
        println!("apt-get {}", arguments.join(" "));
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("start apt-get: CI=true wants root on Debian, or everything installed")?;
        if status.success() { Ok(()) } else { bail!("apt-get {}: {status}", arguments.join(" ")) }
    };
    apt(&["-q", "update"])?;
    let mut arguments = vec!["-q", "-y", "--no-install-recommends", "install"];
    arguments.extend(packages);
    apt(&arguments)
}
