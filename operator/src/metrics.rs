//! What the operator counts, and the layer that counts its requests.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use tower::{Layer, Service};
use voip_plan::status::{Fault, FaultReason};
use voip_telemetry::Registry;
use voip_telemetry::metrics::{Counter, Counters, Gauge, Histogram, MetricsError};

/// All of it. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Histogram,
    faults: Counters,
    requests: Counters,
    overtaken: Counter,
    /// VoipClusters that wait to be looked at.
    pub queue: Gauge,
    /// Port leases that are known.
    pub leases: Gauge,
    /// Whether this operator leads.
    pub leader: Gauge,
}

impl Metrics {
    /// Registers everything.
    pub fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let faults = "voip_operator_faults_total";
        let requests = "voip_operator_api_requests_total";
        Ok(Self {
            reconciles: registry.histogram(
                "voip_operator_reconcile_seconds",
                "Time to look at one VoipCluster and do what is to be done",
                &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0],
            )?,
            faults: registry.counters(faults, "What could not be done, by reason", &["reason"])?,
            requests: registry.counters(
                requests,
                "Requests to the API server, by method and status (0: no answer)",
                &["method", "status"],
            )?,
            overtaken: registry.counter(
                "voip_operator_lease_conflicts_total",
                "Port leases that somebody else wrote first",
            )?,
            queue: registry.gauge("voip_operator_queue", "VoipClusters that wait to be looked at")?,
            leases: registry.gauge("voip_operator_leases", "Port leases that are known")?,
            leader: registry.gauge("voip_operator_leader", "1 while this operator leads")?,
        })
    }

    /// One VoipCluster was looked at.
    pub(crate) fn reconciled(&self, took: Duration, faults: &[Fault]) {
        self.reconciles.observe(took);
        for fault in faults {
            self.fault(fault.reason);
        }
    }

    /// Somebody else wrote a lease first.
    pub(crate) fn overtaken(&self) {
        self.overtaken.increment();
    }

    fn fault(&self, reason: FaultReason) {
        self.faults.increment(&[reason.name().into()]);
    }

    /// A request got this status; none: no answer.
    pub(crate) fn asked(&self, method: &Method, status: Option<u16>) {
        let method = match method.as_str() {
            "GET" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "other",
        };
        self.requests.increment(&[method.into(), status.unwrap_or(0).into()]);
    }
}

/// Counts the requests of a client.
#[derive(Debug, Clone)]
pub struct MetricsLayer {
    metrics: Metrics,
}

impl MetricsLayer {
    /// Counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.metrics.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (metrics, method) = (self.metrics.clone(), request.method().clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            metrics.asked(&method, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        })
    }
}
