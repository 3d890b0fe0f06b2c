//! What the operator counts, and the layer that counts its requests.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use time::OffsetDateTime;
use tower::{Layer, Service};
use voip_plan::status::{Fault, FaultReason};
use voip_telemetry::Registry;
use voip_telemetry::metrics::{Counter, Counters, Gauge, Histogram, MetricsError};

use crate::ClusterKey;

/// All of it. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Histogram,
    faults: Counters,
    requests: Counters,
    overtaken: Counter,
    clusters: Arc<Mutex<Clusters>>,
    /// Port leases that are known.
    pub leases: Gauge,
    leader: Gauge,
}

/// VoipClusters of all scopes: gauges are made of it when somebody asks for them.
#[derive(Debug, Default)]
struct Clusters {
    /// Those that wait to be looked at.
    waiting: BTreeSet<ClusterKey>,
    /// When the first certificate of their programs ends, Unix time in seconds.
    certificates_end: BTreeMap<ClusterKey, u64>,
}

impl Metrics {
    /// Registers everything.
    pub fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let faults = "voip_operator_faults_total";
        let requests = "voip_operator_api_requests_total";
        let clusters = Arc::<Mutex<Clusters>>::default();
        gauges_of(&clusters, registry)?;
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
            clusters,
            leases: registry.gauge("voip_operator_leases", "Port leases that are known")?,
            leader: registry.gauge("voip_operator_leader", "1 while this operator leads")?,
        })
    }

    /// Whether this operator leads.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(u64::from(leads));
        *locked(&self.clusters) = Clusters::default();
    }

    /// A VoipCluster is to be looked at.
    pub(crate) fn waits(&self, cluster: &ClusterKey) {
        locked(&self.clusters).waiting.insert(cluster.clone());
    }

    /// A look at it begins.
    pub(crate) fn begins(&self, cluster: &ClusterKey) {
        locked(&self.clusters).waiting.remove(cluster);
    }

    /// When the first certificate of its programs ends.
    pub(crate) fn certificates_end(&self, cluster: &ClusterKey, end: OffsetDateTime) {
        let seconds = u64::try_from(end.unix_timestamp()).unwrap_or(0);
        locked(&self.clusters).certificates_end.insert(cluster.clone(), seconds);
    }

    /// It is gone.
    pub(crate) fn forget(&self, cluster: &ClusterKey) {
        let mut clusters = locked(&self.clusters);
        clusters.waiting.remove(cluster);
        clusters.certificates_end.remove(cluster);
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

fn gauges_of(clusters: &Arc<Mutex<Clusters>>, registry: &Registry) -> Result<(), MetricsError> {
    let queue = registry.gauge("voip_operator_queue", "VoipClusters that wait to be looked at")?;
    let expiry = registry.gauge(
        "voip_operator_certificate_expiry_seconds",
        "Unix time at which the first certificate of a program ends; 0: none is known",
    )?;
    let clusters = Arc::clone(clusters);
    registry.before_print(move || {
        let clusters = locked(&clusters);
        queue.set(clusters.waiting.len() as u64);
        expiry.set(clusters.certificates_end.values().min().copied().unwrap_or(0));
    });
    Ok(())
}

fn locked(clusters: &Mutex<Clusters>) -> MutexGuard<'_, Clusters> {
    clusters.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_once_and_of_certificates_the_first_to_end_counts() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let key = |name: &str| ClusterKey { namespace: "voip".to_owned(), name: name.to_owned() };
        let printed = |queue: u32, expiry: u32| {
            let text = registry.print().unwrap();
            text.contains(&format!("voip_operator_queue {queue}\n"))
                && text.contains(&format!("voip_operator_certificate_expiry_seconds {expiry}\n"))
        };
        assert!(printed(0, 0));
        for (name, end) in [("a", 2000), ("b", 1000), ("b", 1000)] {
            metrics.waits(&key(name));
            metrics.certificates_end(&key(name), OffsetDateTime::from_unix_timestamp(end).unwrap());
        }
        assert!(printed(2, 1000));
        metrics.begins(&key("a"));
        metrics.forget(&key("b"));
        assert!(printed(0, 2000));
        metrics.leads(false);
        assert!(printed(0, 0));
    }
}
