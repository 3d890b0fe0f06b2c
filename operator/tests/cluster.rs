//! Leases and objects of the minimal example on a real API server, whose defaults a script does not have.
//!
//! `cargo xtask cluster run -- cargo test -p voip-operator --features cluster --test cluster` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use voip_api::{RtpPortLease, VoipCluster, custom_resource_definitions};
use voip_operator::apply::leases::{self, LeaseError};
use voip_operator::apply::objects::{Key, Owned};
use voip_plan::objects::{Release, render};
use voip_plan::{
    Address, AddressSource, Admission, Environment, Node, Observed, Resources, SignalingService, Verdict,
    plan, validate,
};

/// Each run has its own: without controllers a deleted namespace never ends.
fn namespace() -> String {
    format!("voip-apply-{}", std::process::id())
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let how = PatchParams::apply("voip-test").force();
    for definition in custom_resource_definitions() {
        let name = definition.name_any();
        api.patch(&name, &how, &Patch::Apply(&definition)).await.expect("a CRD is applied");
    }
    for _ in 0..200 {
        let clusters: Api<VoipCluster> = Api::all(client.clone());
        let leases: Api<RtpPortLease> = Api::all(client.clone());
        if clusters.list(&ListParams::default()).await.is_ok()
            && leases.list(&ListParams::default()).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the definitions are not served after 10 s");
}

/// The minimal example, as the server keeps it.
async fn office(client: &Client) -> VoipCluster {
    let object: Namespace = serde_json::from_value(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace()}}),
    )
    .unwrap();
    let how = PatchParams::apply("voip-test");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(&namespace(), &how, &Patch::Apply(&object)).await.expect("a namespace");
    let office: VoipCluster = serde_json::from_value(json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "VoipCluster", "metadata": {"name": "office"}, "spec": {},
    }))
    .unwrap();
    let clusters: Api<VoipCluster> = Api::namespaced(client.clone(), &namespace());
    clusters.create(&PostParams::default(), &office).await.expect("a VoipCluster")
}

fn observed(leases: Vec<RtpPortLease>) -> Observed {
    let address = |at, source| Address { address: [198, 51, 100, at].into(), source };
    let node = |at: u8| Node {
        name: format!("apply-w{at}"),
        uid: format!("uid-{at}"),
        addresses: vec![address(at, AddressSource::NodeInternalIP)],
        ready: true,
        ..Node::default()
    };
    Observed {
        nodes: vec![node(1), node(2)],
        leases,
        service: Some(SignalingService {
            ingress: vec![[198, 51, 100, 9].into()],
            ..SignalingService::default()
        }),
        admission: Admission { host_network: Verdict::Admitted, ..Admission::default() },
        ..Observed::empty(Environment::Kubernetes, 1_700_000_000_000)
    }
}

/// Those of this test's nodes; other tests leave some.
async fn list(api: &Api<RtpPortLease>) -> Vec<RtpPortLease> {
    let mut leases = api.list(&ListParams::default()).await.expect("leases are listed").items;
    leases.retain(|lease| lease.spec.space.name.starts_with("apply-w"));
    leases
}

/// Grants, is refused a second grant from the same observation, and gives everything back.
async fn leases_are_exclusive(api: &Api<RtpPortLease>, resources: &Resources) -> Vec<RtpPortLease> {
    let world = observed(Vec::new());
    let valid = validate(resources, &world).unwrap();
    let granted = plan(&valid, &world).leases;
    assert_eq!(leases::write(api, &granted, &[]).await.unwrap(), 2);
    let late = leases::write(api, &granted, &[]).await;
    assert!(matches!(late, Err(LeaseError::Overtaken(_))), "{late:?}");
    assert!(leases::report(api, &list(api).await).await.is_empty());
    let found = list(api).await;
    assert!(found.iter().all(|lease| lease.status == Some(leases::sums(&lease.spec))));
    let world = observed(found.clone());
    assert_eq!(leases::write(api, &plan(&valid, &world).leases, &found).await.unwrap(), 0);
    found
}

async fn leases_are_given_back(api: &Api<RtpPortLease>, found: &[RtpPortLease]) {
    let mut emptied = found.to_vec();
    for lease in &mut emptied {
        lease.spec.leases.clear();
    }
    assert_eq!(leases::write(api, &emptied, found).await.unwrap(), 2);
    assert!(list(api).await.is_empty());
}

async fn objects_are_written_once(client: &Client, owned: &Owned, wanted: &[DynamicObject]) {
    assert_eq!(owned.apply(wanted, &BTreeMap::new()).await, (wanted.len(), vec![]));
    assert_eq!(owned.apply(wanted, &BTreeMap::new()).await, (0, vec![]));
    let stranger = Owned::new(client.clone(), namespace(), "another-uid");
    let (written, faults) = stranger.apply(wanted, &BTreeMap::new()).await;
    assert_eq!((written, faults.len()), (0, wanted.len()), "{faults:?}");
}

#[tokio::test]
async fn cluster_a_the_minimal_example_is_applied_once_and_pruned() {
    let client = Client::try_default().await.expect("KUBECONFIG names a test cluster");
    install(&client).await;
    let cluster = office(&client).await;
    let owned = Owned::new(client.clone(), namespace(), cluster.uid().unwrap());
    let resources = Resources::new(cluster);
    let api: Api<RtpPortLease> = Api::all(client.clone());
    let found = leases_are_exclusive(&api, &resources).await;

    let world = observed(found.clone());
    let valid = validate(&resources, &world).unwrap();
    let images = |name: &str| format!("registry.example/{name}:0.1.0");
    let release = Release {
        version: "0.1.0".to_owned(),
        signaling_image: images("sip-node"),
        media_image: images("media-node"),
    };
    let manifests = render(&valid, &plan(&valid, &world), &release).into_iter().map(|object| object.manifest);
    let wanted: Vec<DynamicObject> = manifests.map(|it| serde_json::from_value(it).unwrap()).collect();
    objects_are_written_once(&client, &owned, &wanted).await;

    let live: BTreeMap<Key, Arc<DynamicObject>> =
        wanted.iter().map(|it| (Key::of(it), Arc::new(it.clone()))).collect();
    let daemon_sets = live.keys().filter(|key| key.kind == "DaemonSet").count();
    assert_eq!(daemon_sets, 2);
    assert_eq!(owned.prune(&BTreeSet::new(), &live).await, (wanted.len() - daemon_sets, vec![]));
    leases_are_given_back(&api, &found).await;
}
