//! The stream between a media-node and a sip-node: media-node dials, either side sends when it likes.

use std::net::SocketAddr;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use voip_contract::media::{FromMediaNode, ToMediaNode};
use voip_contract::node_admin::Role;

use crate::convert::ToWire;
use crate::dial::dial;
use crate::generated::media as pb;
use crate::generated::media::media_control_client::MediaControlClient;
use crate::generated::media::media_control_server::{MediaControl, MediaControlServer};
use crate::server::require;
use crate::tls::Security;
use crate::{GrpcError, Inbound};

/// Messages that wait for the network, per stream and direction.
pub const QUEUE: usize = 1024;
/// Largest message, in bytes: an SDP body and a snapshot of it with room to spare.
const MAX_MESSAGE: usize = 256 * 1024;

/// A media-node at a sip-node. The stream ends when `outbound` is dropped.
pub struct NodeStream {
    /// Where it dialled from.
    pub peer: SocketAddr,
    /// To the media-node; bounded by [`QUEUE`].
    pub outbound: mpsc::Sender<ToMediaNode>,
    /// From the media-node.
    pub inbound: Inbound<FromMediaNode>,
}

/// A sip-node at a media-node. The stream ends when `outbound` is dropped.
pub struct SipNodeStream {
    /// To the sip-node; bounded by [`QUEUE`].
    pub outbound: mpsc::Sender<FromMediaNode>,
    /// From the sip-node.
    pub inbound: Inbound<ToMediaNode>,
}

pub(crate) struct Service {
    streams: mpsc::Sender<NodeStream>,
}

/// The service that hands each stream of a media-node to `streams`.
pub(crate) fn service(streams: mpsc::Sender<NodeStream>) -> MediaControlServer<Service> {
    MediaControlServer::new(Service { streams }).max_decoding_message_size(MAX_MESSAGE)
}

type Outbound = Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::ToMediaNode, Status>> + Send>>;

#[tonic::async_trait]
impl MediaControl for Service {
    type ConnectStream = Outbound;

    async fn connect(
        &self,
        request: Request<Streaming<pb::FromMediaNode>>,
    ) -> Result<Response<Outbound>, Status> {
        let peer = require(&request, Role::MediaNode)?.address;
        let (outbound, queue) = mpsc::channel(QUEUE);
        let stream = NodeStream { peer, outbound, inbound: Inbound::new(request.into_inner()) };
        self.streams.send(stream).await.map_err(|_| Status::unavailable("shutting down"))?;
        Ok(Response::new(Box::pin(
            ReceiverStream::new(queue).map(|message: ToMediaNode| Ok(message.to_wire())),
        )))
    }
}

/// Dials a sip-node and opens the stream.
pub async fn connect(address: SocketAddr, security: &Security) -> Result<SipNodeStream, GrpcError> {
    let channel = dial(address, Role::SipNode, security).await?;
    let (outbound, queue) = mpsc::channel(QUEUE);
    let messages = ReceiverStream::new(queue).map(|message: FromMediaNode| message.to_wire());
    let response =
        MediaControlClient::new(channel).max_decoding_message_size(MAX_MESSAGE).connect(messages).await?;
    Ok(SipNodeStream { outbound, inbound: Inbound::new(response.into_inner()) })
}
