//! `/healthz`, `/readyz` and `/metrics`, and the server for them.
//!
//! Alive is a matter of the process alone: its loops turn. Ready is what others may rely on, part by part.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::metrics::Registry;

/// How long open requests may take once the server is told to end.
const LINGER: Duration = Duration::from_millis(500);

/// What is told about a process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// Part to reason; absent is ready.
    missing: Mutex<BTreeMap<&'static str, String>>,
    loops: Mutex<Vec<Watched>>,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    limit: Duration,
    last_beat_ms: Arc<AtomicU64>,
}

impl Health {
    /// Alive; not ready while any of `parts` has not been reported by [`Health::ready`].
    pub fn new(parts: &[&'static str]) -> Self {
        let missing = parts.iter().map(|part| (*part, "starting".to_owned())).collect();
        let inner = Inner { start: Instant::now(), missing: Mutex::new(missing), loops: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// `part` does what others rely on.
    pub fn ready(&self, part: &'static str) {
        locked(&self.inner.missing).remove(part);
    }

    /// `part` does not, for this reason.
    pub fn not_ready(&self, part: &'static str, reason: impl Into<String>) {
        locked(&self.inner.missing).insert(part, reason.into());
    }

    /// Whether every part is ready.
    pub fn is_ready(&self) -> bool {
        locked(&self.inner.missing).is_empty()
    }

    /// A loop that must call [`Heartbeat::beat`] at least every `limit`, else the process counts as dead.
    pub fn heartbeat(&self, name: &'static str, limit: Duration) -> Heartbeat {
        let last_beat_ms = Arc::new(AtomicU64::new(elapsed_ms(self.inner.start)));
        locked(&self.inner.loops).push(Watched { name, limit, last_beat_ms: Arc::clone(&last_beat_ms) });
        Heartbeat { start: self.inner.start, last_beat_ms }
    }

    /// Names of loops that have stopped turning.
    fn stuck(&self) -> Vec<&'static str> {
        let now = elapsed_ms(self.inner.start);
        locked(&self.inner.loops)
            .iter()
            .filter(|watched| {
                let age = now.saturating_sub(watched.last_beat_ms.load(Ordering::Relaxed));
                Duration::from_millis(age) > watched.limit
            })
            .map(|watched| watched.name)
            .collect()
    }
}

/// The sign of life of one loop.
#[derive(Debug)]
pub struct Heartbeat {
    start: Instant,
    last_beat_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    /// The loop turns.
    pub fn beat(&self) {
        self.last_beat_ms.store(elapsed_ms(self.start), Ordering::Relaxed);
    }
}

fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `/healthz` (200 `ok`, or 503 with the loops that stand still), `/readyz` (200 or 503 with a JSON object, part to
/// reason) and `/metrics`. Merge a program's own routes into it.
pub fn router(health: Health, registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(Router::new().route("/metrics", get(metrics)).with_state(registry))
}

async fn healthz(State(health): State<Health>) -> Response {
    let stuck = health.stuck();
    if stuck.is_empty() {
        return "ok".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {}", stuck.join(", "))).into_response()
}

async fn readyz(State(health): State<Health>) -> Response {
    let missing = locked(&health.inner.missing).clone();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(missing)).into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match registry.print() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Serves `router` until `shutdown` is ready; open requests then have half a second.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (ending, ended) = tokio::sync::oneshot::channel::<()>();
    let graceful = async move {
        shutdown.await;
        drop(ending);
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(graceful).into_future();
    tokio::select! {
        result = server => result,
        () = linger(ended) => Ok(()),
    }
}

async fn linger(ended: tokio::sync::oneshot::Receiver<()>) {
    // An error is what we wait for: the sender is dropped, never used.
    let _ = ended.await;
    tokio::time::sleep(LINGER).await;
}

#[cfg(test)]
mod tests;
