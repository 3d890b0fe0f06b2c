//! Programs of which only the control port is real, with certificates of the operator's making.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use voip_contract::Incarnation;
use voip_contract::node_admin::{NodeOrder, NodeReport, Role, Service};
use voip_grpc::tls::Identity;
use voip_grpc::{Security, Server};

use crate::ClusterKey;
use crate::certificates::Authority;
use crate::node_admin::Target;

pub(crate) fn report(calls: u32) -> NodeReport {
    NodeReport {
        role: Role::MediaNode,
        name: "default-0".to_owned(),
        incarnation: Incarnation(7),
        version: "0.1.0".to_owned(),
        service: Service::Serving,
        calls,
        registrations: 0,
        documents: BTreeMap::from([("media.json".to_owned(), "00ff".to_owned())]),
        rejected: Vec::new(),
        foreign_ports: Vec::new(),
        ephemeral_ports: None,
        media_nodes: Vec::new(),
    }
}

pub(crate) fn office() -> ClusterKey {
    ClusterKey { namespace: "voip".to_owned(), name: "office".to_owned() }
}

pub(crate) fn authority() -> Authority {
    Authority::new("office", OffsetDateTime::now_utc()).unwrap()
}

pub(crate) fn identity(authority: &Authority, role: Role) -> Identity {
    let leaf = authority.leaf(role, OffsetDateTime::now_utc(), time::Duration::hours(1)).unwrap();
    Identity::from_pem(leaf.certificate.as_bytes(), leaf.key.as_bytes(), leaf.trust.as_bytes()).unwrap()
}

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("in time")
}

pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A program of which only the control port is real.
pub(crate) struct Program {
    pub(crate) target: Target,
    pub(crate) reports: watch::Sender<NodeReport>,
    pub(crate) orders: mpsc::Receiver<NodeOrder>,
    ends: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Program {
    pub(crate) async fn start(pod: &str, role: Role, authority: &Authority) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), pod, role, authority).await
    }

    pub(crate) async fn start_at(address: SocketAddr, pod: &str, role: Role, authority: &Authority) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reports, newest) = watch::channel(report(0));
        let (given, orders) = mpsc::channel(4);
        let (ends, end) = oneshot::channel::<()>();
        let security = Security::Fixed(identity(authority, role));
        let server = Server::new(listener, security).operators(newest, given);
        let server = tokio::spawn(async move {
            server.run(async move { drop(end.await) }).await.unwrap();
        });
        let target = Target { pod: pod.to_owned(), address, role };
        Self { target, reports, orders, ends, server }
    }

    /// Its port is free afterwards.
    pub(crate) async fn end(self) {
        drop(self.ends);
        soon(self.server).await.unwrap();
    }

    /// Besides the server itself, each session listens to the reports.
    pub(crate) fn sessions(&self) -> usize {
        self.reports.receiver_count() - 1
    }
}
