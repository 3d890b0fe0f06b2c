//! Bad networks, virtual time and, as a feature, certificates for tests; knows no product crate.
//!
//! A test steps a [`Clock`] from one due moment to the next and lets a [`Network`] decide, from a seed, what becomes
//! of every payload. The same seed gives the same run.

#[cfg(feature = "certificates")]
pub mod certificates;
mod clock;
mod network;
mod random;
pub mod udp_relay;

pub use clock::Clock;
pub use network::{Delivery, Impairment, Network};
pub use random::Random;
