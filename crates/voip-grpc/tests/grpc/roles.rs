//! Who is let in where.

use std::net::SocketAddr;

use testkit::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use voip_contract::node_admin::{NodeOrder, Role};
use voip_grpc::media::NodeStream;
use voip_grpc::{GrpcError, Security, Server, admin, media};

use super::admin::{report, soon};
use super::authority::{security, security_for};
use super::stream::announcement;

/// A sip-node with both services.
pub(crate) struct SipNode {
    pub(crate) address: SocketAddr,
    pub(crate) streams: mpsc::Receiver<NodeStream>,
    orders: mpsc::Receiver<NodeOrder>,
    _reports: watch::Sender<voip_contract::node_admin::NodeReport>,
}

impl SipNode {
    pub(crate) async fn start(security: Security) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Room for all that a test opens and does not look at.
        let (accepted, streams) = mpsc::channel(1024);
        let (given, orders) = mpsc::channel(1);
        let (reports, newest) = watch::channel(report(0));
        let server = Server::new(listener, security).media_nodes(accepted).operators(newest, given);
        tokio::spawn(server.run(std::future::pending()));
        Self { address, streams, orders, _reports: reports }
    }
}

fn is_denied(error: &GrpcError) -> bool {
    // By number, for tonic is no dependency of ours: 7 is PERMISSION_DENIED.
    matches!(error, GrpcError::Stream(status) if i32::from(status.code()) == 7)
}

#[tokio::test]
async fn each_service_is_for_its_role_only() {
    let authority = Authority::new();
    let mut sip_node = SipNode::start(security(&authority, Role::SipNode)).await;
    let media_node = security(&authority, Role::MediaNode);
    let operator = security(&authority, Role::Operator);

    let stream = media::connect(sip_node.address, &media_node).await.unwrap();
    stream.outbound.send(announcement()).await.unwrap();
    let mut accepted = soon(sip_node.streams.recv()).await.unwrap();
    assert_eq!(accepted.inbound.next().await.unwrap().unwrap(), announcement());
    let mut session = admin::connect(sip_node.address, Role::SipNode, &operator).await.unwrap();
    assert_eq!(soon(session.reports.next()).await.unwrap().unwrap(), report(0));

    for other in [Role::Operator, Role::SipNode] {
        let error = media::connect(sip_node.address, &security(&authority, other)).await.err().unwrap();
        assert!(is_denied(&error), "{other:?}: {error:?}");
    }
    for other in [Role::MediaNode, Role::SipNode] {
        let security = security(&authority, other);
        let error = admin::connect(sip_node.address, Role::SipNode, &security).await.err().unwrap();
        assert!(is_denied(&error), "{other:?}: {error:?}");
    }
    assert!(sip_node.streams.try_recv().is_err(), "nothing reached the program");
    assert!(sip_node.orders.try_recv().is_err());
}

#[tokio::test]
async fn a_server_of_another_role_is_not_talked_to() {
    let authority = Authority::new();
    let sip_node = SipNode::start(security(&authority, Role::MediaNode)).await;
    let error = media::connect(sip_node.address, &security(&authority, Role::MediaNode)).await.err().unwrap();
    assert!(matches!(error, GrpcError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn the_certificates_of_another_cluster_are_worth_nothing_in_either_direction() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut sip_node = SipNode::start(security(&ours, Role::SipNode)).await;
    let stranger = security(&theirs, Role::MediaNode);
    assert!(media::connect(sip_node.address, &stranger).await.is_err(), "it does not trust the server");
    // One that trusts our CA but has a certificate of another.
    let leaf = theirs.leaf(Role::MediaNode.server_name());
    let (certificate, key) = (leaf.certificate.as_bytes(), leaf.key.as_bytes());
    let identity = voip_grpc::tls::Identity::from_pem(certificate, key, ours.pem().as_bytes()).unwrap();
    let refused = media::connect(sip_node.address, &Security::Fixed(identity)).await;
    assert!(refused.is_err());
    assert!(sip_node.streams.try_recv().is_err());
}

#[tokio::test]
async fn a_certificate_of_ours_for_no_role_is_refused() {
    let authority = Authority::new();
    let mut sip_node = SipNode::start(security(&authority, Role::SipNode)).await;
    let security = security_for(&authority, "dashboard.voip.internal");
    assert!(media::connect(sip_node.address, &security).await.is_err());
    assert!(sip_node.streams.try_recv().is_err());
}

#[tokio::test]
async fn plain_text_is_refused_where_tls_is_spoken_and_the_other_way_round() {
    let authority = Authority::new();
    let mut secured = SipNode::start(security(&authority, Role::SipNode)).await;
    assert!(soon(media::connect(secured.address, &Security::Plaintext)).await.is_err());
    let mut http = TcpStream::connect(secured.address).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(http.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(secured.streams.try_recv().is_err());

    let mut plain = SipNode::start(Security::Plaintext).await;
    let media_node = security(&authority, Role::MediaNode);
    assert!(soon(media::connect(plain.address, &media_node)).await.is_err());
    assert!(plain.streams.try_recv().is_err());
}

#[tokio::test]
async fn callers_that_never_say_who_they_are_keep_nobody_else_out() {
    let authority = Authority::new();
    let sip_node = SipNode::start(security(&authority, Role::SipNode)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(sip_node.address).await.unwrap());
    }
    let security = security(&authority, Role::MediaNode);
    soon(async { while media::connect(sip_node.address, &security).await.is_err() {} }).await;
}
