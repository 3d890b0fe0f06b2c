//! The metrics of this program: totals that others keep, taken over when somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use voip_contract::admin::NodeState;
use voip_telemetry::Registry;
use voip_telemetry::metrics::{Counters, Label, MetricsError};

use crate::cdr::CdrCounters;
use crate::config::ConfigState;
use crate::decide::Snapshot;

/// Where totals of others are read.
pub(crate) struct Totals {
    /// The decision thread.
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    /// The watch on the config directory.
    pub(crate) config: watch::Receiver<ConfigState>,
    /// The CDR writer.
    pub(crate) cdrs: Arc<CdrCounters>,
    /// Facts that the log could not keep up with.
    pub(crate) facts_dropped: Arc<AtomicU64>,
}

/// Registers what is taken over from `totals` at each look.
pub(crate) fn register(registry: &Registry, totals: Totals) -> Result<(), MetricsError> {
    register_state(registry, totals.snapshot.clone())?;
    register_sip(registry, totals.snapshot.clone())?;
    register_facts(registry, totals.snapshot.clone())?;
    register_queues(registry, totals.snapshot, Arc::clone(&totals.cdrs), totals.facts_dropped)?;
    register_cdrs(registry, totals.cdrs)?;
    register_config(registry, totals.config)
}

fn register_state(registry: &Registry, source: watch::Receiver<Arc<Snapshot>>) -> Result<(), MetricsError> {
    let calls = registry.gauge("voip_calls_active", "Calls that have not ended")?;
    let registrations = registry.gauge("voip_registrations", "Bindings that have not expired")?;
    let nodes = registry.gauges("voip_media_nodes", "Media-nodes, by state", &["state"])?;
    let states = [(NodeState::Ready, "ready"), (NodeState::Draining, "draining"), (NodeState::Lost, "lost")];
    registry.before_print(move || {
        let snapshot = Arc::clone(&source.borrow());
        let Some(status) = &snapshot.switch else { return };
        calls.set(status.active_calls.into());
        registrations.set(status.registrations.into());
        for (state, word) in states {
            let count = status.media_nodes.iter().filter(|node| node.state == state).count();
            if let Some(gauge) = nodes.with(&[word.into()]) {
                gauge.set(count as u64);
            }
        }
    });
    Ok(())
}

type Read = fn(&Snapshot) -> u64;

/// Name, help and value of what the sockets and the transaction layer count.
const SIP_TOTALS: &[(&str, &str, Read)] = &[
    ("voip_sip_datagrams_received_total", "Datagrams received", |s| s.transport.received),
    ("voip_sip_datagrams_sent_total", "Datagrams sent", |s| s.transport.sent),
    ("voip_sip_send_dropped_total", "Datagrams the kernel had no room for", |s| s.transport.send_dropped),
    ("voip_sip_send_failed_total", "Datagrams that could not be sent", |s| s.transport.send_failed),
    ("voip_sip_receive_failed_total", "Errors while receiving", |s| s.transport.receive_failed),
    ("voip_sip_malformed_total", "Messages that are not well-formed", |s| s.sip.malformed),
    ("voip_sip_keep_alives_total", "Keep-alives received", |s| s.sip.keep_alives),
    ("voip_sip_repeated_requests_total", "Requests seen before", |s| s.sip.repeated_requests),
    ("voip_sip_strays_total", "Responses and ACKs of no transaction", |s| s.sip.strays),
    ("voip_sip_merged_total", "Requests that came on two ways (482)", |s| s.sip.merged),
    ("voip_sip_shed_total", "Requests refused because the table was full (503)", |s| s.sip.shed),
    ("voip_sip_unstarted_total", "Requests of ours that found the table full", |s| s.sip.refused),
    ("voip_sip_late_responses_total", "Responses for transactions that were over", |s| s.sip.late_responses),
    ("voip_sip_resent_total", "Messages sent again", |s| s.sip.resent),
    ("voip_sip_timed_out_total", "Requests of ours without an answer in time", |s| s.sip.timed_out),
    ("voip_sip_probes_total", "OPTIONS that keep the way to phones open", |s| s.sip.probes),
    ("voip_sip_probes_unanswered_total", "Of these, without an answer", |s| s.sip.probes_unanswered),
    ("voip_sip_acks_missing_total", "Final responses whose ACK never came", |s| s.sip.acks_missing),
];

fn register_sip(registry: &Registry, source: watch::Receiver<Arc<Snapshot>>) -> Result<(), MetricsError> {
    let mut totals = Vec::new();
    for (name, help, read) in SIP_TOTALS {
        totals.push((registry.counter(name, help)?, read));
    }
    let transactions =
        registry.gauges("voip_sip_transactions", "Transactions in the tables, by side", &["side"])?;
    registry.before_print(move || {
        let snapshot = Arc::clone(&source.borrow());
        for (counter, read) in &totals {
            counter.raise_to(read(&snapshot));
        }
        let sides =
            [("server", snapshot.sip.server_transactions), ("client", snapshot.sip.client_transactions)];
        for (side, count) in sides {
            if let Some(gauge) = transactions.with(&[side.into()]) {
                gauge.set(count as u64);
            }
        }
    });
    Ok(())
}

fn register_facts(registry: &Registry, source: watch::Receiver<Arc<Snapshot>>) -> Result<(), MetricsError> {
    let calls = registry.counters("voip_calls_total", "Calls that ended, by outcome", &["outcome"])?;
    let refused = registry.counters(
        "voip_sip_requests_refused_total",
        "Requests refused before they became a call or a registration",
        &["method", "status", "reason"],
    )?;
    let media_refused =
        registry.counters("voip_media_refusals_total", "Requests that a media-node refused", &["reason"])?;
    let lost =
        registry.counter("voip_media_nodes_lost_total", "Media-nodes lost, and their calls with them")?;
    registry.before_print(move || {
        let snapshot = Arc::clone(&source.borrow());
        let facts = &snapshot.facts;
        for (outcome, total) in &facts.calls {
            raise(&calls, &[(*outcome).into()], *total);
        }
        for ((method, status, reason), total) in &facts.refused {
            raise(&refused, &[(*method).into(), (*status).into(), (*reason).into()], *total);
        }
        for (reason, total) in &facts.media_refused {
            raise(&media_refused, &[(*reason).into()], *total);
        }
        lost.raise_to(facts.media_nodes_lost);
    });
    Ok(())
}

fn raise(counters: &Counters, labels: &[Label], total: u64) {
    if let Some(counter) = counters.with(labels) {
        counter.raise_to(total);
    }
}

fn register_queues(
    registry: &Registry,
    source: watch::Receiver<Arc<Snapshot>>,
    cdrs: Arc<CdrCounters>,
    facts: Arc<AtomicU64>,
) -> Result<(), MetricsError> {
    let dropped =
        registry.counters("voip_queue_dropped_total", "What a full queue did not take", &["queue"])?;
    registry.before_print(move || {
        let snapshot = Arc::clone(&source.borrow());
        for (queue, total) in [
            ("media", snapshot.media_undeliverable),
            ("store", snapshot.store_refused),
            ("facts", facts.load(Ordering::Relaxed)),
            ("cdr", cdrs.dropped.load(Ordering::Relaxed)),
        ] {
            raise(&dropped, &[queue.into()], total);
        }
    });
    Ok(())
}

fn register_cdrs(registry: &Registry, cdrs: Arc<CdrCounters>) -> Result<(), MetricsError> {
    let written = registry.counter("voip_cdr_written_total", "States of call records written")?;
    let failures = registry.counter("voip_cdr_write_failures_total", "Transactions of CDRs that failed")?;
    let backlog = registry.gauge("voip_cdr_backlog", "Call records that are not written yet")?;
    registry.before_print(move || {
        written.raise_to(cdrs.written.load(Ordering::Relaxed));
        failures.raise_to(cdrs.failures.load(Ordering::Relaxed));
        backlog.set(cdrs.backlog.load(Ordering::Relaxed));
    });
    Ok(())
}

fn register_config(registry: &Registry, config: watch::Receiver<ConfigState>) -> Result<(), MetricsError> {
    let reloads = registry.counter("voip_config_reloads_total", "Documents taken over after the start")?;
    let rejections = registry.counter("voip_config_rejections_total", "Documents found that cannot run")?;
    let rejected = registry.gauge("voip_config_rejected", "1 while documents on disk cannot run")?;
    registry.before_print(move || {
        let state = config.borrow().clone();
        reloads.raise_to(state.reloads);
        rejections.raise_to(state.rejections);
        rejected.set(u64::from(!state.rejected.is_empty()));
    });
    Ok(())
}
