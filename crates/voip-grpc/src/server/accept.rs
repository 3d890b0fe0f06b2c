//! Connections are accepted and verified, under a bound, before the HTTP server sees them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::connection::Connection;
use crate::tls::{Identity, Security, role_of};

/// Connections that have not yet said who they are; further ones wait in the kernel.
const MAX_HANDSHAKES: usize = 64;
/// How long that may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Pause after an accept that failed: usually there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for ever, or until nobody takes connections any more.
pub(super) async fn accept(
    listener: TcpListener,
    security: Security,
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => {
                tokio::spawn(hand_over(stream, address, security.identity(), accepted.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn hand_over(
    stream: TcpStream,
    address: SocketAddr,
    identity: Option<Identity>,
    accepted: mpsc::Sender<io::Result<Connection>>,
    _place: OwnedSemaphorePermit,
) {
    // Small messages must not wait for each other. An error here means that the connection is gone.
    let _ = stream.set_nodelay(true);
    let connection = match identity {
        None => Connection::plain(address, stream),
        Some(identity) => match verified(stream, address, &identity).await {
            Ok(connection) => connection,
            Err(error) => return tracing::warn!(peer = %address, %error, "a connection was refused"),
        },
    };
    // Fails only when the server has ended.
    let _ = accepted.send(Ok(connection)).await;
}

async fn verified(stream: TcpStream, address: SocketAddr, identity: &Identity) -> io::Result<Connection> {
    let handshake = TlsAcceptor::from(identity.server()).accept(stream);
    let stream = tokio::time::timeout(HANDSHAKE_WITHIN, handshake)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let role = leaf
        .and_then(role_of)
        .ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "its certificate is for no role"))?;
    Ok(Connection::tls(address, role, stream))
}
