//! Ports that something else holds: what media-nodes found on their own ranges goes into the lease objects, so that
//! nobody is given these ports.

use std::collections::{BTreeSet, HashMap};

use voip_api::{ForeignPort, RtpPortLeaseSpec, Transport};
use voip_contract::node_admin::NodeReport;

use crate::observed::{Observed, Pod};

/// Most foreign ports in one object; its schema says so too.
const MAX_FOREIGN: usize = 64;

/// The pods that report, by the lease that they were started with.
pub(super) struct Finders<'a>(HashMap<&'a str, (&'a Pod, &'a NodeReport)>);

impl<'a> Finders<'a> {
    pub(super) fn of(observed: &'a Observed) -> Self {
        let mut pods: Vec<&Pod> = observed.pods.iter().collect();
        // Of a pod that ends and the one after it, the newer counts.
        pods.sort_by_key(|pod| (!pod.ending, &pod.name));
        let finder =
            |pod: &'a Pod| Some((pod.lease.as_ref()?.id.as_str(), (pod, observed.reports.get(&pod.name)?)));
        Self(pods.into_iter().filter_map(finder).collect())
    }

    /// The foreign ports of an object. Who reports replaces what it and those before it in its place had found; what
    /// others found stays.
    pub(super) fn merged(&self, spec: &RtpPortLeaseSpec) -> Vec<ForeignPort> {
        let here: Vec<_> = spec.leases.iter().filter_map(|lease| self.0.get(lease.id.as_str())).collect();
        if here.is_empty() {
            return spec.foreign.clone();
        }
        let told = |old: &ForeignPort| {
            old.protocol == Transport::Udp && here.iter().any(|(pod, _)| is_of(&pod.owner, &old.seen))
        };
        let mut foreign: Vec<ForeignPort> = spec.foreign.iter().filter(|old| !told(old)).cloned().collect();
        let mut known: BTreeSet<u16> = foreign.iter().map(|old| old.port).collect();
        for (pod, report) in here {
            let new = report.foreign_ports.iter().filter(|port| **port != 0 && known.insert(**port));
            foreign.extend(new.map(|port| ForeignPort {
                protocol: Transport::Udp,
                port: *port,
                seen: pod.name.clone(),
            }));
        }
        foreign.sort_by(|a, b| (a.port, a.protocol, &a.seen).cmp(&(b.port, b.protocol, &b.seen)));
        foreign.truncate(MAX_FOREIGN);
        foreign
    }
}

/// Pods are called like their DaemonSet, a dash and something.
fn is_of(daemon_set: &str, pod: &str) -> bool {
    let rest = pod.strip_prefix(daemon_set).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|suffix| !suffix.contains('-'))
}
