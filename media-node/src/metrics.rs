//! `voip_media_*`: what is scraped.
//!
//! The relay threads' figures are read from their published counters at each scrape; the rest is set by control.

use std::sync::Arc;

use voip_telemetry::Registry;
use voip_telemetry::metrics::{Counter, Counters, Gauge, MetricsError};

use crate::engine::counters::{Counter as Relayed, Published};

/// What control counts.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) sessions: Gauge,
    pub(crate) capacity: Gauge,
    pub(crate) ports_in_use: Gauge,
    pub(crate) ports_free: Gauge,
    pub(crate) ports_foreign: Gauge,
    pub(crate) prompts: Gauge,
    pub(crate) sip_nodes: Gauge,
    pub(crate) document_rejected: Gauge,
    pub(crate) draining: Gauge,
    /// By outcome.
    pub(crate) requests: Counters,
    pub(crate) orphans_freed: Counter,
    /// Records of calls given up because too many waited for a sip-node.
    pub(crate) records_dropped: Counter,
    /// Streams given up because the sip-node did not read.
    pub(crate) links_dropped: Counter,
}

impl Figures {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let ports = registry.gauges("voip_media_ports", "RTP and RTCP ports by state", &["state"])?;
        let state = |name: &'static str| {
            ports.with(&[name.into()]).ok_or_else(|| MetricsError::BadPrefix { name: name.to_owned() })
        };
        Ok(Self {
            sessions: registry.gauge("voip_media_sessions", "Sessions held")?,
            capacity: registry.gauge("voip_media_capacity_calls", "Calls that the usable ports allow")?,
            ports_in_use: state("in_use")?,
            ports_free: state("free")?,
            ports_foreign: state("foreign")?,
            prompts: registry.gauge("voip_media_prompts", "Prompts that can be played")?,
            sip_nodes: registry.gauge("voip_media_sip_nodes", "Open streams to sip-nodes")?,
            document_rejected: registry.gauge(
                "voip_media_document_rejected",
                "1 while the document on disk is not the one that runs",
            )?,
            draining: registry.gauge("voip_media_draining", "1 while no new session is taken")?,
            requests: registry.counters(
                "voip_media_requests_total",
                "Requests of sip-nodes",
                &["outcome"],
            )?,
            orphans_freed: registry.counter(
                "voip_media_orphans_freed_total",
                "Sessions freed because no sip-node claimed them",
            )?,
            records_dropped: registry.counter(
                "voip_media_records_dropped_total",
                "Records of calls of lost sip-nodes given up because too many waited",
            )?,
            links_dropped: registry.counter(
                "voip_media_links_dropped_total",
                "Streams given up because the sip-node did not read",
            )?,
        })
    }
}

/// Name, help, label, and which figure is which value of the label.
type Total = (&'static str, &'static str, &'static str, &'static [(Relayed, &'static str)]);

/// Which figure of the relay threads is printed under which name and label.
const TOTALS: [Total; 3] = [
    (
        "voip_media_packets_total",
        "RTP packets sent",
        "kind",
        &[
            (Relayed::RelayedPackets, "relayed"),
            (Relayed::EchoedPackets, "echoed"),
            (Relayed::PromptPackets, "prompt"),
        ],
    ),
    (
        "voip_media_rtcp_packets_total",
        "RTCP packets sent",
        "kind",
        &[(Relayed::RelayedRtcp, "relayed"), (Relayed::OwnRtcp, "own")],
    ),
    (
        "voip_media_dropped_total",
        "Datagrams not passed on",
        "reason",
        &[
            (Relayed::DroppedForeignSource, "foreign_source"),
            (Relayed::DroppedNotRtp, "not_rtp"),
            (Relayed::DroppedNoPeer, "no_peer"),
            (Relayed::DroppedSendQueue, "send_queue"),
            (Relayed::DroppedSendError, "send_error"),
        ],
    ),
];

/// Prints the sums over all relay threads.
pub(crate) fn register_relays(registry: &Registry, threads: Vec<Arc<Published>>) -> Result<(), MetricsError> {
    let mut totals = Vec::new();
    for (name, help, label, kinds) in TOTALS {
        let counters = registry.counters(name, help, &[label])?;
        totals.extend(
            kinds.iter().filter_map(|(figure, kind)| Some((*figure, counters.with(&[(*kind).into()])?))),
        );
    }
    totals.push((
        Relayed::RelayedBytes,
        registry.counter("voip_media_relayed_bytes_total", "RTP bytes passed on")?,
    ));
    totals
        .push((Relayed::Rounds, registry.counter("voip_media_rounds_total", "Rounds of the relay threads")?));
    let legs = registry.gauge("voip_media_legs", "Legs held by the relay threads")?;
    let one_way = registry
        .gauge("voip_media_one_way_legs", "Legs that are heard while the leg they listen to is not")?;
    registry.before_print(move || {
        let sum = |figure| threads.iter().map(|thread| thread.get(figure)).sum();
        for (figure, counter) in &totals {
            counter.raise_to(sum(*figure));
        }
        legs.set(sum(Relayed::Legs));
        one_way.set(sum(Relayed::OneWayLegs));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_accepted_and_printed() {
        let registry = Registry::new();
        let figures = Figures::register(&registry).unwrap();
        figures.requests.increment(&["ok".into()]);
        register_relays(&registry, vec![Arc::default(), Arc::default()]).unwrap();
        let text = registry.print().unwrap();
        for line in [
            "voip_media_dropped_total{reason=\"foreign_source\"} 0",
            "voip_media_packets_total{kind=\"relayed\"} 0",
            "voip_media_ports{state=\"free\"} 0",
            "voip_media_requests_total{outcome=\"ok\"} 1",
            "voip_media_one_way_legs 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
