//! Two ends of a stream over loopback.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use voip_contract::media::{Announcement, FromMediaNode, ToMediaNode};
use voip_contract::{CallId, Incarnation, NodeName};
use voip_grpc::media::{NodeStream, SipNodeStream, connect};
use voip_grpc::{Security, Server};

pub(crate) fn announcement() -> FromMediaNode {
    FromMediaNode::Announce(Announcement {
        node: NodeName::new("default-0").unwrap(),
        incarnation: Incarnation(1),
        pool: "default".into(),
        ports: (16384, 17535),
        capacity: 250,
        sessions: 0,
        ports_in_use: 0,
        draining: false,
    })
}

async fn pair() -> (NodeStream, SipNodeStream, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (streams, mut accepted) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(listener, Security::Plaintext).media_nodes(streams);
    tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    let media = connect(address, &Security::Plaintext).await.unwrap();
    (accepted.recv().await.unwrap(), media, stop)
}

#[tokio::test]
async fn messages_pass_both_ways_in_order() {
    let (mut sip, mut media, _stop) = pair().await;
    media.outbound.send(announcement()).await.unwrap();
    assert_eq!(sip.inbound.next().await.unwrap().unwrap(), announcement());
    for number in 0..100 {
        sip.outbound.send(ToMediaNode::Claim { sessions: vec![CallId(number)] }).await.unwrap();
    }
    for number in 0..100 {
        let claim = ToMediaNode::Claim { sessions: vec![CallId(number)] };
        assert_eq!(media.inbound.next().await.unwrap().unwrap(), claim);
    }
}

#[tokio::test]
async fn either_end_sees_the_other_go() {
    let (sip, mut media, _stop) = pair().await;
    drop(sip);
    let ended = tokio::time::timeout(Duration::from_secs(5), media.inbound.next()).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))));

    let (mut sip, media, _stop) = pair().await;
    drop(media);
    let ended = tokio::time::timeout(Duration::from_secs(5), sip.inbound.next()).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(address, &Security::Plaintext).await.err().unwrap();
    assert!(error.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn the_server_ends_with_streams_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (streams, mut accepted) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(listener, Security::Plaintext).media_nodes(streams);
    let served = tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    let _media = connect(address, &Security::Plaintext).await.unwrap();
    let _sip = accepted.recv().await.unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap().unwrap();
}
