//! `kubectl voip`: the real plugin, found by the real kubectl, before a real API server with objects fed by hand.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use e2e::cluster::voipctl;
use e2e::kubernetes::{Namespace, Said, apply, feed, get, install_crds, kubectl};
use e2e::wait::until;
use serde_json::{Value, json};

/// A directory with the executable under the plugin's name; gone with this.
struct Plugin(PathBuf);

impl Plugin {
    fn new(namespace: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("voip-e2e-{namespace}"));
        std::fs::create_dir_all(&directory).unwrap();
        symlink(voipctl(), directory.join("kubectl-voip")).unwrap();
        Self(directory)
    }

    /// `kubectl voip ARGUMENTS`.
    fn command(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("kubectl");
        command.arg("voip").args(arguments).env("PATH", format!("{}:{path}", self.0.display()));
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("start kubectl");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Said { success: status.success(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["-o", "json"]].concat()).ok()).expect("it prints JSON")
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A namespace with the VoipCluster `office`, of which nothing has been reported.
struct Site {
    namespace: Namespace,
    plugin: Plugin,
}

impl Site {
    fn new(purpose: &str) -> Self {
        install_crds();
        let namespace = Namespace::new(purpose);
        let plugin = Plugin::new(namespace.name());
        let site = Self { namespace, plugin };
        apply(&site.office(&json!({})).to_string()).ok();
        site
    }

    fn name(&self) -> &str {
        self.namespace.name()
    }

    fn office(&self, spec: &Value) -> Value {
        json!({
            "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster",
            "metadata": {"name": "office", "namespace": self.name()}, "spec": spec,
        })
    }

    /// As the operator would.
    fn report(&self, status: &Value) {
        let patch = json!({"status": status}).to_string();
        let to = ["-n", self.name(), "--subresource=status", "--type=merge", "-p", &patch];
        kubectl(&[&["patch", "voipclusters.voip.dev", "office"], &to[..]].concat()).ok();
    }

    fn voip(&self, arguments: &[&str]) -> Said {
        self.plugin.run(&[arguments, &["-n", self.name()]].concat())
    }

    fn drained(&self) -> BTreeSet<String> {
        let office = get(&["voipclusters.voip.dev", "office", "-n", self.name()]);
        let names =
            office["metadata"]["annotations"]["voip.dev/drain"].as_str().unwrap_or_default().to_owned();
        names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The objects of `office` with `nodes` invented nodes, as the operator would apply them, but for leases.
    fn apply_objects(&self, nodes: u32) {
        let spec = json!({"media": {"pools": [{"name": "default", "nodes": nodes, "callsPerNode": 10}]}});
        let mut plan = Command::new(voipctl());
        plan.args(["plan", "-", "-o", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = plan.spawn().expect("start voipctl");
        serde_json::to_writer(child.stdin.take().expect("a pipe"), &self.office(&spec)).unwrap();
        let output = child.wait_with_output().expect("wait for voipctl");
        let mut list: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        list["items"].as_array_mut().unwrap().retain(|object| object["kind"] == "DaemonSet");
        apply(&list.to_string()).ok();
    }
}

fn media_node(number: usize) -> Value {
    json!({"name": format!("node-{number}"), "pool": "default", "address": format!("10.0.0.{number}"),
           "ports": "16384-16447", "state": "Ready"})
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

#[test]
fn cluster_a_plugin_shows_the_status_and_what_to_do_next() {
    let site = Site::new("plugin-status");
    let unseen = site.voip(&["status"]).ok();
    assert!(unseen.contains("The operator has not reported on it."), "{unseen}");
    let pending =
        condition("AddressesResolved", "False", "LoadBalancerPending", "spec.x: no address: set spec.y");
    site.report(&json!({
        "observedGeneration": 1,
        "capacity": {"calls": 500, "callsWithoutOneNode": 250, "portsFree": 7},
        "conditions": [condition("Ready", "False", "LoadBalancerPending", "m"), pending],
    }));
    let text = site.voip(&["status", "office"]).ok();
    for expected in
        ["office: not ready", "500 calls, 250 without", "- AddressesResolved: spec.x: no address: set spec.y"]
    {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let report = site.plugin.json(&["status", "-n", site.name()]);
    assert_eq!((&report["ready"], &report["status"]["capacity"]["calls"]), (&json!(false), &json!(500)));
}

#[test]
fn cluster_a_plugin_lists_more_media_nodes_than_a_status_holds() {
    let site = Site::new("plugin-nodes");
    site.apply_objects(120);
    let reported: Vec<Value> = (1..=100).map(media_node).collect();
    site.report(&json!({"observedGeneration": 1, "nodes": reported, "nodesOmitted": 20}));
    let nodes = site.plugin.json(&["nodes", "-n", site.name()]);
    let nodes = nodes.as_array().unwrap();
    assert_eq!(nodes.len(), 120);
    let of = |name: &str| nodes.iter().find(|node| node["node"] == name).unwrap();
    assert_eq!((&of("node-1")["state"], &of("node-1")["address"]), (&json!("Ready"), &json!("10.0.0.1")));
    let omitted = of("node-120");
    assert_eq!((&omitted["state"], &omitted["address"]), (&json!("NotReady"), &json!("10.0.0.120")));
    assert_eq!((&omitted["pool"], &omitted["ports"]), (&json!("default"), &json!("16384-16447")));
}

#[test]
fn cluster_a_plugin_drains_the_named_nodes_whoever_else_writes() {
    let site = Site::new("plugin-drain");
    let reported: Vec<Value> = (1..=6).map(media_node).collect();
    site.report(&json!({"observedGeneration": 1, "nodes": reported}));
    let refused = site.voip(&["drain", "node-1", "nowhere", "--no-wait"]).refused();
    assert!(refused.contains("has no media-node on nowhere"), "{refused}");
    assert!(site.drained().is_empty());

    let all: Vec<String> = (1..=6).map(|number| format!("node-{number}")).collect();
    let drain = |more: &'static str| {
        let start = |node: &String| {
            let mut command = site.plugin.command(&["drain", "office", node, more, "-n", site.name()]);
            command.stdout(Stdio::null()).spawn().expect("start kubectl")
        };
        let children: Vec<_> = all.iter().map(start).collect();
        for mut child in children {
            assert!(child.wait().expect("wait for kubectl").success());
        }
    };
    drain("--no-wait");
    assert_eq!(site.drained(), all.iter().cloned().collect());
    site.voip(&["drain", "--undo", "node-2", "node-3"]).ok();
    assert_eq!(site.drained(), ["node-1", "node-4", "node-5", "node-6"].map(str::to_owned).into());
    drain("--undo");
    let office = get(&["voipclusters.voip.dev", "office", "-n", site.name()]);
    assert_eq!(office["metadata"]["annotations"]["voip.dev/drain"], Value::Null);
}

/// A node with a label and a taint of its own, so that no other test plans for it.
fn node(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"voip-e2e": label}},
        "spec": {"taints": [{"key": "voip-e2e", "value": label, "effect": "NoSchedule"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Fed", "message": "by hand"}],
            "capacity": {"cpu": "8", "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
        },
    })
}

/// Gone with it.
struct Nodes(Vec<String>);

impl Nodes {
    fn feed(label: &str, count: u32) -> Self {
        let names: Vec<String> = (1..=count).map(|number| format!("{label}-{number}")).collect();
        for name in &names {
            let node = node(name, label).to_string();
            apply(&node).ok();
            feed(&["apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-"], &node)
                .ok();
        }
        Self(names)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        kubectl(&[&["delete", "nodes", "--wait=false"], &names[..]].concat());
    }
}

/// What `kubectl voip plan` says of `spec`, in one line.
fn plan(site: &Site, spec: &Value, more: &[&str]) -> Said {
    let file = site.plugin.0.join("office.json");
    std::fs::write(&file, site.office(spec).to_string()).unwrap();
    let mut said = site.voip(&[&["plan", file.to_str().unwrap()], more].concat());
    said.stdout = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    said
}

/// A pool on the nodes with `label`.
fn pool(label: &str) -> Value {
    json!({"media": {"pools": [{
        "name": "default", "nodes": 2, "callsPerNode": 10,
        "template": {"spec": {
            "nodeSelector": {"voip-e2e": label},
            "tolerations": [{"key": "voip-e2e", "operator": "Equal", "value": label, "effect": "NoSchedule"}],
        }},
    }]}})
}

#[test]
fn cluster_a_plugin_plans_for_the_nodes_and_the_admission_that_are_there() {
    let site = Site::new("plugin-plan");
    let _nodes = Nodes::feed(site.name(), 2);
    let text = plan(&site, &pool(site.name()), &[]).ok();
    assert_eq!(text.matches("192.0.2.7 NodeInternalIP 16384-16447 RTP").count(), 2, "{text}");
    assert!(text.contains("HostNetwork (HostNetworkAdmitted"), "{text}");
    assert!(!text.contains("not seen"), "{text}");

    kubectl(&["label", "namespace", site.name(), "pod-security.kubernetes.io/enforce=baseline"]).ok();
    let text = plan(&site, &pool(site.name()), &[]).ok();
    assert!(text.contains("none (NoUsableNetwork"), "host ports are refused by baseline too: {text}");
    let pods = get(&["pods", "-n", site.name()]);
    assert_eq!(pods["items"], json!([]), "a dry run makes nothing");
}

#[test]
fn cluster_a_plugin_names_what_a_user_may_not_see() {
    let site = Site::new("plugin-rights");
    let name = site.name();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look", "namespace": name},
        "rules": [{"apiGroups": ["voip.dev"], "resources": ["voipclusters"], "verbs": ["get", "list"]}],
    });
    apply(&role.to_string()).ok();
    let account = format!("{name}:guest");
    let binding = format!("--serviceaccount={account}");
    kubectl(&["create", "rolebinding", "look", "-n", name, "--role=look", &binding]).ok();
    let config = get_config(&site, &format!("system:serviceaccount:{account}"));
    let as_guest = |arguments: &[&str]| site.voip(&[arguments, &["--kubeconfig", &config]].concat());

    let nodes = as_guest(&["nodes"]);
    assert!(nodes.success && nodes.stderr.contains("not all is seen: cannot list daemonsets: "), "{nodes:?}");
    let calls = as_guest(&["calls"]).refused();
    assert!(calls.contains("cannot list pods: "), "{calls}");
    let text = plan(&site, &pool(name), &["--kubeconfig", &config]).ok();
    for unseen in
        ["list nodes", "list rtpportleases", "list pods", "get services", "create pods, not even to try"]
    {
        assert!(
            text.contains(&format!("not seen: cannot {unseen}: the plan rests ")),
            "{unseen} is not in {text}"
        );
    }
}

/// A kubeconfig of somebody who is `user`.
fn get_config(site: &Site, user: &str) -> String {
    let mut config: Value =
        serde_json::from_str(&kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"]).ok()).unwrap();
    config["users"][0]["user"]["as"] = json!(user);
    let path = site.plugin.0.join("guest");
    std::fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn cluster_a_plugin_says_what_is_not_there() {
    let site = Site::new("plugin-absent");
    let wrong = site.voip(&["status", "lab"]).refused();
    assert!(
        wrong.contains("there is no VoipCluster lab in namespace") && wrong.contains("office"),
        "{wrong}"
    );
    let empty = Namespace::new("plugin-empty");
    let none = site.plugin.run(&["nodes", "-n", empty.name()]).refused();
    assert!(none.contains("there is no VoipCluster in namespace"), "{none}");
    let idle = site.voip(&["calls"]).refused();
    assert!(idle.contains("no sip-node of"), "{idle}");
    let nowhere = site.voip(&["status", "--context", "nowhere"]).refused();
    assert!(nowhere.contains("kubectl reaches no Kubernetes"), "{nowhere}");
}

#[test]
fn cluster_a_plugin_plans_around_leases_of_others() {
    let site = Site::new("plugin-leases");
    let _nodes = Nodes::feed(site.name(), 2);
    let first = format!("{}-1", site.name());
    let lease = json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease", "metadata": {"name": format!("node.{first}")},
        "spec": {"space": {"type": "Node", "name": first}, "leases": [{
            "id": format!("lab/lab/default/0@{first}"), "clusterUID": "other", "nodeUID": "n", "state": "Active",
            "rtp": {"start": 16_384, "length": 64}, "control": {"start": 29_998, "length": 2},
        }]},
    });
    apply(&lease.to_string()).ok();
    let objects = plan(&site, &pool(site.name()), &["-o", "json"]);
    kubectl(&["delete", "rtpportleases.voip.dev", &format!("node.{first}")]).ok();
    let objects: Value = serde_json::from_str(&objects.ok()).expect("it prints JSON");
    let planned = objects["items"].as_array().unwrap().iter();
    let planned = planned.filter(|object| object["metadata"]["name"] == lease["metadata"]["name"]);
    let leases: Vec<&Value> =
        planned.flat_map(|object| object["spec"]["leases"].as_array().unwrap()).collect();
    let starts =
        |ports: &str| leases.iter().map(|lease| lease[ports]["start"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!((starts("rtp").len(), starts("control").len()), (2, 2), "{leases:?}");
}

#[test]
fn cluster_b_plugin_tells_the_state_of_pods_that_no_status_names() {
    let site = Site::new("plugin-pods");
    let _nodes = Nodes::feed(site.name(), 2);
    let objects = plan(&site, &pool(site.name()), &["-o", "json"]).ok();
    let mut objects: Value = serde_json::from_str(&objects).expect("it prints JSON");
    let needed = ["DaemonSet", "ServiceAccount"].map(Value::from);
    objects["items"].as_array_mut().unwrap().retain(|object| needed.contains(&object["kind"]));
    apply(&objects.to_string()).ok();
    until("both media-nodes are seen ready", Duration::from_mins(1), || {
        let nodes = site.plugin.json(&["nodes", "-n", site.name()]);
        let ready = nodes.as_array().unwrap().iter().filter(|node| node["state"] == "Ready").count();
        if ready == 2 { Ok(()) } else { Err(nodes) }
    });
}
