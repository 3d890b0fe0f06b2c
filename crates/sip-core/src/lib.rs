//! SIP messages, transactions, dialogs and digest (RFC 3261 and its updates), without IO, clock or randomness.
//!
//! Bytes and [`time::Now`] go in, bytes and events come out. This crate must not know sockets, tasks, calls with
//! two legs, users, or where state is kept.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod event;
pub mod flow;
pub mod header;
mod mac;
pub mod message;
pub mod method;
pub mod name_addr;
pub mod params;
pub mod status;
mod syntax;
pub mod time;
pub mod token;
pub mod uri;
pub mod via;

pub use dialog::{Dialog, DialogError, DialogId};
pub use digest::{Authenticator, DigestAlgorithm, Verdict};
pub use endpoint::{Counters, Endpoint, EndpointConfig, Limits, SentBy};
pub use event::{ClientKey, ServerKey, SipCommand, SipEvent, SipOutput};
pub use flow::{Flow, ListenerId, Transport};
pub use header::Header;
pub use message::{CSeq, Contacts, Message, MessageBuilder, ParseError};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use status::StatusCode;
pub use time::{Instant, Now, WallTime};
pub use token::{TokenSource, owner_of};
pub use uri::{Host, Scheme, Uri};
pub use via::Via;
