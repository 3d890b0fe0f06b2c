//! Drives the real programs as a user does: `voipctl up` in a directory of its own, on ports of its own, or
//! `voip-operator` beside a Kubernetes of the tests.
//!
//! Knows the command line and what it prints, nothing of the insides. Everything a test starts ends with it, by
//! process id.

// A panic is how the harness fails a test.
#![allow(clippy::missing_panics_doc)]

pub mod audit;
pub mod cluster;
pub mod gate;
pub mod kubernetes;
pub mod leases;
pub mod nodes;
pub mod office;
pub mod operator;
pub mod ports;
pub mod process;
pub mod rtp;
pub mod sipp;
pub mod wait;
pub mod wire;

pub use cluster::{Cluster, Up};
