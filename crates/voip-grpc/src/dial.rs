//! Connections that are dialled: in plain text, or with TLS to a server of a known role.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use voip_contract::node_admin::Role;

use crate::GrpcError;
use crate::connection::Connection;
use crate::server::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use crate::tls::{Identity, Security, server_name};

/// For the connection and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects to `address`, where a server of `role` must be.
pub(crate) async fn dial(address: SocketAddr, role: Role, security: &Security) -> Result<Channel, GrpcError> {
    let failed = |source| GrpcError::Connect { address, source };
    let identity = security.identity();
    let connector = tower::service_fn(move |_: Uri| {
        let identity = identity.clone();
        async move { open(address, role, identity).await.map(TokioIo::new) }
    });
    Endpoint::from_shared(format!("http://{address}"))
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
        .map_err(failed)
}

async fn open(address: SocketAddr, role: Role, identity: Option<Identity>) -> io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    // Small messages must not wait for each other.
    stream.set_nodelay(true)?;
    let Some(identity) = identity else { return Ok(Connection::plain(address, stream)) };
    let name = server_name(role).ok_or_else(|| io::Error::other("a role without a name"))?;
    let stream = TlsConnector::from(identity.client()).connect(name, stream).await?;
    Ok(Connection::tls(address, role, stream))
}
