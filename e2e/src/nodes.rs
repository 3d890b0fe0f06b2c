//! Simulated nodes of a test's own: no pods but its own come to them. Knows tiers a and b only.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::kubernetes::{feed, kubectl};

/// Label and taint of these nodes; the value is the test's own.
const MARK: &str = "test.voip.dev/nodes";

/// Nodes, gone when dropped.
#[derive(Debug)]
pub struct Nodes {
    purpose: String,
    names: Vec<String>,
}

impl Nodes {
    /// Makes `count` nodes whose names begin with `purpose`.
    pub fn new(purpose: &str, count: usize) -> Self {
        let mut nodes = Self { purpose: format!("{purpose}-{}", std::process::id()), names: Vec::new() };
        for _ in 0..count {
            nodes.add();
        }
        nodes
    }

    /// Makes one more; its name.
    pub fn add(&mut self) -> String {
        let name = format!("{}-{}", self.purpose, self.names.len());
        self.make(&name);
        self.names.push(name.clone());
        name
    }

    /// Makes a node under this name; it may have been there before.
    pub fn make(&self, name: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Inside what the test cluster keeps on this machine, and beside the nodes that it makes itself.
        let address = format!("10.99.{}.{}", 128 + count / 250, 1 + count % 250);
        let resources = json!({"cpu": "16", "memory": "64Gi", "pods": "250"});
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", MARK: self.purpose,
            }},
            "spec": {"taints": [{"key": MARK, "value": self.purpose, "effect": "NoSchedule"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "Simulated"}],
                "allocatable": resources,
                "capacity": resources,
            },
        });
        feed(&["create", "-f", "-"], &node.to_string()).ok();
    }

    /// The name of the `nth`.
    pub fn name(&self, nth: usize) -> &str {
        &self.names[nth]
    }

    /// A pod template that comes to these nodes and to no others.
    pub fn template(&self) -> Value {
        json!({"spec": {
            "nodeSelector": {MARK: self.purpose},
            "tolerations": [{"key": MARK, "operator": "Equal", "value": self.purpose, "effect": "NoSchedule"}],
        }})
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        kubectl(&["delete", "nodes", "--selector", &format!("{MARK}={}", self.purpose), "--wait=false"]);
    }
}
