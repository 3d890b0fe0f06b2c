//! `cargo xtask cluster`: a real Kubernetes on this machine for the tests. See `e2e/kubernetes/README.md`.

mod build;
mod cgroup;
mod claim;
mod control_plane;
mod credentials;
mod daemon;
mod init;
mod instance;
mod machine;
mod network;
mod node;
mod ports;
mod simulated;
mod teardown;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use build::Programs;
use control_plane::{Cluster, audit_log};
use credentials::{User, kubeconfig_path};
use daemon::Running;
use instance::{Instance, PodNetwork, State, Tier};
use network::Node;
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
        /// Directory of image archives (*.oci.tar) for the nodes of tier c; by default target/images if it is there.
        #[arg(long)]
        images: Option<PathBuf>,
    },
    /// Runs a command as admin of the cluster, with its kubectl and helm on PATH.
    Run {
        /// Tier c: as a host outside the nodes, with routes to them.
        #[arg(long)]
        outside: bool,
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
    /// Tier c: takes a node's power, or gives it back.
    Node {
        change: Power,
        /// 1 or n1
        #[arg(value_parser = node_number)]
        node: Node,
    },
    /// Tier c: cuts a node's wire, or mends it.
    Link {
        change: Wire,
        /// 1 or n1
        #[arg(value_parser = node_number)]
        node: Node,
    },
    /// Tier c: what happens to packets of pods that leave the cluster.
    PodNetwork { mode: PodNetwork },
    /// Tier c: hosts outside reach ADDRESS through a node, as if a load balancer had announced it.
    Route {
        address: Ipv4Addr,
        /// 1 or n1
        #[arg(value_parser = node_number)]
        node: Node,
    },
    /// Process 1 of a node.
    #[command(hide = true)]
    NodeInit {
        #[arg(value_parser = node_number)]
        node: Node,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Power {
    Down,
    Up,
}

#[derive(Clone, Copy, ValueEnum)]
enum Wire {
    Cut,
    Heal,
}

fn node_number(text: &str) -> Result<Node, String> {
    match text.strip_prefix('n').unwrap_or(text).parse() {
        Ok(number @ 1..=network::MOST_NODES) => Ok(Node(number)),
        _ => Err(format!("a node is 1 to {}", network::MOST_NODES)),
    }
}

/// Does what the command line asks for.
pub(crate) fn run(root: &Path, arguments: Arguments) -> Result<()> {
    let instance = Instance::named(arguments.name)?;
    match arguments.task {
        Task::Up { tier, nodes, images } => up(root, instance, &Wanted { tier, nodes, images }),
        Task::Run { outside, command } => run_command(&running(root, instance)?, outside, &command),
        Task::Down => down(&instance),
        Task::Status => status(&instance),
        Task::Build => {
            machine::prepare(root, Tier::A, &Programs::locate(root)?)?;
            println!("{}", build::ensure(root)?.bin().display());
            Ok(())
        }
        Task::RestartApiserver => changing(root, instance, |cluster| cluster.restart_api_server()),
        Task::Node { change: Power::Down, node } => on_node(root, instance, node, node::stop),
        Task::Node { change: Power::Up, node } => {
            on_node(root, instance, node, |cluster, node| node::start(cluster, node).map(drop))
        }
        Task::Link { change, node } => {
            on_node(root, instance, node, |_, node| network::set_link(node, matches!(change, Wire::Heal)))
        }
        Task::PodNetwork { mode } => changing(root, instance, |cluster| set_pod_network(cluster, mode)),
        Task::Route { address, node } => {
            on_node(root, instance, node, |_, node| network::route(address, node))
        }
        Task::NodeInit { node } => {
            let state = instance.state()?.context("a node belongs to a cluster")?;
            init::run(&Cluster { programs: Programs::locate(root)?, instance, state }, node)
        }
    }
}

/// What `up` was asked for.
struct Wanted {
    tier: Tier,
    nodes: Option<u16>,
    images: Option<PathBuf>,
}

impl Wanted {
    fn nodes(&self) -> Result<u16> {
        let (nodes, most) = match self.tier {
            Tier::A => return Ok(0),
            Tier::B => (self.nodes.unwrap_or(5), 5000),
            Tier::C => (self.nodes.unwrap_or(3), network::MOST_NODES),
        };
        if (1..=most).contains(&nodes) {
            Ok(nodes)
        } else {
            bail!("tier {} takes 1 to {most} nodes", self.tier)
        }
    }

    fn images(&self, root: &Path) -> Result<Option<PathBuf>> {
        let Some(images) = &self.images else {
            return Ok(Some(root.join("target/images")).filter(|path| path.is_dir()));
        };
        images.canonicalize().map(Some).with_context(|| format!("find the images in {}", images.display()))
    }
}

fn down(instance: &Instance) -> Result<()> {
    let _lock = instance.lock()?;
    teardown::down(instance)?;
    println!("instance {} is down: nothing of it is left", instance.name());
    Ok(())
}

/// Does `change` to the running cluster while nobody else changes it.
fn changing(root: &Path, instance: Instance, change: impl FnOnce(&mut Cluster) -> Result<()>) -> Result<()> {
    let _lock = instance.lock()?;
    change(&mut running(root, instance)?)
}

/// Does `change` to a real node of the running cluster.
fn on_node(
    root: &Path,
    instance: Instance,
    node: Node,
    change: impl FnOnce(&Cluster, Node) -> Result<()>,
) -> Result<()> {
    changing(root, instance, |cluster| {
        let State { tier, nodes, .. } = cluster.state;
        if tier != Tier::C || node.0 > nodes {
            bail!("there is no real node {} in this cluster of tier {tier}", node.name());
        }
        change(cluster, node)
    })
}

fn set_pod_network(cluster: &mut Cluster, mode: PodNetwork) -> Result<()> {
    if cluster.state.tier != Tier::C {
        bail!("tier {} has no pod network", cluster.state.tier);
    }
    cluster.state.pod_network = mode;
    // Nodes without power take it up from here.
    cluster.instance.save(&cluster.state)?;
    let mut up = Node::all(cluster.state.nodes)
        .filter(|node| Running::named(&cluster.instance, &node.name()).is_some());
    up.try_for_each(|node| network::set_pod_network(node, mode))
}

fn up(root: &Path, instance: Instance, wanted: &Wanted) -> Result<()> {
    let programs = Programs::locate(root)?;
    machine::prepare(root, wanted.tier, &programs)?;
    let programs = build::ensure(root)?;
    let _lock = instance.lock()?;
    if let Some(state) = instance.state()? {
        if state.ready {
            return already_up(&instance, &state, wanted.tier);
        }
        println!("an earlier up of instance {} was cut short: taking it down first", instance.name());
    }
    teardown::down(&instance)?;
    if wanted.tier == Tier::C {
        claim::take(&instance)?;
    }
    let started = Instant::now();
    let state = reserve(root, &instance, wanted)?;
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
fn reserve(root: &Path, instance: &Instance, wanted: &Wanted) -> Result<State> {
    let _lock = instance::lock_ports()?;
    let taken: Vec<Ports> = instance::all_states()?.iter().map(|state| state.ports).collect();
    let ports = if wanted.tier == Tier::C { Ports::USUAL } else { Ports::free(&taken)? };
    let state = State {
        tier: wanted.tier,
        nodes: wanted.nodes()?,
        ports,
        pod_network: PodNetwork::Masquerade,
        images: wanted.images(root)?,
        ready: false,
    };
    instance.create()?;
    instance.save(&state)?;
    Ok(state)
}

fn start(cluster: &Cluster) -> Result<()> {
    let mut users = User::programs();
    users.push(User::admin());
    if cluster.state.tier == Tier::C {
        network::create()?;
        users.extend(Node::all(cluster.state.nodes).map(|node| User::node(&node.name())));
    }
    // The operator dials simulated pods too: what is sent to them must not leave the machine.
    if cluster.state.tier == Tier::B {
        network::guard()?;
    }
    cluster.start_control_plane(&users)?;
    match cluster.state.tier {
        Tier::A => Ok(()),
        Tier::B => simulated::start(cluster),
        Tier::C => node::start_all(cluster),
    }
}

/// The cluster of `instance`, which must be up.
fn running(root: &Path, instance: Instance) -> Result<Cluster> {
    let state = instance.state()?.filter(|state| state.ready);
    let name = instance.name();
    let state =
        state.with_context(|| format!("instance {name} is not up: cargo xtask cluster up --name {name}"))?;
    Ok(Cluster { programs: Programs::locate(root)?, instance, state })
}

/// Becomes `command`.
fn run_command(cluster: &Cluster, outside: bool, command: &[OsString]) -> Result<()> {
    let namespace = cluster.namespace().map(|inside| if outside { network::OUTSIDE } else { inside });
    if outside && namespace.is_none() {
        bail!("--outside: tier {} has no nodes to be outside of", cluster.state.tier);
    }
    let (program, arguments) = command.split_first().context("a command to run")?;
    let mut paths = vec![cluster.programs.bin()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let error = network::inside(namespace, Path::new(program))
        .args(arguments)
        .env("PATH", std::env::join_paths(paths).context("join PATH")?)
        .env("KUBECONFIG", kubeconfig_path(&cluster.instance, "admin"))
        // Another cluster was on this port before, with other kinds.
        .env("KUBECACHEDIR", cluster.instance.path("kubectl-cache"))
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
