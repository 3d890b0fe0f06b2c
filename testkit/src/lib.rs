//! Bad networks and virtual time for tests; knows no product crate.

pub mod udp_relay;
