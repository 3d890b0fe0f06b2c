//! Logs, metrics, health endpoints and shutdown.
