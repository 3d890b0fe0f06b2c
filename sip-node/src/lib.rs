//! The signaling program: transports, one decision thread, stores, media client, API.
//!
//! Everything that decides is in `sip-core` and `call-core`; here are the sockets, threads, files and clocks around
//! them. [`run`] is the program, [`cdr::read`] what others may read of it.

mod admin;
mod args;
pub mod cdr;
mod clock;
mod config;
mod decide;
mod facts;
mod files;
mod http;
mod media;
mod metrics;
mod run;
mod sent_by;
mod store;
mod threads;
mod transport;

pub use args::Args;
pub use run::run;
