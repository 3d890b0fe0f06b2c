//! Validate, plan, port leases and addresses: pure functions over what was observed.
//!
//! `validate(&Resources, &Observed)` finds every mistake at once; `plan(&ValidCluster, &Observed)` cannot fail and
//! says the same for the same input. The operator, `voipctl up` and `voipctl plan` all go through these two. This crate
//! must not know a client, a file, a clock or a source of randomness: `now` and passwords are arguments.

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

mod addresses;
mod capacity;
mod digest;
mod documents;
mod invented;
mod laptop;
mod leases;
mod network;
mod nodes;
pub mod objects;
pub mod observe;
mod observed;
mod orders;
mod plan;
mod ports;
mod problem;
mod quantity;
mod resources;
mod signaling;
pub mod status;
mod validate;

#[cfg(test)]
mod tests;

pub use addresses::{Address, AddressSource};
pub use capacity::Capacity;
pub use documents::Documents;
pub use invented::invented_world;
pub use laptop::{LAPTOP_NODES, LAPTOP_SPACE, laptop_world};
pub use leases::{LeaseKey, lease_object_name, orphans};
pub use observed::{
    Admission, Component, Environment, MediaWorkload, Node, Observed, Pod, SignalingService, Taint, Verdict,
    Workload,
};
pub use orders::{next_ms, orders, orders_of_nodes};
pub use plan::{
    ControlPorts, DrainCause, MediaPod, Network, NetworkMode, NetworkReason, Order, Plan, PortsChange,
    SignalingAddress, SignalingPod, plan,
};
pub use ports::{PortRange, RESERVED_PORTS, ReservedPorts, ports_for_calls};
pub use problem::{FieldError, Problem, Reason};
pub use resources::{Resources, SecretValue};
pub use validate::{ValidCluster, Validated, Verdicts, validate, validate_leniently};
