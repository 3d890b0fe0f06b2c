//! Drains, by order of an operator and by a signal.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use voip_contract::media::{MediaNotice, MediaOperation, RefusalReason};
use voip_contract::node_admin::{NodeOrder, NodeReport, Role, Service};
use voip_contract::{CallId, Epoch};
use voip_grpc::Security;
use voip_grpc::admin::{AdminSession, connect};

use super::harness::*;

struct Operator(AdminSession);

impl Operator {
    async fn at(node: &Node) -> Self {
        let address = (node.address, ADMIN_PORT).into();
        let session = soon("the port for operators", async {
            loop {
                match connect(address, Role::MediaNode, &Security::Plaintext).await {
                    Ok(session) => return session,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Self(session.await)
    }

    async fn order(&self, order: NodeOrder) {
        self.0.orders.send(order).await.unwrap();
    }

    async fn report(&mut self, wanted: impl Fn(&NodeReport) -> bool) -> NodeReport {
        soon("a report", async {
            loop {
                let report = self.0.reports.next().await.unwrap().unwrap();
                if wanted(&report) {
                    return report;
                }
            }
        })
        .await
    }

    async fn service(&mut self, service: Service) -> NodeReport {
        self.report(|report| report.service == service).await
    }
}

fn drain(epoch: u64, seconds: u32) -> NodeOrder {
    NodeOrder::Drain { epoch: Epoch(epoch), seconds }
}

async fn refuses_new(sip_node: &mut SipNode, phone: &Phone) {
    let operation = MediaOperation::AnswerLocally { leg: phone.spec(CALLER), sdp: phone.sdp() };
    let refused = sip_node.ask(CallId(99), 1, operation).await.unwrap_err();
    assert_eq!(refused.reason, RefusalReason::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_say_who_it_is_what_runs_and_which_ports_others_have() {
    let node = Node::start(&Setup { foreign: vec![FIRST_PORT + 3], ..Setup::default() });
    let mut operator = Operator::at(&node).await;
    let report = operator.report(|_| true).await;
    assert_eq!((report.role, report.name.as_str()), (Role::MediaNode, "default-0"));
    assert_eq!((report.service, report.calls), (Service::Serving, 0));
    assert_eq!(report.documents["media.json"], "00");
    assert_eq!(report.foreign_ports, [FIRST_PORT + 3]);
    assert!(report.ephemeral_ports.is_some_and(|(first, last)| first < last));
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    operator.report(|report| report.calls == 1).await;
    std::fs::write(node.directory.join("media.json"), "nonsense").unwrap();
    let rejected = operator.report(|report| !report.rejected.is_empty()).await;
    assert!(rejected.rejected[0].contains("media.json"), "{rejected:?}");
    assert_eq!(rejected.documents["media.json"], "00", "the last good one runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_node_is_drained_at_once_and_returns_by_order() {
    let node = Node::start(&Setup::default());
    let (mut sip_node, mut operator) = (SipNode::start(&node, 1).await, Operator::at(&node).await);
    operator.order(drain(1, 600)).await;
    operator.service(Service::Drained).await;
    sip_node.announcement(|node| node.draining).await;
    let phone = Phone::new().await;
    refuses_new(&mut sip_node, &phone).await;
    operator.order(NodeOrder::Return { epoch: Epoch(1) }).await;
    operator.service(Service::Serving).await;
    sip_node.announcement(|node| !node.draining).await;
    sip_node.answer(CallId(1), &phone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_leaves_calls_alone_and_is_over_with_the_last() {
    let node = Node::start(&Setup::default());
    let (mut sip_node, mut operator) = (SipNode::start(&node, 1).await, Operator::at(&node).await);
    let (caller, callee) = (Phone::new().await, Phone::new().await);
    let (to_caller, _) = sip_node.join(CallId(1), &caller, &callee).await;
    operator.order(drain(1, 600)).await;
    assert_eq!(operator.service(Service::Draining).await.calls, 1);
    refuses_new(&mut sip_node, &caller).await;
    caller.send(&packet(1), to_caller).await;
    assert_eq!(callee.receive().await, packet(1));
    sip_node.ask(CallId(1), 0, MediaOperation::Release).await.unwrap();
    operator.service(Service::Drained).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_the_sip_node_is_told_of_each_call_that_is_left() {
    let node = Node::start(&Setup::default());
    let (mut sip_node, mut operator) = (SipNode::start(&node, 1).await, Operator::at(&node).await);
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    let ordered = Instant::now();
    operator.order(drain(1, 2)).await;
    operator.service(Service::Draining).await;
    // Said again in a new session, it keeps its deadline.
    let mut operator = Operator::at(&node).await;
    operator.order(drain(2, 600)).await;
    let notice = sip_node.notice().await;
    assert!(
        matches!(notice, MediaNotice::SessionLost { session: CallId(1), drained: true, .. }),
        "{notice:?}"
    );
    assert!(ordered.elapsed() >= Duration::from_secs(2), "{:?}", ordered.elapsed());
    assert_eq!(operator.service(Service::Drained).await.calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_is_given_less_time_ends_its_calls_then() {
    let node = Node::start(&Setup::default());
    let (mut sip_node, mut operator) = (SipNode::start(&node, 1).await, Operator::at(&node).await);
    sip_node.answer(CallId(1), &Phone::new().await).await;
    operator.order(drain(1, 600)).await;
    operator.service(Service::Draining).await;
    operator.order(drain(1, 1)).await;
    let notice = sip_node.notice().await;
    assert!(matches!(notice, MediaNotice::SessionLost { session: CallId(1), .. }), "{notice:?}");
    assert_eq!(operator.service(Service::Drained).await.calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_operator_is_not_obeyed() {
    let node = Node::start(&Setup::default());
    let mut operator = Operator::at(&node).await;
    operator.order(drain(5, 600)).await;
    operator.service(Service::Drained).await;
    let former = Operator::at(&node).await;
    former.order(NodeOrder::Return { epoch: Epoch(4) }).await;
    let refused = Instant::now();
    while refused.elapsed() < Duration::from_secs(3) {
        assert_eq!(operator.report(|_| true).await.service, Service::Drained);
    }
    former.order(NodeOrder::Return { epoch: Epoch(5) }).await;
    operator.service(Service::Serving).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_of_a_signal_the_sip_node_is_told_before_the_end() {
    let mut node = Node::start(&Setup { extra: vec!["--drain".into(), "1".into()], ..Setup::default() });
    let mut sip_node = SipNode::start(&node, 1).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;
    node.signal(Signal::TERM);
    let notice = sip_node.notice().await;
    assert!(matches!(notice, MediaNotice::SessionLost { session: CallId(1), .. }), "{notice:?}");
    let (status, _) = node.exit().await;
    assert_eq!(status.code(), Some(0));
}
