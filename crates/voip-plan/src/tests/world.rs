//! Fixed worlds and short ways to build resources.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use voip_api::{PORT_SPACE_LABEL, VoipCluster};

use crate::*;

/// Nodes `w1` to `wN`, each with both kinds of addresses.
pub(super) fn nodes(count: usize) -> Vec<Node> {
    (1..=count).map(|at| node(&format!("w{at}"), at)).collect()
}

pub(super) fn node(name: &str, at: usize) -> Node {
    let address = |net: u8, source| Address {
        address: [net, 51, u8::try_from(at / 250).unwrap(), u8::try_from(at % 250).unwrap()].into(),
        source,
    };
    Node {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        labels: BTreeMap::new(),
        addresses: vec![
            address(10, AddressSource::NodeInternalIP),
            address(198, AddressSource::NodeExternalIP),
        ],
        ready: true,
        ..Node::default()
    }
}

/// Labels a node with a port space, or takes that label away.
pub(super) fn label(node: &mut Node, space: Option<&str>) {
    node.labels.remove(PORT_SPACE_LABEL);
    node.labels.extend(space.map(|space| (PORT_SPACE_LABEL.to_owned(), space.to_owned())));
}

/// Kubernetes with these nodes and an ingress.
pub(super) fn kubernetes(nodes: Vec<Node>) -> Observed {
    Observed {
        nodes,
        service: Some(SignalingService {
            cluster_ip: Some([10, 96, 0, 5].into()),
            ingress: vec![[203, 0, 113, 5].into()],
            hostname: None,
            node_ports: BTreeMap::from([("udp".to_owned(), 31060)]),
        }),
        admission: Admission { host_network: Verdict::Admitted, ..Admission::default() },
        ..Observed::empty(Environment::Kubernetes, 1_000_000)
    }
}

/// Reads a stream of documents as `kubectl apply` takes it, and gives every user without a Secret a password.
pub(super) fn read(yaml: &str) -> Resources {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let mut resources = Resources::new(VoipCluster::new("", voip_api::VoipClusterSpec::default()));
    for document in documents {
        let kind = document["kind"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "VoipCluster" => resources.cluster = typed(document),
            "SipUser" => resources.users.push(typed(document)),
            "Dialplan" => resources.dialplans.push(typed(document)),
            "Secret" => {
                let values: BTreeMap<String, String> = typed(document["stringData"].clone());
                let values = values.into_iter().map(|(key, value)| (key, SecretValue::new(value))).collect();
                resources.secrets.insert(document["metadata"]["name"].as_str().unwrap().to_owned(), values);
            }
            other => panic!("unknown kind {other}"),
        }
    }
    let names: Vec<String> = resources.without_secret().map(str::to_owned).collect();
    resources.passwords = names.into_iter().map(|name| (name, SecretValue::new("generated"))).collect();
    resources
}

fn typed<T: for<'de> Deserialize<'de>>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Every `examples/*.yaml`, by file name without ending.
pub(super) fn examples() -> Vec<(String, Resources)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), read(&std::fs::read_to_string(file).unwrap()))).collect()
}

/// A cluster with this spec, as JSON.
pub(super) fn cluster(spec: Value) -> Resources {
    let mut cluster = VoipCluster::new("office", serde_json::from_value(spec).unwrap());
    cluster.metadata.namespace = Some("voip".to_owned());
    cluster.metadata.uid = Some("uid-office".to_owned());
    Resources::new(cluster)
}
