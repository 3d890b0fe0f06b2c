//! The control state of one call's media: requests in, replies and effects out.
//!
//! It must not know sockets, threads or files. Whoever runs the effects owns those.

mod effect;

pub use effect::{Addresses, Effect, Ports, Resources};
