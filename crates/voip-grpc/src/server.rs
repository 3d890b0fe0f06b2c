//! One gRPC port: who may connect, and which services it finds there.
//!
//! A certificate says which role is at the other end; each service is for one role. In plain text there is no
//! certificate and every service is for everybody: that is for loopback only.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server as Http;
use tonic::{Request, Status};
use voip_contract::node_admin::{NodeOrder, NodeReport, Role};

use crate::GrpcError;
use crate::admin;
use crate::connection::Peer;
use crate::media::{self, NodeStream};
use crate::tls::Security;

mod accept;

/// A silent peer is asked for a sign of life this often,
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// and given up when it has given none for this long.
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is served on a port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    security: Security,
    media: Option<mpsc::Sender<NodeStream>>,
    admin: Option<(watch::Receiver<NodeReport>, mpsc::Sender<NodeOrder>)>,
}

impl Server {
    /// Serves nothing yet.
    pub fn new(listener: TcpListener, security: Security) -> Self {
        Self { listener, security, media: None, admin: None }
    }

    /// Serves media-nodes and hands each stream to `streams`.
    pub fn media_nodes(mut self, streams: mpsc::Sender<NodeStream>) -> Self {
        self.media = Some(streams);
        self
    }

    /// Serves operators: each hears the newest of `reports`, and what it orders goes to `orders`.
    pub fn operators(
        mut self,
        reports: watch::Receiver<NodeReport>,
        orders: mpsc::Sender<NodeOrder>,
    ) -> Self {
        self.admin = Some((reports, orders));
        self
    }

    /// Serves until `shutdown`. Open streams break then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), GrpcError> {
        let (accepted, connections) = mpsc::channel(1);
        let accept = accept::accept(self.listener, self.security, accepted);
        let router = Http::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_optional_service(self.media.map(media::service))
            .add_optional_service(self.admin.map(|(reports, orders)| admin::service(reports, orders)));
        let served = router.serve_with_incoming(ReceiverStream::new(connections));
        // Dropped, not drained: an open stream would hold a graceful shutdown for ever.
        tokio::select! {
            served = served => served.map_err(GrpcError::Serve),
            () = accept => Ok(()),
            () = shutdown => Ok(()),
        }
    }
}

/// Who asks. Refused when its certificate is for another role than `role`.
pub(crate) fn require<T>(request: &Request<T>, role: Role) -> Result<Peer, Status> {
    let peer = *request.extensions().get::<Peer>().ok_or_else(|| Status::internal("nobody is connected"))?;
    if peer.may_be(role) {
        return Ok(peer);
    }
    tracing::warn!(peer = %peer.address, is = ?peer.role, needs = ?role, "a service was refused to another role");
    Err(Status::permission_denied("this service is for another role"))
}
