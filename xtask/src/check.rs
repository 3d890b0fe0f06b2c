//! `lint` and `test`: what CI runs, and what one runs before a push.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{codegen, peers};

/// The instance of the test cluster that `test` starts; one of the user's goes on beside it.
const INSTANCE: &str = "tests";

/// A test cluster, and the tests that it is started for.
struct Stage {
    /// Arguments of `cluster up`.
    up: &'static [&'static str],
    /// Whether they need the images, or what was built for them.
    of_images: bool,
    /// Arguments of `cluster run`.
    run: &'static [&'static str],
    /// One after the other.
    turns: &'static [Turn],
}

/// Tests that run together.
struct Turn {
    /// What their names begin with.
    tests: &'static str,
    /// What the test runner is told.
    how: &'static str,
}

/// Those of tiers a and b wait for other programs more than they work; `cluster_alone_*` disturb all others on the same
/// cluster. A thousand nodes are work, and what they cost is printed. Those with real nodes run as hosts outside of these.
const STAGES: &[Stage] = &[
    Stage {
        up: &["--tier", "a"],
        of_images: false,
        run: &[],
        turns: &[Turn { tests: "cluster_a_", how: "--test-threads=8" }],
    },
    Stage {
        up: &["--tier", "b"],
        of_images: false,
        run: &[],
        turns: &[
            Turn { tests: "cluster_b_", how: "--test-threads=8" },
            Turn { tests: "cluster_alone_", how: "--test-threads=1" },
        ],
    },
    Stage {
        up: &["--tier", "b", "--nodes", "1000"],
        of_images: true,
        run: &[],
        turns: &[Turn { tests: "cluster_thousand_", how: "--nocapture" }],
    },
    Stage {
        up: &["--tier", "c"],
        of_images: true,
        run: &["--outside"],
        turns: &[Turn { tests: "cluster_c_", how: "--test-threads=1" }],
    },
];

impl Stage {
    /// The names of its tests, as a message shows them.
    fn names(&self) -> String {
        let names: Vec<String> = self.turns.iter().map(|turn| format!("{}*", turn.tests)).collect();
        names.join(", ")
    }
}

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
        let stages: Vec<String> = STAGES.iter().filter(|stage| stage.of_images).map(Stage::names).collect();
        println!(
            "SKIPPED for want of target/images (cargo xtask images) or root: images_*, {}",
            stages.join(", ")
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
        None => {
            let mut possible = STAGES.iter().filter(|stage| images || !stage.of_images);
            possible.try_for_each(|stage| parts.stage(stage))?;
        }
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
    fn stage(&mut self, stage: &Stage) -> Result<()> {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        let xtask = self.xtask.clone();
        let cluster = |task: &[&'static str]| [&["cluster", "--name", INSTANCE], task].concat();
        let up = [cluster(&["up"]), stage.up.to_vec()].concat();
        if let Err(error) = self.run(&xtask, &up) {
            self.run(&xtask, &cluster(&["down"]))?;
            if ci {
                return Err(error);
            }
            println!("SKIPPED for the reason above: every test named {}", stage.names());
            return Ok(());
        }
        let tested = stage.turns.iter().try_for_each(|turn| self.on_cluster(stage, turn));
        self.run(&xtask, &cluster(&["down"]))?;
        tested
    }

    /// Runs tests on the test cluster that is up.
    fn on_cluster(&mut self, stage: &Stage, turn: &Turn) -> Result<()> {
        let packages = ["--package", "e2e", "--package", "voip-operator"];
        let features = ["--features", "e2e/cluster,voip-operator/cluster"];
        let test = [&["test"], &packages[..], &features, &["--test", "cluster", "--locked"]].concat();
        let run = [&["cluster", "--name", INSTANCE, "run"], stage.run, &["--", env!("CARGO")]].concat();
        let tests = [run, test, vec!["--", turn.how, turn.tests]].concat();
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
