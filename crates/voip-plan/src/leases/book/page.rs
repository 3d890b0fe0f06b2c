//! One port space: who has which ports there, and where there is room. Knows no other space.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use voip_api::{Lease, LeaseState, PortSpace, PortSpan, RtpPortLease, RtpPortLeaseSpec};

use super::lease_object_name;
use super::states::renew;
use crate::leases::{CONTROL_PORTS, MAX_LEASES, Want};
use crate::ports::{PortRange, Taken};
use crate::validate::ValidCluster;

/// One port space.
#[derive(Clone)]
pub(in crate::leases) struct Page {
    pub(in crate::leases) object: RtpPortLease,
    pub(in crate::leases) leases: BTreeMap<String, Lease>,
    /// Leases of other spaces whose nodes are in this one now: what was started with them still has its sockets there.
    pub(in crate::leases) guests: Vec<Lease>,
    /// Ports that nobody may be given.
    pub(in crate::leases) taken: Taken,
    /// Ids of leases without a pod that are not as wanted.
    pub(super) movable: BTreeSet<String>,
    /// This cluster has or had a lease here.
    pub(super) ours: bool,
}

impl Page {
    pub(super) fn empty(space: &PortSpace, reserved: &Taken) -> Self {
        Self {
            object: RtpPortLease {
                metadata: ObjectMeta { name: Some(lease_object_name(space)), ..ObjectMeta::default() },
                spec: RtpPortLeaseSpec { space: space.clone(), leases: Vec::new(), foreign: Vec::new() },
                status: None,
            },
            leases: BTreeMap::new(),
            guests: Vec::new(),
            taken: reserved.clone(),
            movable: BTreeSet::new(),
            ours: false,
        }
    }

    pub(super) fn hold_foreign(&mut self) {
        for foreign in &self.object.spec.foreign {
            self.taken.insert_range(PortRange::new(foreign.port, foreign.port));
        }
    }

    /// Frees the ports of a lease, except those that it held although they are reserved, foreign or a guest's.
    pub(super) fn release(&mut self, lease: &Lease, reserved: &Taken) {
        for span in [Some(lease.control), lease.rtp].into_iter().flatten() {
            self.taken.remove(u32::from(span.start), u32::from(span.start) + u32::from(span.length));
        }
        self.taken.merge(reserved);
        for guest in &self.guests {
            self.taken.insert_lease(guest);
        }
        self.hold_foreign();
    }

    /// A place for `want`: control ports from the top, RTP at `preferred` or else from the bottom.
    pub(super) fn find(
        &self,
        want: &Want<'_>,
        range: PortRange,
        preferred: Option<u32>,
        valid: &ValidCluster,
    ) -> Option<Lease> {
        if self.leases.len() >= MAX_LEASES {
            return None;
        }
        let (control, rtp) = self.control_first(want.rtp_ports, range, preferred).or_else(|| {
            // The two control ports may have spoilt the only gap that is long enough.
            self.rtp_first(want.rtp_ports, range)
        })?;
        let mut lease = Lease {
            id: want.id.clone(),
            cluster_uid: String::new(),
            node_uid: String::new(),
            rtp,
            control,
            state: LeaseState::Active,
            release_after: None,
        };
        renew(&mut lease, want, valid);
        Some(lease)
    }

    fn control_first(
        &self,
        ports: u32,
        range: PortRange,
        preferred: Option<u32>,
    ) -> Option<(PortSpan, Option<PortSpan>)> {
        let control = self.taken.highest(range, CONTROL_PORTS)?;
        let mut taken = self.taken.clone();
        taken.insert(control, control + CONTROL_PORTS);
        if ports == 0 {
            return Some((span(control, CONTROL_PORTS), None));
        }
        let free = |start: &u32| {
            let end = start.saturating_add(ports);
            *start >= u32::from(range.first) && end <= u32::from(range.last) + 1 && taken.is_free(*start, end)
        };
        let start = preferred.filter(free).or_else(|| taken.lowest(range, ports))?;
        Some((span(control, CONTROL_PORTS), Some(span(start, ports))))
    }

    fn rtp_first(&self, ports: u32, range: PortRange) -> Option<(PortSpan, Option<PortSpan>)> {
        let start = self.taken.lowest(range, ports)?;
        let mut taken = self.taken.clone();
        taken.insert(start, start + ports);
        let control = taken.highest(range, CONTROL_PORTS)?;
        Some((span(control, CONTROL_PORTS), Some(span(start, ports))))
    }
}

/// Nothing would change if it were placed anew.
pub(super) fn is_as_wanted(lease: &Lease, want: &Want<'_>, range: PortRange) -> bool {
    let inside = |span: PortSpan| span.start >= range.first && span.last() <= range.last;
    let length = lease.rtp.map_or(0, |rtp| u32::from(rtp.length));
    length == want.rtp_ports && inside(lease.control) && lease.rtp.is_none_or(inside)
}

/// Both fit into 16 bits wherever they come from a range of ports.
pub(super) fn span(start: u32, length: u32) -> PortSpan {
    PortSpan {
        start: u16::try_from(start).unwrap_or(u16::MAX),
        length: u16::try_from(length).unwrap_or(u16::MAX),
    }
}

impl Taken {
    pub(super) fn insert_lease(&mut self, lease: &Lease) {
        for span in [Some(lease.control), lease.rtp].into_iter().flatten() {
            self.insert(u32::from(span.start), u32::from(span.start) + u32::from(span.length));
        }
    }
}
