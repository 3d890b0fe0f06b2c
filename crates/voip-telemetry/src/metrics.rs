//! Metrics in the Prometheus text format. Every name begins with `voip_`; label values are fixed words or small
//! numbers, so that nothing a user sends can become a label.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram as Buckets, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder,
};

/// Why a metric could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The name does not begin with `voip_`.
    #[error("metric {name:?} must begin with voip_")]
    BadPrefix {
        /// The name.
        name: String,
    },
    /// Refused by the registry: registered twice, or a name or label that is none.
    #[error("metric {name:?} cannot be registered")]
    Register {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: prometheus::Error,
    },
    /// The metrics could not be printed.
    #[error("metrics cannot be printed")]
    Encode(#[source] prometheus::Error),
}

/// Value of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// A word of the program's source.
    Word(&'static str),
    /// A status, an index.
    Number(u16),
}

impl From<&'static str> for Label {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<u16> for Label {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

impl Label {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Word(word) => Cow::Borrowed(word),
            Self::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// A number that only rises.
#[derive(Debug, Clone)]
pub struct Counter(IntCounter);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.inc_by(count);
    }

    /// Takes over a total that somebody else counts; a lower one changes nothing. One caller at a time.
    pub fn raise_to(&self, total: u64) {
        self.0.inc_by(total.saturating_sub(self.0.get()));
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A number that rises and falls.
#[derive(Debug, Clone)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// Sets it; numbers past `i64::MAX` stay there.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// The number; 0 when negative.
    pub fn get(&self) -> u64 {
        u64::try_from(self.0.get()).unwrap_or(0)
    }
}

/// Counters that differ in their labels.
#[derive(Debug, Clone)]
pub struct Counters(IntCounterVec);

impl Counters {
    /// The counter with these label values, as many as the metric has labels; made on first use. None when the
    /// number of values is wrong.
    pub fn with(&self, labels: &[Label]) -> Option<Counter> {
        let values: Vec<_> = labels.iter().map(|label| label.text()).collect();
        self.0.get_metric_with_label_values(&values).ok().map(Counter)
    }

    /// Adds one to the counter with these label values.
    pub fn increment(&self, labels: &[Label]) {
        if let Some(counter) = self.with(labels) {
            counter.increment();
        }
    }
}

/// Gauges that differ in their labels.
#[derive(Debug, Clone)]
pub struct Gauges(IntGaugeVec);

impl Gauges {
    /// The gauge with these label values, as many as the metric has labels; made on first use. None when the number
    /// of values is wrong.
    pub fn with(&self, labels: &[Label]) -> Option<Gauge> {
        let values: Vec<_> = labels.iter().map(|label| label.text()).collect();
        self.0.get_metric_with_label_values(&values).ok().map(Gauge)
    }
}

/// How often something took how long.
#[derive(Debug, Clone)]
pub struct Histogram(Buckets);

impl Histogram {
    /// It took this long once.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

type Refresh = Box<dyn Fn() + Send + Sync>;

/// All metrics of a process. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Registry {
    metrics: prometheus::Registry,
    refreshes: Arc<Mutex<Vec<Refresh>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a counter; by custom its name ends in `_total`.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricsError> {
        self.register(name, IntCounter::new(name, help)).map(Counter)
    }

    /// Makes counters with labels.
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&'static str],
    ) -> Result<Counters, MetricsError> {
        self.register(name, IntCounterVec::new(Opts::new(name, help), labels)).map(Counters)
    }

    /// Makes a gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricsError> {
        self.register(name, IntGauge::new(name, help)).map(Gauge)
    }

    /// Makes gauges with labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&'static str]) -> Result<Gauges, MetricsError> {
        self.register(name, IntGaugeVec::new(Opts::new(name, help), labels)).map(Gauges)
    }

    /// Makes a histogram of seconds with these upper bounds, ascending; by custom its name ends in `_seconds`.
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(name, Buckets::with_opts(options)).map(Histogram)
    }

    /// Calls `refresh` before each [`Registry::print`], one print at a time: there numbers kept elsewhere are taken
    /// over. It must not block.
    pub fn before_print(&self, refresh: impl Fn() + Send + Sync + 'static) {
        self.refreshes.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(refresh));
    }

    /// All metrics in the Prometheus text format.
    pub fn print(&self) -> Result<String, MetricsError> {
        let refreshes = self.refreshes.lock().unwrap_or_else(PoisonError::into_inner);
        for refresh in refreshes.iter() {
            refresh();
        }
        TextEncoder::new().encode_to_string(&self.metrics.gather()).map_err(MetricsError::Encode)
    }

    fn register<M: Collector + Clone + 'static>(
        &self,
        name: &str,
        metric: prometheus::Result<M>,
    ) -> Result<M, MetricsError> {
        if !name.starts_with("voip_") {
            return Err(MetricsError::BadPrefix { name: name.to_owned() });
        }
        let refused = |source| MetricsError::Register { name: name.to_owned(), source };
        let metric = metric.map_err(refused)?;
        self.metrics.register(Box::new(metric.clone())).map_err(refused)?;
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_and_second_registrations_are_refused() {
        let registry = Registry::new();
        assert!(matches!(registry.counter("calls", "x"), Err(MetricsError::BadPrefix { .. })));
        registry.counter("voip_calls_total", "x").unwrap();
        assert!(matches!(registry.gauge("voip_calls_total", "x"), Err(MetricsError::Register { .. })));
    }

    #[test]
    fn prints_values_and_labels() {
        let registry = Registry::new();
        let calls = registry.counters("voip_calls_total", "Calls", &["outcome", "status"]).unwrap();
        calls.increment(&["busy".into(), 486.into()]);
        assert!(calls.with(&["busy".into()]).is_none());
        let text = registry.print().unwrap();
        assert!(text.contains(r#"voip_calls_total{outcome="busy",status="486"} 1"#), "{text}");
    }

    #[test]
    fn totals_kept_elsewhere_are_taken_over_at_each_print() {
        let registry = Registry::new();
        let counter = registry.counter("voip_seen_total", "Seen").unwrap();
        registry.before_print(move || counter.raise_to(counter.get() + 7));
        assert!(registry.print().unwrap().contains("voip_seen_total 7"));
        assert!(registry.print().unwrap().contains("voip_seen_total 14"));
    }
}
