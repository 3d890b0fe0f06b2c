//! `cargo xtask cluster`: a real Kubernetes on this machine for the tests. See `e2e/kubernetes/README.md`.

mod build;
mod control_plane;
mod credentials;
mod daemon;
mod instance;
mod machine;
mod network;
mod ports;
mod simulated;
mod teardown;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use control_plane::{Cluster, audit_log};
use credentials::{User, kubeconfig_path};
use daemon::Running;
use instance::{Instance, PodNetwork, State, Tier};
use ports::Ports;

/// A real Kubernetes for the tests.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Which of several clusters on this machine; by default `$VOIP_E2E_INSTANCE`, or `default`.
    #[arg(long, global = true)]
    name: Option<String>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Starts a cluster; builds its programs the first time.
    Up {
        /// a: etcd and API server; b: with controllers and simulated nodes; c: with real nodes.
        #[arg(long, value_enum)]
        tier: Tier,
        /// Nodes of tier b (default 5) or c (default 3).
        #[arg(long)]
        nodes: Option<u16>,
    },
    /// Runs a command as admin of the cluster, with its kubectl and helm on PATH.
    Run {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Ends and removes a cluster, also one that was left half started.
    Down,
    /// Says what runs.
    Status,
    /// Builds the programs and starts nothing.
    Build,
    /// Ends the API server and starts it again on the same port.
    RestartApiserver,
}

/// Does what the command line asks for.
pub(crate) fn run(root: &Path, arguments: Arguments) -> Result<()> {
    let instance = Instance::named(arguments.name)?;
    match arguments.task {
        Task::Up { tier, nodes } => up(root, instance, tier, nodes),
        Task::Run { command } => run_command(&running(root, instance)?, &command),
        Task::Down => {
            let _lock = instance.lock()?;
            teardown::down(&instance)?;
            println!("instance {} is down: nothing of it is left", instance.name());
            Ok(())
        }
        Task::Status => status(&instance),
        Task::Build => {
            machine::prepare(root, Tier::A, &build::Programs::locate(root)?)?;
            println!("{}", build::ensure(root)?.bin().display());
            Ok(())
        }
        Task::RestartApiserver => {
            let cluster = running(root, instance)?;
            let _lock = cluster.instance.lock()?;
            cluster.restart_api_server()
        }
    }
}

fn up(root: &Path, instance: Instance, tier: Tier, nodes: Option<u16>) -> Result<()> {
    let programs = build::Programs::locate(root)?;
    machine::prepare(root, tier, &programs)?;
    let programs = build::ensure(root)?;
    let _lock = instance.lock()?;
    if let Some(state) = instance.state()? {
        if state.ready {
            return already_up(&instance, &state, tier);
        }
        println!("an earlier up of instance {} was cut short: taking it down first", instance.name());
    }
    teardown::down(&instance)?;
    let started = Instant::now();
    let state = reserve(&instance, tier, nodes)?;
    let mut cluster = Cluster { instance, programs, state };
    start(&cluster)?;
    cluster.state.ready = true;
    cluster.instance.save(&cluster.state)?;
    println!(
        "{} after {:.1} s",
        describe(&cluster.instance, &cluster.state),
        started.elapsed().as_secs_f64()
    );
    println!("next: cargo xtask cluster run -- kubectl get nodes");
    Ok(())
}

fn already_up(instance: &Instance, state: &State, tier: Tier) -> Result<()> {
    let name = instance.name();
    if state.tier != tier {
        bail!("instance {name} runs tier {}: cargo xtask cluster down --name {name}", state.tier);
    }
    println!("{} already", describe(instance, state));
    Ok(())
}

/// Chooses the ports and writes down what is about to start.
fn reserve(instance: &Instance, tier: Tier, nodes: Option<u16>) -> Result<State> {
    let _lock = instance::lock(&instance::base().join("ports.lock"), "the list of ports")?;
    let taken: Vec<Ports> = instance::all_states()?.iter().map(|state| state.ports).collect();
    let (nodes, ports) = match tier {
        Tier::A => (0, Ports::free(&taken)?),
        Tier::B => (nodes.unwrap_or(5), Ports::free(&taken)?),
        Tier::C => (nodes.unwrap_or(3), Ports::USUAL),
    };
    let state = State { tier, nodes, ports, pod_network: PodNetwork::Masquerade, ready: false };
    instance.create()?;
    instance.save(&state)?;
    Ok(state)
}

fn start(cluster: &Cluster) -> Result<()> {
    let mut users = User::programs();
    users.push(User::admin());
    cluster.start_control_plane(&users)?;
    match cluster.state.tier {
        Tier::A => Ok(()),
        Tier::B => simulated::start(cluster),
        Tier::C => bail!("tier c does not exist yet: a and b do"),
    }
}

/// The cluster of `instance`, which must be up.
fn running(root: &Path, instance: Instance) -> Result<Cluster> {
    let state = instance.state()?.filter(|state| state.ready);
    let name = instance.name();
    let state =
        state.with_context(|| format!("instance {name} is not up: cargo xtask cluster up --name {name}"))?;
    Ok(Cluster { programs: build::Programs::locate(root)?, instance, state })
}

/// Becomes `command`.
fn run_command(cluster: &Cluster, command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("a command to run")?;
    let mut paths = vec![cluster.programs.bin()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let error = network::inside(cluster.namespace(), Path::new(program))
        .args(arguments)
        .env("PATH", std::env::join_paths(paths).context("join PATH")?)
        .env("KUBECONFIG", kubeconfig_path(&cluster.instance, "admin"))
        .env("VOIP_E2E_INSTANCE", cluster.instance.name())
        .env("VOIP_E2E_TIER", cluster.state.tier.to_string())
        .env("VOIP_E2E_RUN", cluster.instance.directory())
        .env("VOIP_E2E_AUDIT_LOG", audit_log(&cluster.instance))
        .env("VOIP_E2E_XTASK", std::env::current_exe().context("find this program")?)
        .exec();
    Err(error).with_context(|| format!("start {}", program.display()))
}

fn status(instance: &Instance) -> Result<()> {
    match instance.state()? {
        None => println!("instance {}: not up", instance.name()),
        Some(state) if !state.ready => println!("instance {}: left half started", instance.name()),
        Some(state) => {
            println!("{}, {} processes", describe(instance, &state), Running::all(instance)?.len());
        }
    }
    Ok(())
}

fn describe(instance: &Instance, state: &State) -> String {
    let nodes = match state.tier {
        Tier::A => String::new(),
        Tier::B => format!(" with {} simulated nodes", state.nodes),
        Tier::C => format!(" with {} nodes", state.nodes),
    };
    let directory = instance.directory().display();
    format!("instance {}: tier {}{nodes} runs in {directory}", instance.name(), state.tier)
}
