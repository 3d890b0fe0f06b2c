//! A VoipCluster of a test's own on Kubernetes, and what its user sees of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kubernetes::{Namespace, apply, get, kubectl};
use crate::leases::{self, Spans};
use crate::wait::until;

/// A VoipCluster `NAME` in a namespace.
#[derive(Debug, Clone)]
pub struct Office {
    namespace: String,
    name: String,
}

impl Office {
    /// Applies one with this spec.
    pub fn open(namespace: &Namespace, name: &str, spec: &Value) -> Self {
        let office = Self { namespace: namespace.name().to_owned(), name: name.to_owned() };
        office.edit(spec);
        office
    }

    /// One that is there already.
    pub fn of(namespace: &Namespace, name: &str) -> Self {
        Self { namespace: namespace.name().to_owned(), name: name.to_owned() }
    }

    /// Applies another spec.
    pub fn edit(&self, spec: &Value) {
        let manifest = json!({
            "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster",
            "metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec,
        });
        apply(&manifest.to_string()).ok();
    }

    /// What the ids of its leases begin with.
    pub fn prefix(&self) -> String {
        format!("{}/{}/", self.namespace, self.name)
    }

    /// Runs kubectl in its namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", self.namespace.as_str()], arguments].concat()).ok()
    }

    /// Objects in its namespace that carry its label.
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let selector = format!("voip.dev/cluster={}", self.name);
        let list = get(&[kind, "--namespace", &self.namespace, "--selector", &selector]);
        list["items"].as_array().expect("a list").clone()
    }

    /// Its media pods.
    pub fn media_pods(&self) -> Vec<Value> {
        let mut pods = self.objects("pods");
        pods.retain(|pod| pod["metadata"]["labels"]["voip.dev/component"] == "media");
        pods
    }

    /// Pairs of its media pods that have not ended and are started with the same port of one node.
    pub fn pods_that_share_a_port_of_a_node(&self) -> Vec<String> {
        let mut all: Vec<_> = self.media_pods().iter().flat_map(spans_on_node).collect();
        all.sort();
        let shares = all.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[0].1.1 >= pair[1].1.0);
        shares.map(|pair| format!("{:?} and {:?}", pair[0], pair[1])).collect()
    }

    /// Names of the nodes of its media workloads, sorted; one for each shard.
    pub fn media_nodes(&self) -> Vec<String> {
        let sets = self.objects("daemonsets");
        let ids = sets.iter().filter_map(|set| {
            let id = set["spec"]["template"]["metadata"]["annotations"]["voip.dev/lease"].as_str()?;
            Some(id.rsplit_once('@')?.1.to_owned())
        });
        let mut nodes: Vec<String> = ids.collect();
        nodes.sort();
        nodes
    }

    /// Waits until each of its media workloads has one pod, which is Ready and on the ports that are leased to it, and
    /// nothing else is leased.
    pub fn until_pods_have_their_leases(&self, limit: Duration) {
        until("media pods have their leases", limit, || {
            let (pods, leases) = (self.media_pods(), leases::held_spans(&self.prefix()));
            let mut of_pods: Vec<_> = pods.iter().filter(|pod| is_ready(pod)).filter_map(ports).collect();
            of_pods.sort();
            let leased: Vec<_> = leases.into_iter().collect();
            let whole = pods.len() == of_pods.len() && of_pods.len() == self.media_nodes().len();
            if whole && of_pods == leased { Ok(()) } else { Err((of_pods, leased)) }
        });
    }

    /// Waits until each of its media workloads would start its pod on the ports that are leased to it, and nothing else is
    /// leased.
    pub fn until_workloads_have_their_leases(&self, limit: Duration) {
        until("media workloads have their leases", limit, || {
            let (sets, leases) = (self.objects("daemonsets"), leases::held_spans(&self.prefix()));
            let mut of_sets: Vec<_> = sets.iter().filter_map(|set| ports(&set["spec"]["template"])).collect();
            of_sets.sort();
            let leased: Vec<_> = leases.into_iter().collect();
            if sets.len() == leased.len() && of_sets == leased { Ok(()) } else { Err((of_sets, leased)) }
        });
    }

    /// The VoipCluster.
    pub fn get(&self) -> Value {
        get(&["voipcluster", &self.name, "--namespace", &self.namespace])
    }

    /// Its status.
    pub fn status(&self) -> Value {
        self.get()["status"].take()
    }

    /// Status and reason of a condition, `True CallsPossible`, and its message; empty while it is not there.
    pub fn condition(&self, kind: &str) -> (String, String) {
        let status = self.status();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
        let text = |key: &str| found[key].as_str().unwrap_or_default();
        (format!("{} {}", text("status"), text("reason")).trim().to_owned(), text("message").to_owned())
    }

    /// Waits until a condition is `wanted`, status and reason; its message.
    pub fn until_condition(&self, kind: &str, wanted: &str, limit: Duration) -> String {
        until(&format!("{kind} is {wanted}"), limit, || match self.condition(kind) {
            (found, message) if found == wanted => Ok(message),
            other => Err(other),
        })
    }

    /// Waits until its media workloads are on these nodes, sorted.
    pub fn until_media_on(&self, nodes: &[&str], limit: Duration) {
        until(&format!("media on {nodes:?}"), limit, || {
            let found = self.media_nodes();
            if found == nodes { Ok(()) } else { Err(found) }
        });
    }

    /// Does what a load-balancer controller does: gives the Service an address.
    pub fn give_address(&self, address: &str) {
        let service = format!("{}-sip", self.name);
        let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}).to_string();
        until("the Service takes an address", Duration::from_secs(10), || {
            let arguments =
                ["patch", "service", &service, "--subresource=status", "--type=merge", "-p", &patch];
            let said = kubectl(&[&["--namespace", self.namespace.as_str()][..], &arguments].concat());
            if said.success { Ok(()) } else { Err(said.stderr) }
        });
    }
}

/// Node, ports and name of a pod, for each span of its ports; none before it has a node.
fn spans_on_node(pod: &Value) -> Vec<(String, leases::Span, String)> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (Some(node), Some(name)) = (text("/spec/nodeName"), text("/metadata/name")) else {
        return Vec::new();
    };
    let spans = ports(pod).map(|(_, spans)| spans).unwrap_or_default();
    spans.into_iter().map(|span| (node.clone(), span, name.clone())).collect()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

/// The lease of a media pod or of the template of one, and the ports that it is started with: RTP, and control from the gRPC port to the HTTP port.
fn ports(pod: &Value) -> Option<(String, Spans)> {
    let noted = |key: &str| pod["metadata"]["annotations"][format!("voip.dev/{key}")].as_str();
    let span = |text: &str, between: char| {
        let (first, last) = text.split_once(between)?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    Some((noted("lease")?.to_owned(), vec![span(noted("rtp")?, '-')?, span(noted("control")?, ',')?]))
}
