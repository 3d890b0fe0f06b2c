//! A media-node that serves every request and hands SDP through unchanged: signaling cannot tell.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use voip_contract::media::{
    Announcement, Direction, FromMediaNode, MediaNotice, MediaOperation, MediaOutcome, MediaReply, SdpFacts,
    ToMediaNode,
};
use voip_contract::{Incarnation, NodeName};
use voip_grpc::Security;
use voip_grpc::media::connect;

use crate::node::LONG;

/// Runs until dropped.
pub(crate) struct MediaNode {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Everything that sip-node said.
    pub(crate) heard: mpsc::Receiver<ToMediaNode>,
}

fn announcement(name: &str, incarnation: u64) -> Announcement {
    Announcement {
        node: NodeName::new(name).unwrap(),
        incarnation: Incarnation(incarnation),
        pool: "default".to_owned(),
        ports: (16_384, 16_447),
        capacity: 10,
        sessions: 0,
        ports_in_use: 0,
        draining: false,
    }
}

impl MediaNode {
    pub(crate) fn start(address: SocketAddr, name: &'static str, incarnation: u64) -> Self {
        Self::noticing(address, name, incarnation, Vec::new())
    }

    /// One that has these notices to give as soon as it is connected.
    pub(crate) fn noticing(
        address: SocketAddr,
        name: &'static str,
        incarnation: u64,
        notices: Vec<MediaNotice>,
    ) -> Self {
        Self::run(address, name, incarnation, notices, Duration::ZERO)
    }

    /// One that takes its time to release a session.
    pub(crate) fn releasing_after(address: SocketAddr, name: &'static str, delay: Duration) -> Self {
        Self::run(address, name, 7, Vec::new(), delay)
    }

    fn run(
        address: SocketAddr,
        name: &'static str,
        incarnation: u64,
        notices: Vec<MediaNotice>,
        release: Duration,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (said, heard) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(address, announcement(name, incarnation), notices, said, release) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread), heard }
    }

    /// The next thing that sip-node said.
    pub(crate) fn next(&self) -> ToMediaNode {
        self.heard.recv_timeout(LONG).expect("sip-node says something in time")
    }
}

impl Drop for MediaNode {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    address: SocketAddr,
    announcement: Announcement,
    notices: Vec<MediaNotice>,
    said: mpsc::Sender<ToMediaNode>,
    release: Duration,
) {
    let mut stream = connect(address, &Security::Plaintext).await.unwrap();
    stream.outbound.send(FromMediaNode::Announce(announcement)).await.unwrap();
    for notice in notices {
        stream.outbound.send(FromMediaNode::Notice(notice)).await.unwrap();
    }
    while let Some(Ok(message)) = stream.inbound.next().await {
        let _ = said.send(message.clone());
        if let ToMediaNode::Request(request) = message {
            if matches!(request.operation, MediaOperation::Release) {
                tokio::time::sleep(release).await;
            }
            let result = Ok(outcome(request.operation));
            let reply = MediaReply { ticket: request.ticket, session: request.session, result };
            stream.outbound.send(FromMediaNode::Reply(reply)).await.unwrap();
        }
    }
}

fn outcome(operation: MediaOperation) -> MediaOutcome {
    let sdp = match operation {
        MediaOperation::Offer { sdp, .. }
        | MediaOperation::Answer { sdp, .. }
        | MediaOperation::AnswerLocally { sdp, .. } => Some(sdp),
        _ => None,
    };
    let facts = sdp.is_some().then(|| SdpFacts {
        direction: Direction::SendRecv,
        codecs: vec!["PCMU/8000".to_owned()],
        changed: true,
    });
    MediaOutcome { sdp, facts, ..MediaOutcome::default() }
}
