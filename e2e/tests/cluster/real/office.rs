//! A `VoipCluster` of a test's own, as a user makes and sees it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use e2e::kubernetes::{Namespace, Said, apply, get, kubectl};
use e2e::wait::until;
use serde_json::{Value, json};

use super::nodes::xtask;
use super::operator::Operator;
use super::records::Records;

/// Its name in its namespace.
pub(super) const NAME: &str = "office";
/// Its users.
const USERS: [&str; 2] = ["1001", "1002"];

/// A `VoipCluster` with two users, in a namespace of its own.
pub(super) struct Office {
    namespace: Namespace,
    seen: e2e::office::Office,
    /// The port of its only listener: no other office of these tests has it.
    pub(super) port: u16,
    /// What its sip-nodes print.
    pub(super) records: Records,
}

impl Office {
    /// Makes the namespace, labelled `labels`, and nothing in it yet.
    pub(super) fn new(_turn: &Operator, purpose: &str, labels: &[&str]) -> Self {
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        let namespace = Namespace::new(purpose);
        for label in labels {
            kubectl(&["label", "namespace", namespace.name(), label]).ok();
        }
        let seen = e2e::office::Office::of(&namespace, NAME);
        let records = Records::new(namespace.name());
        // On a node's network a sip-node has two more ports, 2000 and 3000 above this one.
        let port = 5060 + 10 * NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { namespace, seen, port, records }
    }

    /// A `VoipCluster` on the nodes' network, with a media-node on every node.
    pub(super) fn on_host(turn: &Operator, purpose: &str) -> Self {
        let mut office = Self::new(turn, purpose, &[]);
        office.apply(&office.host_spec());
        office.await_ready();
        office
    }

    /// Its spec, to be changed.
    pub(super) fn host_spec(&self) -> Value {
        json!({
            "signaling": {"exposure": "HostNetwork", "listeners": [self.listener()]},
            "media": {"pools": [{"name": "default", "nodes": 3, "callsPerNode": 20}]},
            "network": {"mode": "HostNetwork"},
            "drain": {"timeoutSeconds": 20},
            "images": {"pullPolicy": "Never"},
        })
    }

    /// The spec of a `VoipCluster` behind a load balancer, with media as `network` says.
    pub(super) fn balanced_spec(&self, network: &Value) -> Value {
        let mut spec = self.host_spec();
        spec["signaling"]["exposure"] = "LoadBalancer".into();
        spec["network"] = network.clone();
        spec
    }

    pub(super) fn listener(&self) -> Value {
        json!({"name": "udp", "protocol": "UDP", "port": self.port})
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// Applies the `VoipCluster` and its users.
    pub(super) fn apply(&self, spec: &Value) {
        let metadata = |name: &str| json!({"name": name, "namespace": self.namespace()});
        let kind = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "voip.dev/v1alpha1", "kind": kind, "metadata": metadata(name), "spec": spec});
        let user = json!({"clusterRef": {"name": NAME}, "maxCalls": 16});
        let mut items = vec![kind("VoipCluster", NAME, spec)];
        items.extend(USERS.map(|name| kind("SipUser", name, &user)));
        apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).ok();
    }

    /// Waits until calls are possible with what was applied, on every media-node, and follows the sip-node.
    pub(super) fn await_ready(&mut self) {
        until("the VoipCluster is Ready", Duration::from_secs(30), || {
            let cluster = self.cluster();
            let generation = &cluster["metadata"]["generation"];
            let ready = condition(&cluster, "Ready");
            let current = &cluster["status"]["observedGeneration"] == generation;
            let media = &cluster["status"]["media"];
            let whole = media["ready"] == media["desired"];
            if current && whole && ready["status"] == "True" { Ok(()) } else { Err(self.story()) }
        });
        self.records.follow();
    }

    /// How it stands, for a test that fails.
    fn story(&self) -> String {
        let conditions =
            self.kubectl(&["get", "voipcluster", NAME, "-o", "jsonpath={.status.conditions}"]).stdout;
        let pods = self.kubectl(&["get", "pods", "-o", "wide"]).stdout;
        format!("{conditions}\n{pods}\n{}", Operator::log())
    }

    /// The `VoipCluster` as it is.
    pub(super) fn cluster(&self) -> Value {
        self.seen.get()
    }

    /// The port leases of its media-nodes, by id.
    pub(super) fn leases(&self) -> BTreeMap<String, Value> {
        e2e::leases::held(&self.seen.prefix())
    }

    /// Where phones register, by the status.
    pub(super) fn server(&self) -> SocketAddr {
        let cluster = self.cluster();
        let first = &cluster["status"]["signaling"]["addresses"][0];
        let address = first["address"].as_str().expect("a VoipCluster that is Ready has an address");
        let port = first["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        SocketAddr::new(address.parse().expect("an IP address"), port)
    }

    /// Does what a load-balancer controller does: gives the Service an address, once it is there.
    pub(super) fn balance(&self, address: Ipv4Addr) {
        self.seen.give_address(&address.to_string());
    }

    /// Does what a load balancer does: sends what comes for `address` to the node of the sip-node that is ready.
    pub(super) fn route(&self, address: Ipv4Addr) {
        let node = until("a sip-node is ready", Duration::from_mins(1), || {
            let pods = self.pods("signaling");
            let ready = pods.iter().find(|pod| condition(pod, "Ready")["status"] == "True");
            ready.and_then(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned)).ok_or(pods.len())
        });
        xtask(&["route", &address.to_string(), &node]);
    }

    /// The password that the operator made for `user`.
    pub(super) fn password(&self, user: &str) -> String {
        let secret = format!("{user}-sip");
        let template = "go-template={{.data.password | base64decode}}";
        kubectl(&["get", "secret", &secret, "-n", self.namespace(), "-o", template]).ok()
    }

    /// Its pods of `component`: `signaling` or `media`.
    pub(super) fn pods(&self, component: &str) -> Vec<Value> {
        let label = format!("voip.dev/component={component}");
        let Value::Array(pods) = get(&["pods", "-n", self.namespace(), "-l", &label])["items"].take() else {
            panic!("kubectl prints a list")
        };
        pods
    }

    /// Runs kubectl in its namespace.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Said {
        kubectl(&[arguments, &["-n", self.namespace()]].concat())
    }
}

/// The condition of that type in the status of `object`, null if there is none.
pub(super) fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.cloned().unwrap_or_default()
}

impl Drop for Office {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story());
        }
        self.kubectl(&["annotate", "voipcluster", NAME, "voip.dev/allow-delete=true"]);
        self.kubectl(&["delete", "voipcluster", NAME, "--ignore-not-found", "--timeout=70s"]);
    }
}
