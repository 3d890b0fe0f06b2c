//! Accepts streams and passes on what comes. It decides nothing: which run of a node counts is the links' matter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, info, warn};
use voip_contract::Incarnation;
use voip_contract::media::{Announcement, FromMediaNode, ToMediaNode};
use voip_grpc::media::NodeStream;
use voip_grpc::{Inbound, Server};

use crate::decide::Post;

/// Streams open at a time; further ones are closed at once.
const MAX_STREAMS: usize = 10_000;
/// Streams that wait for their task.
const ACCEPT_QUEUE: usize = 64;
/// How long a node may take to say who it is.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(5);

/// What comes over a stream. Streams are numbered, so that words of one that was replaced are told apart.
#[derive(Debug)]
pub(crate) enum MediaInput {
    /// A node has been welcomed and has said who it is.
    Opened {
        /// The stream.
        stream: u64,
        /// Who it is.
        announcement: Announcement,
        /// To it.
        outbound: mpsc::Sender<ToMediaNode>,
    },
    /// A message after the first.
    Received {
        /// The stream.
        stream: u64,
        /// The message.
        message: FromMediaNode,
    },
    /// The stream is over.
    Closed {
        /// The stream.
        stream: u64,
    },
}

/// Serves media-nodes on `server`, beside what it serves already, for ever.
pub(crate) async fn serve(
    server: Server,
    incarnation: Incarnation,
    inputs: Post<MediaInput>,
) -> Result<(), voip_grpc::GrpcError> {
    let (accepted, mut streams) = mpsc::channel(ACCEPT_QUEUE);
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    let number = AtomicU64::new(0);
    let accept = async {
        while let Some(stream) = streams.recv().await {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                warn!(limit = MAX_STREAMS, "a media-node is turned away: too many streams");
                continue;
            };
            let inputs = inputs.clone();
            let number = number.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                follow(number, stream, incarnation, &inputs).await;
                drop(place);
            });
        }
    };
    tokio::select! {
        served = server.media_nodes(accepted).run(std::future::pending()) => served,
        () = accept => Ok(()),
    }
}

/// One stream from its welcome to its end.
async fn follow(stream: u64, node: NodeStream, incarnation: Incarnation, inputs: &Post<MediaInput>) {
    let NodeStream { peer, outbound, mut inbound } = node;
    if outbound.send(ToMediaNode::Welcome { incarnation }).await.is_err() {
        return;
    }
    let Some(announcement) = introduction(peer, &mut inbound).await else { return };
    let node = announcement.node.clone();
    // From here on only the decision thread holds the sending end: dropping it ends the stream.
    if !inputs.put(MediaInput::Opened { stream, announcement, outbound }).await {
        return;
    }
    while let Some(message) = next(peer, &mut inbound).await {
        if !inputs.put(MediaInput::Received { stream, message }).await {
            return;
        }
    }
    info!(%node, %peer, "the stream of a media-node is over");
    inputs.put(MediaInput::Closed { stream }).await;
}

/// The first message, which must say who dials.
async fn introduction(peer: SocketAddr, inbound: &mut Inbound<FromMediaNode>) -> Option<Announcement> {
    match tokio::time::timeout(ANNOUNCE_WITHIN, next(peer, inbound)).await {
        Ok(Some(FromMediaNode::Announce(announcement))) => Some(announcement),
        Ok(None) => None,
        Ok(Some(_)) | Err(_) => {
            warn!(%peer, "a peer on the media-node port did not say who it is");
            None
        }
    }
}

async fn next(peer: SocketAddr, inbound: &mut Inbound<FromMediaNode>) -> Option<FromMediaNode> {
    match inbound.next().await? {
        Ok(message) => Some(message),
        Err(error) => {
            debug!(%peer, %error, "the stream of a media-node broke");
            None
        }
    }
}
