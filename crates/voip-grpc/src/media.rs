//! The stream between a media-node and a sip-node: media-node dials, either side sends when it likes.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use voip_contract::media::{FromMediaNode, ToMediaNode};

use crate::GrpcError;
use crate::convert::{FromWire, ToWire};
use crate::generated as pb;
use crate::generated::media_control_client::MediaControlClient;
use crate::generated::media_control_server::{MediaControl, MediaControlServer};

/// Messages that wait for the network, per stream and direction.
pub const QUEUE: usize = 1024;
/// Largest message, in bytes: an SDP body and a snapshot of it with room to spare.
const MAX_MESSAGE: usize = 256 * 1024;
/// A silent peer is asked for a sign of life this often,
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// and given up when it has given none for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the other side sends, checked.
pub struct Inbound<T: Received> {
    stream: Streaming<T::Wire>,
}

/// A message that can come in.
pub trait Received: private::Sealed {
    #[doc(hidden)]
    type Wire;
    #[doc(hidden)]
    fn received(wire: Self::Wire) -> Result<Self, GrpcError>
    where
        Self: Sized;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::FromMediaNode {}
    impl Sealed for super::ToMediaNode {}
}

impl Received for FromMediaNode {
    type Wire = pb::FromMediaNode;

    fn received(wire: Self::Wire) -> Result<Self, GrpcError> {
        Ok(Self::from_wire(wire)?)
    }
}

impl Received for ToMediaNode {
    type Wire = pb::ToMediaNode;

    fn received(wire: Self::Wire) -> Result<Self, GrpcError> {
        Ok(Self::from_wire(wire)?)
    }
}

impl<T: Received> Inbound<T> {
    /// The next message; none when the other side has closed the stream in good order. After an error nothing more
    /// comes that could be relied on: drop the stream.
    pub async fn next(&mut self) -> Option<Result<T, GrpcError>> {
        match self.stream.next().await? {
            Ok(wire) => Some(T::received(wire)),
            Err(status) => Some(Err(status.into())),
        }
    }
}

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

struct Service {
    streams: mpsc::Sender<NodeStream>,
}

type Outbound = Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::ToMediaNode, Status>> + Send>>;

#[tonic::async_trait]
impl MediaControl for Service {
    type ConnectStream = Outbound;

    async fn connect(
        &self,
        request: Request<Streaming<pb::FromMediaNode>>,
    ) -> Result<Response<Outbound>, Status> {
        let peer = request.remote_addr().ok_or_else(|| Status::internal("no peer address"))?;
        let (outbound, queue) = mpsc::channel(QUEUE);
        let stream = NodeStream { peer, outbound, inbound: Inbound { stream: request.into_inner() } };
        self.streams.send(stream).await.map_err(|_| Status::unavailable("shutting down"))?;
        Ok(Response::new(Box::pin(
            ReceiverStream::new(queue).map(|message: ToMediaNode| Ok(message.to_wire())),
        )))
    }
}

/// Serves media-nodes on `listener` and hands each stream to `streams`, until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    streams: mpsc::Sender<NodeStream>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), GrpcError> {
    let service = MediaControlServer::new(Service { streams }).max_decoding_message_size(MAX_MESSAGE);
    let server = Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    // Dropped, not drained: an open stream would hold a graceful shutdown for ever.
    tokio::select! {
        served = server => served.map_err(GrpcError::Serve),
        () = shutdown => Ok(()),
    }
}

/// Dials a sip-node and opens the stream.
pub async fn connect(address: SocketAddr) -> Result<SipNodeStream, GrpcError> {
    let failed = |source| GrpcError::Connect { address, source };
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(failed)?;
    let (outbound, queue) = mpsc::channel(QUEUE);
    let messages = ReceiverStream::new(queue).map(|message: FromMediaNode| message.to_wire());
    let response =
        MediaControlClient::new(channel).max_decoding_message_size(MAX_MESSAGE).connect(messages).await?;
    Ok(SipNodeStream { outbound, inbound: Inbound { stream: response.into_inner() } })
}
