//! Logs, metrics, health endpoints and shutdown: what every program of ours does alike.
//!
//! It must not know Kubernetes, SIP, or what the programs count.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod redacted;
pub mod shutdown;

pub use http::{Health, Heartbeat};
pub use logs::LogFormat;
pub use metrics::Registry;
pub use redacted::Redacted;
