//! `GET /api/v1/status`, `/api/v1/calls` and `/api/v1/registrations/USER`, beside health and metrics.

mod token;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use call_core::state::AddressOfRecord;
use tokio::sync::{oneshot, watch};
use voip_contract::admin::{CallsReport, RegistrationReport, StatusReport};
use voip_telemetry::{Health, Registry};

use crate::config::ConfigState;
use crate::decide::{Control, Post, Snapshot};

pub(crate) use token::{Token, TokenError};

/// What reports are made from. Reading a snapshot never holds up the decision thread; a question costs it a lookup.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// From the decision thread.
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    /// From the watch on the config directory.
    pub(crate) config: watch::Receiver<ConfigState>,
    /// For questions to the decision thread.
    pub(crate) control: Post<Control>,
}

/// All routes of this program; those of the API only for who has `token`, if there is one.
pub(crate) fn router(
    health: Health,
    registry: Registry,
    sources: Sources,
    token: Option<Arc<Token>>,
) -> Router {
    let ours = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/calls", get(calls))
        .route("/api/v1/registrations/{username}", get(registration))
        .with_state(sources);
    let ours = match token {
        Some(token) => ours.layer(axum::middleware::from_fn_with_state(token, token::require)),
        None => ours,
    };
    voip_telemetry::http::router(health, registry).merge(ours)
}

async fn status(State(sources): State<Sources>) -> Json<StatusReport> {
    let snapshot = Arc::clone(&sources.snapshot.borrow());
    let rejected = sources.config.borrow().rejected.clone();
    Json(report(&snapshot, rejected))
}

/// 503 once the decision thread has ended.
async fn registration(
    State(sources): State<Sources>,
    Path(username): Path<String>,
) -> Result<Json<RegistrationReport>, StatusCode> {
    let (question, answer) = oneshot::channel();
    sources.control.put(Control::Contacts(AddressOfRecord(username.clone()), question)).await;
    let contacts = answer.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(RegistrationReport { username, contacts }))
}

/// 503 as above.
async fn calls(State(sources): State<Sources>) -> Result<Json<CallsReport>, StatusCode> {
    let (question, answer) = oneshot::channel();
    sources.control.put(Control::Calls(question)).await;
    answer.await.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
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
