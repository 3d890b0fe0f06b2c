//! Build tasks: `cargo xtask --help`.

mod check;
mod cluster;
mod codegen;
mod images;
mod oci;
mod peers;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Build tasks of voip-operator.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, clippy with warnings as errors, stale generated files.
    Lint,
    /// Every test. Installs the peers it needs when root on Debian under CI=true; otherwise names what it skips.
    Test {
        /// Handed to the test runner: names to run, `--test-threads=1`, …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// Writes the generated files: crds/, docs/resources.md, the chart's CRDs and README, gRPC types.
    Codegen {
        /// Write nothing; fail when a file is stale.
        #[arg(long)]
        check: bool,
    },
    /// A real Kubernetes on this machine, for the tests.
    Cluster(cluster::Arguments),
    /// Container images of the programs, as OCI archives that `ctr images import` takes.
    Images(images::Arguments),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    match Arguments::parse().task {
        Task::Lint => check::lint(root),
        Task::Test { filters } => check::test(root, &filters),
        Task::Codegen { check } => codegen::run(root, check),
        Task::Cluster(arguments) => cluster::run(root, arguments),
        Task::Images(arguments) => images::run(root, &arguments),
    }
}
