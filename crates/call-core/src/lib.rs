//! Registrar, routing and B2BUA: events in, actions out.
//!
//! [`Switch::on`] is the one decision loop of a sip-node. It must not know sockets, tasks, SDP, SQL, or which store
//! and which media-node answer it; it reads no clock and no random source.
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

mod authentication;
pub mod bindings;
mod call;
pub mod cause;
pub mod config;
mod drain;
pub mod event;
pub mod fact;
mod farewell;
mod media_nodes;
mod peer;
mod qualify;
pub mod registrar;
mod registrations;
mod requests;
pub mod state;
pub mod store;
mod switch;
mod timers;
mod turn;

pub use bindings::{current_bindings, update_bindings};
pub use config::{AdvertisedListener, ConfigError, Limits, SwitchConfig};
pub use event::{Action, AdminOrder, Documents, Event, MediaEvent};
pub use fact::Fact;
pub use state::{AddressOfRecord, Binding, Call};
pub use store::{BindingUpdate, StoreReply, StoreRequest, Ticket};
pub use switch::{Switch, SwitchStatus, Tables};

#[cfg(test)]
mod tests;
