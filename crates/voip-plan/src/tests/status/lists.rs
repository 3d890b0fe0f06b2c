//! Lists of the status, and the statuses of Dialplans and users.

use voip_api::{DialplanStatus, MediaNodeState, STATUS_NODES, SipUserStatus, VoipClusterStatus};

use super::super::world;
use super::*;
use crate::status::{dialplan, user};

#[test]
fn at_most_a_hundred_nodes_the_troubled_first() {
    let mut world = healthy();
    world.spec(json!({"media": {"pools": [{"name": "default", "nodes": 150, "callsPerNode": 4}]}}));
    world.observed.nodes = nodes(150);
    let valid = validate(&world.resources, &world.observed).unwrap();
    let planned = plan(&valid, &world.observed);
    world.observed.leases.clone_from(&planned.leases);
    let sets = planned.media.iter().map(|pod| media_daemon_set("office", &pod.pool, &pod.node, pod.shard));
    world.observed.pods = sets.map(|set| pod(&format!("{set}-x"), Component::Media, &set)).collect();
    let of = |node: &str| media_daemon_set("office", "default", node, 0);
    for pod in &mut world.observed.pods {
        pod.ready = pod.owner != of("w140");
        pod.draining_since_ms = (pod.owner == of("w130")).then_some(1);
    }
    world.observed.nodes.iter_mut().find(|node| node.name == "w150").unwrap().ready = false;
    let status = world.status(&VoipClusterStatus::default());
    let first: Vec<_> = status.nodes.iter().take(4).map(|node| (node.name.as_str(), node.state)).collect();
    let expected = [
        ("w150", MediaNodeState::Lost),
        ("w140", MediaNodeState::NotReady),
        ("w130", MediaNodeState::Draining),
        ("w1", MediaNodeState::Ready),
    ];
    assert_eq!(first, expected);
    assert_eq!((status.nodes.len(), status.nodes_omitted), (STATUS_NODES, 50));
    assert_eq!((status.media.summary.as_str(), status.media.draining), ("147/150", 1));
    assert_eq!((status.capacity.calls, status.capacity.calls_without_one_node), (147 * 4, 146 * 4));
}

#[test]
fn of_a_pod_that_ends_and_the_one_after_it_the_newer_counts() {
    let mut world = healthy();
    let old = world.media().next().unwrap();
    old.ending = true;
    let newer = Pod { name: "a-newer".to_owned(), ending: false, ..old.clone() };
    world.observed.pods.push(newer);
    assert_eq!(world.status(&VoipClusterStatus::default()).media.summary, "2/2");
}

#[test]
fn a_pod_that_is_not_wanted_any_more_counts_as_draining() {
    let mut world = healthy();
    let removed = pod("office-media-gone-x", Component::Media, "office-media-gone");
    world.observed.pods.push(Pod { draining_since_ms: Some(1), ..removed });
    let media = world.status(&VoipClusterStatus::default()).media;
    assert_eq!((media.summary.as_str(), media.draining), ("2/2", 1));
}

fn wrong() -> Result<(), Vec<FieldError>> {
    let (path, fact, mend) = ("spec.routes[0]".to_owned(), "it is wrong".to_owned(), "change it".to_owned());
    Err(vec![FieldError { document: "Dialplan voip/internal".to_owned(), path, fact, mend }])
}

#[test]
fn a_dialplan_says_how_many_run_it() {
    let said = |world: &World, before: &DialplanStatus, checked| {
        let status = world.round(|round| dialplan(before, 7, &checked, round));
        assert_eq!(world.round(|round| dialplan(&status, 7, &checked, round)), status);
        let reasons: Vec<String> =
            status.conditions.iter().map(|one| format!("{} {}", one.type_, one.reason)).collect();
        (status.loaded, reasons.join(", "))
    };
    let mut world = healthy();
    let none = DialplanStatus::default();
    assert_eq!(said(&world, &none, Ok(())), ("1/1".to_owned(), "Accepted Valid, Loaded Loaded".to_owned()));
    assert_eq!(said(&world, &none, wrong()).1, "Accepted InvalidSpec, Loaded Rejected");
    world.sip_report().documents.clear();
    assert_eq!(
        said(&world, &none, Ok(())),
        ("0/1".to_owned(), "Accepted Valid, Loaded PartlyLoaded".to_owned())
    );
    world.observed.reports.clear();
    assert_eq!(said(&world, &none, Ok(())), (String::new(), "Accepted Valid".to_owned()));
}

#[test]
fn a_user_says_why_it_is_not_served() {
    let reason = |yaml: &str, found| {
        let mut resources = world::read(&format!(
            "{{apiVersion: voip.dev/v1alpha1, kind: VoipCluster, metadata: {{name: office, namespace: voip}}, spec: {{}}}}\n{yaml}"
        ));
        resources.passwords.insert("a".to_owned(), SecretValue::new("x"));
        let checked = validate(&resources, &kubernetes(nodes(2))).map(|_| ());
        let status = user(&SipUserStatus::default(), 2, &checked, ("a-sip", found), 1000);
        assert_eq!(user(&status, 2, &checked, ("a-sip", found), 99_000), status);
        (status.conditions[0].reason.clone(), status.secret_name)
    };
    let one = |name: &str, more: &str| {
        format!(
            "---\n{{apiVersion: voip.dev/v1alpha1, kind: SipUser, metadata: {{name: {name}, namespace: voip}}, spec: {{clusterRef: {{name: office}}{more}}}}}\n"
        )
    };
    let is = |reason: &str| (reason.to_owned(), "a-sip".to_owned());
    assert_eq!(reason(&one("a", ""), true), is("Valid"));
    assert_eq!(reason(&one("a", ", context: 'A B'"), true), is("InvalidSpec"));
    assert_eq!(reason(&one("a", ", passwordSecretRef: {name: gone}"), false), is("SecretNotFound"));
    assert_eq!(
        reason(&format!("{}{}", one("a", ""), one("b", ", username: a")), true),
        is("DuplicateUsername")
    );
}
