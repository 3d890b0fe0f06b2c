//! `GET /api/v1/status`, beside health and metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::watch;
use voip_contract::admin::StatusReport;
use voip_telemetry::{Health, Registry};

use crate::config::ConfigState;
use crate::decide::Snapshot;

/// What the report is made from. Reading never holds up the decision thread.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// From the decision thread.
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    /// From the watch on the config directory.
    pub(crate) config: watch::Receiver<ConfigState>,
}

/// All routes of this program.
pub(crate) fn router(health: Health, registry: Registry, sources: Sources) -> Router {
    let ours = Router::new().route("/api/v1/status", get(status)).with_state(sources);
    voip_telemetry::http::router(health, registry).merge(ours)
}

async fn status(State(sources): State<Sources>) -> Json<StatusReport> {
    let snapshot = Arc::clone(&sources.snapshot.borrow());
    let rejected = sources.config.borrow().rejected.clone();
    Json(report(&snapshot, rejected))
}

fn report(snapshot: &Snapshot, rejected: Vec<String>) -> StatusReport {
    let Some(switch) = &snapshot.switch else {
        return StatusReport { rejected, ..StatusReport::default() };
    };
    StatusReport {
        ready: switch.ready,
        active_calls: switch.active_calls,
        registrations: switch.registrations,
        media_nodes: switch.media_nodes.clone(),
        documents: snapshot.documents.clone(),
        rejected,
    }
}
