//! The nodes of the test cluster: their addresses, and what can happen to them.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use e2e::kubernetes::get;
use e2e::wait::until;

use super::office::condition;

/// A node, `n1` to `n3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node(pub(super) u8);

impl Node {
    pub(super) fn name(self) -> String {
        format!("n{}", self.0)
    }

    pub(super) fn address(self) -> IpAddr {
        Ipv4Addr::new(10, 99, 0, 10 + self.0).into()
    }
}

impl Node {
    /// Takes its power; gives it back when the answer is dropped.
    pub(super) fn without_power(self) -> Restored {
        xtask(&["node", "down", &self.name()]);
        Restored { node: self, by: &["node", "up"] }
    }

    /// Cuts its wire; mends it when the answer is dropped.
    pub(super) fn without_wire(self) -> Restored {
        xtask(&["link", "cut", &self.name()]);
        Restored { node: self, by: &["link", "heal"] }
    }

    /// Waits until Kubernetes says that it is Ready, or that it is not.
    pub(super) fn await_ready(self, ready: bool) {
        until(&format!("{} Ready: {ready}", self.name()), Duration::from_secs(30), || {
            let nodes = get(&["nodes"]);
            let mut nodes = nodes["items"].as_array().into_iter().flatten();
            let node =
                nodes.find(|node| node["metadata"]["name"] == self.name()).cloned().unwrap_or_default();
            if (condition(&node, "Ready")["status"] == "True") == ready {
                Ok(())
            } else {
                Err(node["status"]["conditions"].clone())
            }
        });
    }
}

/// A node that lacks something until this is dropped.
pub(super) struct Restored {
    node: Node,
    by: &'static [&'static str],
}

impl Drop for Restored {
    fn drop(&mut self) {
        let name = self.node.name();
        xtask(&[self.by, &[&name]].concat());
        if !std::thread::panicking() {
            self.node.await_ready(true);
        }
    }
}

/// Asks the test cluster for something.
pub(super) fn xtask(arguments: &[&str]) {
    let program = std::env::var_os("VOIP_E2E_XTASK").expect("run this by `cargo xtask cluster run`");
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let status = Command::new(program).arg("cluster").args(arguments).current_dir(workspace).status();
    assert!(status.is_ok_and(|status| status.success()), "cargo xtask cluster {arguments:?}");
}

/// How packets of pods leave the cluster, until dropped: then they are masqueraded again.
pub(super) struct Routable;

impl Routable {
    /// They keep the pod's address, and the outside has routes to pods.
    pub(super) fn set() -> Self {
        xtask(&["pod-network", "routable"]);
        Self
    }
}

impl Drop for Routable {
    fn drop(&mut self) {
        xtask(&["pod-network", "masquerade"]);
    }
}

/// Every node.
pub(super) const NODES: [Node; 3] = [Node(1), Node(2), Node(3)];

/// The hosts outside.
pub(super) const OUTSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 99, 0, 200)), IpAddr::V4(Ipv4Addr::new(10, 99, 0, 201))];
