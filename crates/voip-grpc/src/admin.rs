//! Sessions of operators with programs: the operator dials, orders go one way and reports the other.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use voip_contract::node_admin::{NodeOrder, NodeReport, Role};

use crate::convert::ToWire;
use crate::dial::dial;
use crate::generated::admin as pb;
use crate::generated::admin::node_admin_client::NodeAdminClient;
use crate::generated::admin::node_admin_server::{NodeAdmin, NodeAdminServer};
use crate::server::require;
use crate::tls::Security;
use crate::{GrpcError, Inbound};

/// Sessions that a program has at a time: an operator, its successor, and some that have not noticed that they ended.
pub const MAX_SESSIONS: usize = 8;
/// Orders that wait for the network.
const ORDERS: usize = 4;
/// Largest order, in bytes.
const MAX_ORDER: usize = 1024;
/// Largest report, in bytes: 10,000 media-nodes of some 100 bytes each and as much again.
const MAX_REPORT: usize = 2 * 1024 * 1024;

/// A program, as the operator sees it. The session ends when `orders` is dropped.
pub struct AdminSession {
    /// To the program.
    pub orders: mpsc::Sender<NodeOrder>,
    /// From the program: at once, once a second, and soon after something changed. Who reads slowly misses some.
    pub reports: Inbound<NodeReport>,
}

pub(crate) struct Service {
    reports: watch::Receiver<NodeReport>,
    orders: mpsc::Sender<NodeOrder>,
    places: Arc<Semaphore>,
}

/// The service that tells each operator the newest of `reports`, and puts what it orders into `orders`.
pub(crate) fn service(
    reports: watch::Receiver<NodeReport>,
    orders: mpsc::Sender<NodeOrder>,
) -> NodeAdminServer<Service> {
    let places = Arc::new(Semaphore::new(MAX_SESSIONS));
    NodeAdminServer::new(Service { reports, orders, places }).max_decoding_message_size(MAX_ORDER)
}

type Outbound = Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::NodeReport, Status>> + Send>>;

#[tonic::async_trait]
impl NodeAdmin for Service {
    type SessionStream = Outbound;

    async fn session(
        &self,
        request: Request<Streaming<pb::NodeOrder>>,
    ) -> Result<Response<Outbound>, Status> {
        let peer = require(&request, Role::Operator)?.address;
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many sessions"))?;
        tracing::info!(%peer, "an operator has begun a session");
        let (outbound, queue) = mpsc::channel(1);
        let session = Session {
            reports: self.reports.clone(),
            orders: self.orders.clone(),
            inbound: Inbound::new(request.into_inner()),
            outbound,
        };
        tokio::spawn(session.run(peer, place));
        Ok(Response::new(Box::pin(ReceiverStream::new(queue).map(Ok))))
    }
}

struct Session {
    reports: watch::Receiver<NodeReport>,
    orders: mpsc::Sender<NodeOrder>,
    inbound: Inbound<NodeOrder>,
    outbound: mpsc::Sender<pb::NodeReport>,
}

impl Session {
    /// Until either side ends it. Only the newest report waits for the network.
    async fn run(mut self, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        self.reports.mark_changed();
        loop {
            tokio::select! {
                order = self.inbound.next() => match order {
                    Some(Ok(order)) => {
                        if self.orders.send(order).await.is_err() {
                            break;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::info!(%peer, %error, "the session of an operator broke");
                        break;
                    }
                    None => break,
                },
                told = tell(&mut self.reports, &self.outbound) => {
                    if told.is_none() {
                        break;
                    }
                }
            }
        }
        tracing::info!(%peer, "the session of an operator is over");
    }
}

/// Waits for a new report and for room, then passes on what is newest by then. None: one end is gone.
async fn tell(
    reports: &mut watch::Receiver<NodeReport>,
    outbound: &mpsc::Sender<pb::NodeReport>,
) -> Option<()> {
    let room = outbound.reserve().await.ok()?;
    reports.changed().await.ok()?;
    room.send(reports.borrow_and_update().clone().to_wire());
    Some(())
}

/// Dials the program of `role` at `address` and opens a session.
pub async fn connect(
    address: SocketAddr,
    role: Role,
    security: &Security,
) -> Result<AdminSession, GrpcError> {
    let channel = dial(address, role, security).await?;
    let (orders, queue) = mpsc::channel(ORDERS);
    let messages = ReceiverStream::new(queue).map(|order: NodeOrder| order.to_wire());
    let response =
        NodeAdminClient::new(channel).max_decoding_message_size(MAX_REPORT).session(messages).await?;
    Ok(AdminSession { orders, reports: Inbound::new(response.into_inner()) })
}
