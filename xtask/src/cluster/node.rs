//! A real node: containerd, kubelet and kube-proxy in namespaces of their own. Its first process takes all the rest
//! with it, which makes ending it a loss of power.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::build::DNS_IMAGE;
use super::control_plane::Cluster;
use super::daemon::{Daemon, Running, until};
use super::network::{self, Node};
use super::simulated::ready_nodes;
use super::{cgroup, init};

/// Three times what two busy cores were seen to need.
const PATIENCE: Duration = Duration::from_mins(2);
const DNS: &str = include_str!("../../../e2e/kubernetes/coredns.yaml");

/// Starts all nodes and the cluster's DNS; returns when nodes are Ready, their images are there, and names resolve.
pub(crate) fn start_all(cluster: &Cluster) -> Result<()> {
    let count = cluster.state.nodes;
    let mut running = Vec::new();
    for node in Node::all(count) {
        running.push(start(cluster, node)?);
    }
    let mut alive = || running.iter_mut().try_for_each(Daemon::check);
    until(PATIENCE, &format!("{count} nodes are Ready with their images"), || {
        alive()?;
        Ok(ready_nodes(cluster)? >= count.into()
            && Node::all(count).all(|node| init::has_images(cluster, node)))
    })?;
    cluster.kubectl(&["apply", "-f", "-"], &DNS.replace("@IMAGE@", DNS_IMAGE))?;
    let patience = format!("--timeout={}s", PATIENCE.as_secs());
    cluster
        .kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", &patience], "")
        .map(drop)
}

/// Boots `node`; returns before it is Ready.
pub(crate) fn start(cluster: &Cluster, node: Node) -> Result<Daemon> {
    if Running::named(&cluster.instance, &node.name()).is_some() {
        bail!("node {} is up", node.name());
    }
    network::attach_node(node, cluster.state.nodes, cluster.state.pod_network)?;
    cgroup::create(node)?;
    Daemon::start(&cluster.instance, &node.name(), &first_process(cluster, node)?)
}

/// Cuts the power of `node`: nobody on it learns of it, and nothing answers at its address any more.
pub(crate) fn stop(cluster: &Cluster, node: Node) -> Result<()> {
    let Some(running) = Running::named(&cluster.instance, &node.name()) else {
        bail!("node {} is down", node.name());
    };
    network::set_link(node, false)?;
    running.kill()?;
    cgroup::remove(&format!("{}{}", network::PREFIX, node.name()))?;
    network::detach_node(node)
}

/// This program as process 1 of the node's namespaces.
fn first_process(cluster: &Cluster, node: Node) -> Result<Command> {
    let mut command = network::inside(Some(&node.namespace()), Path::new("unshare"));
    command.args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]);
    command.args(["--propagation", "private", "--"]);
    command.arg(std::env::current_exe().context("find this program")?);
    command.args(["cluster", "--name", cluster.instance.name(), "node-init", &node.0.to_string()]);
    Ok(command)
}
