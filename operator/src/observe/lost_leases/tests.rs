use serde_json::{Value, json};

use super::*;

const ID: &str = "voip/office/default/0@w1";

fn node(name: &str, group: Option<&str>) -> Node {
    let label = group.map(|group| (voip_api::PORT_SPACE_LABEL.to_owned(), group.to_owned()));
    Node {
        name: name.to_owned(),
        uid: format!("{name}-uid"),
        labels: label.into_iter().collect(),
        ready: true,
        ..Node::default()
    }
}

fn pod_on(node: &str, id: &str, rtp: &str, control: &str) -> core::Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "media-a", "namespace": "voip", "uid": "p1",
            "labels": {"voip.dev/cluster": "office", "voip.dev/component": "media"},
            "annotations": {names::LEASE: id, names::RTP: rtp, names::CONTROL: control},
        },
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running"},
    }))
    .unwrap()
}

fn well() -> core::Pod {
    pod_on("w1", ID, "16384-16447", "29996,29997")
}

fn known(key: &ClusterKey) -> Option<String> {
    (key.to_string() == "voip/office").then(|| "c1".to_owned())
}

fn rebuilt(leases: Vec<RtpPortLease>, pod: &core::Pod) -> Vec<RtpPortLease> {
    rebuild(leases, [pod], known, &[node("w1", None)])
}

fn object(leases: &Value) -> RtpPortLease {
    serde_json::from_value(json!({
        "apiVersion": "voip.dev/v1alpha1", "kind": "RtpPortLease",
        "metadata": {"name": "node.w1", "resourceVersion": "5"},
        "spec": {"space": {"type": "Node", "name": "w1"}, "leases": leases},
    }))
    .unwrap()
}

fn lease(id: &str, rtp: u16, control: u16) -> Value {
    json!({"id": id, "clusterUID": "c1", "nodeUID": "w1-uid", "state": "Active",
        "rtp": {"start": rtp, "length": 64}, "control": {"start": control, "length": 2}})
}

#[test]
fn a_lost_object_is_what_its_pod_says() {
    let leases = rebuilt(vec![], &well());
    let expected = object(&json!([lease(ID, 16_384, 29_996)]));
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].spec, expected.spec);
    assert_eq!(leases[0].metadata.name.as_deref(), Some("node.w1"));
    assert_eq!(leases[0].metadata.resource_version, None);
}

#[test]
fn a_lost_lease_comes_back_into_its_object_in_order() {
    let other = lease("voip/zoo/default/0@w1", 17_000, 29_990);
    let leases = rebuilt(vec![object(&json!([other]))], &well());
    assert_eq!(leases, [object(&json!([lease(ID, 16_384, 29_996), other]))]);
}

#[test]
fn nodes_behind_one_address_share_an_object() {
    let nodes = [node("w1", Some("nat")), node("w2", Some("nat"))];
    let second = pod_on("w2", "voip/office/default/0@w2", "16448-16511", "29994,29995");
    let leases = rebuild(vec![], [&well(), &second], known, &nodes);
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].metadata.name.as_deref(), Some("group.nat"));
    let ids: Vec<&str> = leases[0].spec.leases.iter().map(|lease| lease.id.as_str()).collect();
    assert_eq!(ids, [ID, "voip/office/default/0@w2"]);
}

#[test]
fn a_lease_that_is_there_stays_whatever_the_pod_says() {
    let moved = vec![object(&json!([lease(ID, 20_000, 29_000)]))];
    assert_eq!(rebuilt(moved.clone(), &well()), moved);
}

#[test]
fn ports_that_somebody_else_has_by_now_stay_theirs() {
    for (rtp, control) in [(16_446, 29_990), (16_322, 29_990), (17_000, 29_996), (17_000, 16_400)] {
        let given = vec![object(&json!([lease("voip/zoo/default/0@w1", rtp, control)]))];
        assert_eq!(rebuilt(given.clone(), &well()), given, "{rtp} {control}");
    }
    let beside = vec![object(&json!([lease("voip/zoo/default/0@w1", 16_448, 29_998)]))];
    assert_eq!(rebuilt(beside, &well())[0].spec.leases.len(), 2);
}

#[test]
fn what_cannot_be_or_is_nobodys_is_not_believed() {
    let says = |id: &str, rtp: &str, control: &str| pod_on("w1", id, rtp, control);
    let mut ended = well();
    ended.status.as_mut().unwrap().phase = Some("Failed".to_owned());
    let mut stranger = well();
    stranger.metadata.namespace = Some("other".to_owned());
    let mut without = well();
    without.metadata.annotations.as_mut().unwrap().remove(names::RTP);
    let pods = vec![
        says("voip/office/default/0@w2", "16384-16447", "29996,29997"),
        says("voip/another/default/0@w1", "16384-16447", "29996,29997"),
        says(ID, "16385-16448", "29996,29997"),
        says(ID, "16384-16383", "29996,29997"),
        says(ID, "0-65535", "29996,29997"),
        says(ID, "80-99", "29996,29997"),
        says(ID, "16384-16447", "29996,29999"),
        says(ID, "16384-16447", "29996"),
        says(ID, "much", "29996,29997"),
        pod_on("gone", "voip/office/default/0@gone", "16384-16447", "29996,29997"),
        ended,
        stranger,
        without,
    ];
    for pod in &pods {
        assert_eq!(rebuilt(vec![], pod), [], "{:?}", pod.metadata);
    }
    assert_eq!(rebuild(vec![], [&well()], |_| None, &[node("w1", None)]), []);
}
