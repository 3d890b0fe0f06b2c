//! Every example of the project, planned as `voipctl up` plans it, runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use voip_api::{VoipCluster, VoipClusterSpec};
use voip_plan::{Documents, Resources, SecretValue, laptop_world, plan, validate};

use crate::node::Place;

#[test]
fn what_the_plan_of_each_example_renders_runs() {
    for file in examples() {
        let documents = planned(&std::fs::read_to_string(&file).unwrap());
        let place = Place::new();
        place.write_sip(&serde_json::to_value(&documents.sip).unwrap());
        place.write_users_document(&serde_json::to_value(&documents.users).unwrap());
        let node = place.start();
        let status = node.status();
        assert_eq!(status.documents["sip.json"], documents.sip.fingerprint, "{}", file.display());
        assert_eq!(status.documents["users.json"], documents.users.fingerprint, "{}", file.display());
        assert!(status.rejected.is_empty());
    }
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
    assert!(!files.is_empty());
    files
}

fn planned(yaml: &str) -> Documents {
    let mut resources = Resources::new(VoipCluster::new("", VoipClusterSpec::default()));
    for document in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
        match document["kind"].as_str().unwrap() {
            "VoipCluster" => resources.cluster = typed(&document),
            "SipUser" => resources.users.push(typed(&document)),
            "Dialplan" => resources.dialplans.push(typed(&document)),
            "Secret" => {
                let values: BTreeMap<String, String> = typed(&document["stringData"]);
                let values = values.into_iter().map(|(key, value)| (key, SecretValue::new(value)));
                let name = document["metadata"]["name"].as_str().unwrap();
                resources.secrets.insert(name.to_owned(), values.collect());
            }
            other => panic!("an example holds a {other}"),
        }
    }
    let names: Vec<_> = resources.without_secret().map(str::to_owned).collect();
    resources.passwords = names.into_iter().map(|name| (name, SecretValue::new("generated"))).collect();
    let world = laptop_world(&resources.cluster, None);
    plan(&validate(&resources, &world).unwrap(), &world).documents
}

fn typed<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap()
}
