//! What voipctl knows of a Kubernetes: what the user's `kubectl` says of it, with the user's rights, and nothing else.

pub(crate) mod admission;
pub(crate) mod api;
pub(crate) mod cluster;
pub(crate) mod kubectl;
pub(crate) mod media;
mod port_forward;
pub(crate) mod world;
