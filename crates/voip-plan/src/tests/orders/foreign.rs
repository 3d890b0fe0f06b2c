//! What media-nodes find on their ranges gets into the lease objects.

use voip_api::{ForeignPort, Transport};

use super::*;

impl Model {
    /// `port seen` of the object of a node.
    fn foreign_of(&self, node: &str) -> Vec<String> {
        let object = self.observed.leases.iter().find(|object| object.spec.space.name == node).unwrap();
        object.spec.foreign.iter().map(|found| format!("{} {}", found.port, found.seen)).collect()
    }
}

#[test]
fn what_is_found_is_written_and_forgotten_with_its_finder_alone() {
    let mut model = serving(&json!({}));
    let pod = model.on("w2");
    let by_hand = ForeignPort { protocol: Transport::Udp, port: 16_500, seen: String::new() };
    let object = model.observed.leases.iter_mut().find(|object| object.spec.space.name == "w2").unwrap();
    object.spec.foreign.push(by_hand);
    model.foreign.insert(pod.clone(), vec![16_900, 16_400, 16_500]);
    model.settle();
    let found = [format!("16400 {pod}"), "16500 ".to_owned(), format!("16900 {pod}")];
    assert_eq!(model.foreign_of("w2"), found);
    assert_eq!(model.foreign_of("w1"), [""; 0]);
    assert_eq!(model.ports_on("w2"), "16384-16639", "it is not moved for that");
    // Who says nothing may still see them.
    model.silent.insert(pod.clone());
    model.foreign.clear();
    model.settle();
    assert_eq!(model.foreign_of("w2"), found);
    model.silent.clear();
    model.settle();
    assert_eq!(model.foreign_of("w2"), ["16500 "]);
}

#[test]
fn a_pod_takes_over_what_the_one_before_it_found() {
    let mut model = serving(&json!({}));
    let pod = model.on("w2");
    model.foreign.insert(pod.clone(), vec![16_400]);
    model.settle();
    model.foreign.clear();
    model.release.media_image = "media:2".to_owned();
    model.settle();
    assert_ne!(model.on("w2"), pod);
    assert_eq!(model.foreign_of("w2"), [""; 0]);
}

#[test]
fn an_object_holds_so_many_and_nobody_is_given_them() {
    let mut model = serving(&json!({}));
    model.foreign.insert(model.on("w1"), (16_384..16_484).collect());
    model.settle();
    assert_eq!(model.foreign_of("w1").len(), 64);
    let mut other = cluster(spec(&json!({"network": {"portRange": "16384-16999"}})));
    other.cluster.metadata.name = Some("other".to_owned());
    let valid = validate(&other, &model.observed).unwrap();
    assert!(plan(&valid, &model.observed).media.iter().all(|pod| pod.rtp.first == 16_640));
}

#[test]
fn what_nobody_leases_is_not_remembered() {
    let mut model = serving(&json!({}));
    model.foreign.insert(model.on("w3"), vec![16_400]);
    model.settle();
    model.spec(&json!({"media": {"pools": [{"name": "default", "nodes": 2, "callsPerNode": 50}]}}));
    model.settle();
    assert!(model.observed.leases.iter().all(|object| object.spec.space.name != "w3"));
}
