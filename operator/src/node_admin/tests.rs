//! Sessions with real servers over loopback.

use voip_contract::Epoch;

use super::*;
use crate::testing::programs::{Program, authority, identity, office, report, soon, until};

#[tokio::test]
async fn programs_of_both_roles_report_and_wake_their_cluster() {
    let ca = authority();
    let sip = Program::start("office-sip-x", Role::SipNode, &ca).await;
    let media = Program::start("office-media-y", Role::MediaNode, &ca).await;
    let (woken, mut wakes) = mpsc::channel(4);
    let sessions = Sessions::new(woken);
    assert!(sessions.reports(&office()).is_empty());
    let targets = vec![sip.target.clone(), media.target.clone()];
    sessions.keep(&office(), &identity(&ca, Role::Operator), targets.clone());
    assert_eq!(soon(wakes.recv()).await, Some(office()));
    until(|| sessions.reports(&office()).len() == 2).await;
    media.reports.send_replace(report(5));
    until(|| sessions.reports(&office()).get("office-media-y") == Some(&report(5))).await;
    assert_eq!(soon(wakes.recv()).await, Some(office()));
    // Kept as they are.
    sessions.keep(&office(), &identity(&ca, Role::Operator), targets);
    assert_eq!((sip.sessions(), media.sessions()), (1, 1));
    assert_eq!(sessions.reports(&office()).len(), 2);
}

#[tokio::test]
async fn an_order_is_said_once_and_again_in_the_next_session() {
    let ca = authority();
    let mut first = Program::start("office-media-y", Role::MediaNode, &ca).await;
    let target = first.target.clone();
    let (woken, _wakes) = mpsc::channel(4);
    let sessions = Sessions::new(woken);
    sessions.keep(&office(), &identity(&ca, Role::Operator), vec![target.clone()]);
    let (drain, back) =
        (NodeOrder::Drain { epoch: Epoch(3), seconds: 600 }, NodeOrder::Return { epoch: Epoch(3) });
    for order in [back, drain, drain] {
        sessions.order(&office(), "office-media-y", order);
        sessions.order(&office(), "unknown", order);
    }
    // Orders before the session are not a history: the last one stands.
    let told = soon(first.orders.recv()).await.unwrap();
    assert!(matches!(told, NodeOrder::Drain { epoch: Epoch(3), seconds: 599..=600 }), "{told:?}");
    first.end().await;
    let mut second = Program::start_at(target.address, &target.pod, target.role, &ca).await;
    let told = soon(second.orders.recv()).await.unwrap();
    assert!(matches!(told, NodeOrder::Drain { epoch: Epoch(3), seconds: 570..=600 }), "{told:?}");
    sessions.order(&office(), "office-media-y", back);
    assert_eq!(soon(second.orders.recv()).await, Some(back));
}

#[tokio::test]
async fn a_pod_with_another_address_is_told_what_stands() {
    let ca = authority();
    let old = Program::start("office-media-y", Role::MediaNode, &ca).await;
    let mut new = Program::start("office-media-y", Role::MediaNode, &ca).await;
    let (woken, _wakes) = mpsc::channel(4);
    let sessions = Sessions::new(woken);
    let operator = identity(&ca, Role::Operator);
    sessions.keep(&office(), &operator, vec![old.target.clone()]);
    until(|| old.sessions() == 1).await;
    sessions.order(&office(), "office-media-y", NodeOrder::Return { epoch: Epoch(1) });
    sessions.keep(&office(), &operator, vec![new.target.clone()]);
    assert_eq!(soon(new.orders.recv()).await, Some(NodeOrder::Return { epoch: Epoch(1) }));
    until(|| old.sessions() == 0).await;
}

#[tokio::test]
async fn sessions_end_when_nobody_wants_them() {
    let ca = authority();
    let first = Program::start("one", Role::MediaNode, &ca).await;
    let second = Program::start("two", Role::MediaNode, &ca).await;
    let (woken, mut wakes) = mpsc::channel(4);
    let sessions = Sessions::new(woken);
    let operator = identity(&ca, Role::Operator);
    sessions.keep(&office(), &operator, vec![first.target.clone(), second.target.clone()]);
    until(|| sessions.reports(&office()).len() == 2).await;
    sessions.keep(&office(), &operator, vec![second.target.clone()]);
    until(|| first.sessions() == 0).await;
    assert_eq!(sessions.reports(&office()).into_keys().collect::<Vec<_>>(), ["two"]);
    sessions.forget(&office());
    until(|| second.sessions() == 0).await;
    assert!(sessions.reports(&office()).is_empty());
    sessions.keep(&office(), &operator, vec![first.target.clone()]);
    until(|| first.sessions() == 1).await;
    drop(sessions);
    until(|| first.sessions() == 0).await;
    soon(async { while wakes.recv().await.is_some() {} }).await;
}

#[tokio::test]
async fn only_a_program_that_proves_its_role_in_this_cluster_is_heard() {
    let (ca, other) = (authority(), authority());
    let well = Program::start("well", Role::MediaNode, &ca).await;
    let stranger = Program::start("stranger", Role::MediaNode, &other).await;
    let pretender = Program::start("pretender", Role::SipNode, &ca).await;
    let pretended = Target { role: Role::MediaNode, ..pretender.target.clone() };
    let (woken, _wakes) = mpsc::channel(4);
    let sessions = Sessions::new(woken);
    let targets = vec![stranger.target.clone(), pretended, well.target.clone()];
    sessions.keep(&office(), &identity(&other, Role::Operator), targets.clone());
    until(|| stranger.sessions() == 1).await;
    assert_eq!(well.sessions(), 0);
    // With the right certificates, which count from the next attempt on.
    sessions.keep(&office(), &identity(&ca, Role::Operator), targets);
    until(|| sessions.reports(&office()).contains_key("well")).await;
    assert_eq!(pretender.sessions(), 0);
}

#[test]
fn pods_without_address_or_port_are_no_targets() {
    let pod = |name: &str, component, address: Option<&str>| Pod {
        name: name.to_owned(),
        uid: String::new(),
        component,
        owner: String::new(),
        lease: None,
        rendered: String::new(),
        node: None,
        address: address.map(|address| address.parse().unwrap()),
        ready: false,
        ending: false,
        draining_since_ms: None,
        trouble: String::new(),
    };
    let pods = [
        pod("sip", Component::Signaling, Some("10.0.0.1")),
        pod("media", Component::Media, Some("10.0.0.2")),
        pod("pending", Component::Media, None),
        pod("portless", Component::Media, Some("10.0.0.3")),
    ];
    let ports = |pod: &Pod| (pod.name != "portless").then_some(8081);
    let target = |pod: &str, address: &str, role| Target {
        pod: pod.to_owned(),
        address: address.parse().unwrap(),
        role,
    };
    let wanted =
        [target("sip", "10.0.0.1:8081", Role::SipNode), target("media", "10.0.0.2:8081", Role::MediaNode)];
    assert_eq!(targets(&pods, ports), wanted);
}
