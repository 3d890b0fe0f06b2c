//! `lint` and `test`: what CI runs, and what one runs before a push.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{codegen, peers};

/// The instance of the test cluster that `test` starts; one of the user's goes on beside it.
const INSTANCE: &str = "tests";
/// The tiers of the test cluster that have tests.
const TIERS: &[&str] = &["a", "b", REAL];
/// The tier of the tests that disturb all others on the same cluster: they run after them, one at a time.
const ALONE: (&str, &str) = ("b", "cluster_alone_");
/// The one with real nodes. Its tests need the images, and run as hosts outside the nodes, one at a time.
const REAL: &str = "c";

/// Names the configuration of a Kubernetes of the user's. It takes the place of the test cluster, for the tests that destroy
/// nothing there.
const THEIRS: &str = "VOIP_TEST_KUBECONFIG";
/// These tests: they make and delete a namespace, and apply nothing but in dry run.
const HARMLESS: &str = "rules::";

/// Formatting, clippy with warnings as errors, generated files.
pub(crate) fn lint(root: &Path) -> Result<()> {
    let mut parts = Parts::new(root)?;
    parts.cargo(&["fmt", "--all", "--check"])?;
    codegen::run(root, true)?;
    let features = ["--features", "e2e/cluster,voip-operator/cluster"];
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    parts.cargo(&[&clippy[..], &features, &["--", "-D", "warnings"]].concat())?;
    parts.print();
    Ok(())
}

/// Every test of the workspace, but for those whose peer or cluster this machine cannot have; they are named.
/// `filters` go to the test runner as they are, and then no cluster is started.
pub(crate) fn test(root: &Path, filters: &[String]) -> Result<()> {
    let missing = peers::missing()?;
    let mut parts = Parts::new(root)?;
    // The end-to-end tests start this executable, as a user would.
    parts.cargo(&["build", "--package", "voipctl", "--locked"])?;
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast", "--"];
    let images = parts.images()?;
    if !images {
        println!(
            "SKIPPED for want of target/images (cargo xtask images) or root: images_*, cluster_{REAL}_*"
        );
        arguments.extend(["--skip", "images_"]);
    }
    for peer in &missing {
        println!("SKIPPED for want of {}: every test named *{}*", peer.name, peer.tests);
        arguments.extend(["--skip", peer.tests]);
    }
    arguments.extend(filters.iter().map(String::as_str));
    parts.cargo(&arguments)?;
    match std::env::var_os(THEIRS) {
        _ if !filters.is_empty() => {}
        Some(kubeconfig) => parts.theirs(&kubeconfig)?,
        None => TIERS.iter().filter(|tier| images || **tier != REAL).try_for_each(|tier| parts.tier(tier))?,
    }
    parts.print();
    Ok(())
}

/// Runs commands and remembers how long each took.
struct Parts<'a> {
    root: &'a Path,
    /// This executable. Asked before anything is built: a build replaces the file, and then its name is gone.
    xtask: PathBuf,
    took: Vec<(f64, String)>,
}

impl<'a> Parts<'a> {
    fn new(root: &'a Path) -> Result<Self> {
        let xtask = std::env::current_exe().context("where this executable is")?;
        Ok(Self { root, xtask, took: Vec::new() })
    }

    fn cargo(&mut self, arguments: &[&str]) -> Result<()> {
        self.run(Path::new(env!("CARGO")), arguments)
    }

    /// Whether this machine can test the images: containers need root. They are built here under `CI=true` only, since
    /// that takes minutes.
    fn images(&mut self) -> Result<bool> {
        if std::env::var("CI").is_ok_and(|value| value == "true") {
            self.run(&self.xtask.clone(), &["images"])?;
            return Ok(true);
        }
        Ok(self.root.join("target/images").is_dir() && rustix::process::geteuid().is_root())
    }

    /// Starts the test cluster, runs its tests, and takes it down whatever came of them.
    fn tier(&mut self, tier: &str) -> Result<()> {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        let xtask = self.xtask.clone();
        let cluster = |task: &[&'static str]| [&["cluster", "--name", INSTANCE], task].concat();
        let up = [cluster(&["up", "--tier"]), vec![tier]].concat();
        if let Err(error) = self.run(&xtask, &up) {
            self.run(&xtask, &cluster(&["down"]))?;
            if ci {
                return Err(error);
            }
            println!("SKIPPED for the reason above: every test named cluster_{tier}_*");
            return Ok(());
        }
        let tested = self.tests_of(tier);
        self.run(&xtask, &cluster(&["down"]))?;
        tested
    }

    fn tests_of(&mut self, tier: &str) -> Result<()> {
        // Others wait for other programs more than they work.
        let threads = if tier == REAL { "1" } else { "8" };
        self.on_cluster(tier, &format!("cluster_{tier}_"), threads)?;
        if tier == ALONE.0 { self.on_cluster(tier, ALONE.1, "1") } else { Ok(()) }
    }

    /// Runs those tests whose names begin with `names` on the test cluster that is up.
    fn on_cluster(&mut self, tier: &str, names: &str, threads: &str) -> Result<()> {
        let packages = ["--package", "e2e", "--package", "voip-operator"];
        let features = ["--features", "e2e/cluster,voip-operator/cluster"];
        let test = [&["test"], &packages[..], &features, &["--test", "cluster", "--locked"]].concat();
        let outside: &[&str] = if tier == REAL { &["--outside"] } else { &[] };
        let run = [&["cluster", "--name", INSTANCE, "run"], outside, &["--", env!("CARGO")]].concat();
        let tests = [run, test, vec!["--", "--test-threads", threads, names]].concat();
        self.run(&self.xtask.clone(), &tests)
    }

    /// Runs the tests that destroy nothing on the user's Kubernetes.
    fn theirs(&mut self, kubeconfig: &OsStr) -> Result<()> {
        println!("SKIPPED because {THEIRS} is set: every test named cluster_* but those of {HARMLESS}");
        let test = ["test", "--package", "e2e", "--features", "e2e/cluster", "--test", "cluster", "--locked"];
        let environment =
            [(OsStr::new("KUBECONFIG"), kubeconfig), (OsStr::new("VOIP_E2E_TIER"), OsStr::new("theirs"))];
        self.run_in(&environment, Path::new(env!("CARGO")), &[&test[..], &["--", HARMLESS]].concat())
    }

    fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<()> {
        self.run_in(&[], program, arguments)
    }

    fn run_in(&mut self, environment: &[(&OsStr, &OsStr)], program: &Path, arguments: &[&str]) -> Result<()> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let line = format!("{name} {}", arguments.join(" "));
        println!("{line}");
        let started = Instant::now();
        let status = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(self.root)
            .status()
            .with_context(|| format!("start {line}"))?;
        self.took.push((started.elapsed().as_secs_f64(), line.clone()));
        if status.success() { Ok(()) } else { bail!("{line}: {status}") }
    }

    fn print(&self) {
        for (seconds, line) in &self.took {
            println!("{seconds:>5.0} s  {line}");
        }
    }
}
