//! Nodes that exist on the API server only: kwok answers for their kubelets, and lets their pods run at once.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::control_plane::{Cluster, PODS};
use super::credentials::kubeconfig_path;
use super::daemon::Daemon;

/// Nodes that one kubectl makes: it sends one request after the other, so several work side by side.
const BATCH: u16 = 125;
/// How long any number of nodes may take to be Ready,
const PATIENCE: Duration = Duration::from_mins(1);
/// and each node more: a thousand were seen to need 20 ms each on quiet cores and 60 ms on busy ones.
const PATIENCE_PER_NODE: Duration = Duration::from_millis(180);
/// Pause between two looks, for each node: a look at many costs the API server as much as making some.
const PAUSE_PER_NODE: Duration = Duration::from_millis(1);
/// How often it is said how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Starts kwok and makes `sim-1` to `sim-N`; returns when all are Ready.
pub(crate) fn start(cluster: &Cluster) -> Result<()> {
    let count = cluster.state.nodes;
    let mut kwok = Daemon::start(&cluster.instance, "kwok", &kwok(cluster))?;
    let numbers: Vec<u16> = (1..=count).collect();
    std::thread::scope(|scope| {
        let create = |batch: &[u16]| -> Result<()> {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": batch.iter().map(|n| node(*n)).collect::<Vec<_>>()});
            cluster.kubectl(&["create", "-f", "-"], &list.to_string()).map(drop)
        };
        let running: Vec<_> =
            numbers.chunks(BATCH.into()).map(|batch| scope.spawn(move || create(batch))).collect();
        running
            .into_iter()
            .try_for_each(|batch| batch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    await_ready(cluster, &mut kwok)
}

fn await_ready(cluster: &Cluster, kwok: &mut Daemon) -> Result<()> {
    let count = u32::from(cluster.state.nodes);
    let limit = PATIENCE + PATIENCE_PER_NODE * count;
    let (started, mut said) = (Instant::now(), Instant::now());
    loop {
        kwok.check()?;
        let ready = ready_nodes(cluster)?;
        if ready >= cluster.state.nodes.into() {
            return Ok(());
        }
        if started.elapsed() >= limit {
            bail!("only {ready} of {count} simulated nodes are Ready after {} s", limit.as_secs());
        }
        if said.elapsed() >= SAY_EVERY {
            println!("{ready} of {count} simulated nodes are Ready");
            said = Instant::now();
        }
        // kwok's work has no event to wait on here.
        std::thread::sleep((PAUSE_PER_NODE * count).max(Duration::from_millis(50)));
    }
}

/// How many nodes are Ready.
pub(crate) fn ready_nodes(cluster: &Cluster) -> Result<usize> {
    let path = r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    Ok(cluster.kubectl(&["get", "nodes", "-o", path], "")?.lines().filter(|line| *line == "True").count())
}

fn kwok(cluster: &Cluster) -> Command {
    let mut command = Command::new(cluster.programs.program("kwok"));
    command.args([
        format!("--kubeconfig={}", kubeconfig_path(&cluster.instance, "kwok").display()),
        format!("--config={}", cluster.programs.stages().display()),
        format!("--server-address=127.0.0.1:{}", cluster.state.ports.kwok),
        format!("--cidr={PODS}"),
        // Nodes that a test makes with kubectl come alive as well.
        "--manage-all-nodes=true".into(),
        "--node-lease-duration-seconds=40".into(),
    ]);
    command
}

/// A worker of 16 cores with an address of its own, as a kubelet would have registered it.
fn node(number: u16) -> Value {
    let name = format!("sim-{number}");
    let [high, low] = number.to_be_bytes();
    let resources = json!({"cpu": "16", "memory": "64Gi", "pods": "250"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        }},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": format!("10.99.{high}.{low}")},
                {"type": "Hostname", "address": name},
            ],
            "allocatable": resources,
            "capacity": resources,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_simulated_node_has_its_own_address() {
        let address = |number| node(number)["status"]["addresses"][0]["address"].as_str().unwrap().to_owned();
        assert_eq!(address(1), "10.99.0.1");
        assert_eq!(address(1000), "10.99.3.232");
    }
}
