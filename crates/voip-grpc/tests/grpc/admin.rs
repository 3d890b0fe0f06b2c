//! Sessions of operators.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use voip_contract::admin::{MediaNodeStatus, NodeState};
use voip_contract::node_admin::{NodeOrder, NodeReport, Role, Service};
use voip_contract::{Epoch, Incarnation};
use voip_grpc::admin::{AdminSession, MAX_SESSIONS, connect};
use voip_grpc::{Security, Server};

/// Fails the test when `work` takes longer than anything should.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("in time")
}

pub(crate) fn report(calls: u32) -> NodeReport {
    NodeReport {
        role: Role::SipNode,
        name: "office-sip-0".to_owned(),
        incarnation: Incarnation(7),
        version: "0.1.0".to_owned(),
        service: Service::Serving,
        calls,
        registrations: 2,
        documents: BTreeMap::from([("sip.json".to_owned(), "00ff".to_owned())]),
        rejected: vec!["users-00.json: line 1".to_owned()],
        foreign_ports: vec![16_384],
        ephemeral_ports: Some((32_768, 60_999)),
        media_nodes: vec![MediaNodeStatus {
            name: "default-0".to_owned(),
            state: NodeState::Ready,
            ports: "16384-17535".to_owned(),
            ports_in_use: 4,
            sessions: 1,
            capacity: 250,
        }],
    }
}

struct Program {
    address: SocketAddr,
    reports: watch::Sender<NodeReport>,
    orders: mpsc::Receiver<NodeOrder>,
}

impl Program {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reports, newest) = watch::channel(report(0));
        let (given, orders) = mpsc::channel(4);
        let server = Server::new(listener, Security::Plaintext).operators(newest, given);
        tokio::spawn(server.run(std::future::pending()));
        Self { address, reports, orders }
    }

    async fn session(&self) -> AdminSession {
        soon(connect(self.address, Role::SipNode, &Security::Plaintext)).await.unwrap()
    }
}

async fn calls(session: &mut AdminSession) -> u32 {
    soon(session.reports.next()).await.unwrap().unwrap().calls
}

#[tokio::test]
async fn a_report_comes_at_once_and_whenever_there_is_a_new_one() {
    let program = Program::start().await;
    let (mut first, mut second) = (program.session().await, program.session().await);
    assert_eq!(soon(first.reports.next()).await.unwrap().unwrap(), report(0));
    program.reports.send_replace(report(1));
    assert_eq!(calls(&mut first).await, 1);
    let mut seen = 0;
    while seen < 1 {
        seen = calls(&mut second).await;
    }
}

#[tokio::test]
async fn an_operator_that_reads_slowly_gets_the_newest_soon() {
    let program = Program::start().await;
    let mut session = program.session().await;
    for number in 1..=100_000 {
        program.reports.send_replace(report(number));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut read = 0;
    while calls(&mut session).await < 100_000 {
        read += 1;
    }
    assert!(read < 10_000, "{read} old reports were kept");
}

#[tokio::test]
async fn orders_of_all_operators_arrive_in_order() {
    let mut program = Program::start().await;
    let sessions = [program.session().await, program.session().await];
    let orders =
        [NodeOrder::Drain { epoch: Epoch(1), seconds: 20 }, NodeOrder::Return { epoch: Epoch(u64::MAX) }];
    for session in sessions {
        for order in orders {
            session.orders.send(order).await.unwrap();
        }
        for order in orders {
            assert_eq!(soon(program.orders.recv()).await, Some(order));
        }
    }
}

#[tokio::test]
async fn sessions_are_bounded_and_a_place_is_free_again_when_one_ends() {
    let program = Program::start().await;
    let mut sessions = Vec::new();
    for _ in 0..MAX_SESSIONS {
        sessions.push(program.session().await);
    }
    let refused = connect(program.address, Role::SipNode, &Security::Plaintext).await.err().unwrap();
    assert!(refused.to_string().contains("too many sessions"), "{refused}");
    sessions.pop();
    soon(async {
        while connect(program.address, Role::SipNode, &Security::Plaintext).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
