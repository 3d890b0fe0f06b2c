//! The contract over gRPC. Protobuf types stop here: what goes in and comes out are the types of `voip-contract`.
//!
//! This crate must not know what the messages are for; it checks who sends them, their form and their sizes.

pub mod admin;
mod connection;
mod convert;
mod dial;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]
mod generated;
mod inbound;
pub mod media;
mod server;
pub mod tls;

pub use convert::Malformed;
pub use inbound::{Inbound, Received};
pub use server::Server;
pub use tls::Security;

/// Why a stream failed.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// No connection could be made.
    #[error("connect to {address}")]
    Connect {
        /// Where to.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The server ended.
    #[error("serve gRPC")]
    Serve(#[source] tonic::transport::Error),
    /// The other side ended the stream, or the connection broke.
    #[error("the stream ended: {0}")]
    Stream(#[from] tonic::Status),
    /// The other side sent something that is no message of the contract.
    #[error("malformed message: {0}")]
    Malformed(#[from] Malformed),
}
