//! The lease objects while they are worked on: one page for each port space.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use voip_api::{Lease, LeaseState, PortSpace, PortSpaceType, PortSpan, RtpPortLease, RtpPortLeaseSpec};

use super::{CONTROL_PORTS, LeaseId, MAX_LEASES, QUARANTINE_MS, Want, reserved};
use crate::digest;
use crate::observed::Observed;
use crate::ports::{PortRange, Taken};
use crate::validate::ValidCluster;

/// All pages.
pub(super) struct Book<'a> {
    valid: &'a ValidCluster,
    observed: &'a Observed,
    /// Where new leases are placed.
    range: PortRange,
    /// Never leased, in any space.
    reserved: Taken,
    pages: BTreeMap<PortSpace, Page>,
}

/// One port space.
pub(super) struct Page {
    pub(super) object: RtpPortLease,
    pub(super) leases: BTreeMap<String, Lease>,
    /// Ports that nobody may be given.
    pub(super) taken: Taken,
    /// This cluster has or had a lease here.
    ours: bool,
}

impl<'a> Book<'a> {
    /// Reads the objects that were observed.
    pub(super) fn open(valid: &'a ValidCluster, observed: &'a Observed, range: PortRange) -> Self {
        let mut reserved_ports = Taken::default();
        for (_, reserved) in reserved(valid, observed) {
            reserved_ports.insert_range(reserved);
        }
        let mut book = Self { valid, observed, range, reserved: reserved_ports, pages: BTreeMap::new() };
        for object in &observed.leases {
            let page = book.page(&object.spec.space);
            page.object.metadata = object.metadata.clone();
            page.object.spec.foreign.clone_from(&object.spec.foreign);
            page.leases.extend(object.spec.leases.iter().map(|lease| (lease.id.clone(), lease.clone())));
        }
        book
    }

    fn page(&mut self, space: &PortSpace) -> &mut Page {
        let reserved = &self.reserved;
        self.pages.entry(space.clone()).or_insert_with(|| Page {
            object: RtpPortLease {
                metadata: ObjectMeta { name: Some(object_name(space)), ..ObjectMeta::default() },
                spec: RtpPortLeaseSpec { space: space.clone(), leases: Vec::new(), foreign: Vec::new() },
            },
            leases: BTreeMap::new(),
            taken: reserved.clone(),
            ours: false,
        })
    }

    /// The page of `space`, once there is one.
    pub(super) fn get(&self, space: &PortSpace) -> Option<&Page> {
        self.pages.get(space)
    }

    /// The lease that `want` has.
    pub(super) fn lease(&self, want: &Want<'_>) -> Option<&Lease> {
        self.pages.get(&want.space)?.leases.get(&want.id)
    }

    /// Decides what becomes of each lease of this cluster, then marks what stays taken.
    pub(super) fn settle(&mut self, wants: &[Want<'_>]) {
        let wanted: HashMap<(&PortSpace, &str), &Want<'_>> =
            wants.iter().map(|want| ((&want.space, want.id.as_str()), want)).collect();
        let nodes: HashSet<&str> = self.observed.nodes.iter().map(|node| node.name.as_str()).collect();
        let (valid, observed, range) = (self.valid, self.observed, self.range);
        for (space, page) in &mut self.pages {
            page.leases.retain(|id, lease| {
                let Some(parsed) = LeaseId::parse(id).filter(|parsed| parsed.is_of(valid)) else {
                    return true;
                };
                page.ours = true;
                let ended = observed.ended.contains(id.as_str());
                match wanted.get(&(space, id.as_str())) {
                    Some(want) if ended && !is_as_wanted(lease, want, range) => false,
                    Some(want) => {
                        renew(lease, want, valid);
                        true
                    }
                    None if ended => false,
                    None => abandon(lease, nodes.contains(parsed.node), valid, observed.now_ms),
                }
            });
            for lease in page.leases.values() {
                page.taken.insert_span(Some(lease.control));
                page.taken.insert_span(lease.rtp);
            }
            for foreign in &page.object.spec.foreign {
                page.taken.insert_range(PortRange::new(foreign.port, foreign.port));
            }
        }
    }

    /// Lengthens leases that became too short, where the ports behind them are free.
    pub(super) fn grow(&mut self, wants: &[Want<'_>]) {
        let end_of_range = u32::from(self.range.last) + 1;
        for want in wants {
            let Some(page) = self.pages.get_mut(&want.space) else { continue };
            let Some(rtp) = page.leases.get_mut(&want.id).and_then(|lease| lease.rtp.as_mut()) else {
                continue;
            };
            let start = u32::from(rtp.start);
            let (now, then) = (start + u32::from(rtp.length), start.saturating_add(want.rtp_ports));
            if then > now && then <= end_of_range && page.taken.is_free(now, then) {
                page.taken.insert(now, then);
                *rtp = span(start, want.rtp_ports);
            }
        }
    }

    /// Places the wants that have no lease: control ports from the top, RTP from the bottom, the same on every node.
    pub(super) fn place(&mut self, wants: &[Want<'_>]) {
        let mut groups: BTreeMap<(Option<usize>, u32), Vec<&Want<'_>>> = BTreeMap::new();
        for want in wants {
            groups.entry((want.pool.map(|pool| pool.at), want.shard)).or_default().push(want);
        }
        for group in groups.values() {
            self.place_group(group);
        }
    }

    fn place_group(&mut self, group: &[&Want<'_>]) {
        let missing: Vec<&Want<'_>> =
            group.iter().copied().filter(|want| self.lease(want).is_none()).collect();
        let Some(ports) = missing.first().map(|want| want.rtp_ports) else { return };
        let mut control: Vec<(&Want<'_>, PortSpan)> = Vec::with_capacity(missing.len());
        for want in missing {
            let range = self.range;
            let page = self.page(&want.space);
            page.ours = true;
            let Some(start) = page.taken.highest(range, CONTROL_PORTS) else { continue };
            page.taken.insert(start, start + CONTROL_PORTS);
            control.push((want, span(start, CONTROL_PORTS)));
        }
        let preferred = self.preferred(group, &control, ports);
        for (want, control) in control {
            self.place_one(want, control, preferred);
        }
    }

    /// Where most siblings are, else the lowest start that is free on all nodes.
    fn preferred(&self, group: &[&Want<'_>], missing: &[(&Want<'_>, PortSpan)], ports: u32) -> Option<u32> {
        let mut starts: BTreeMap<u16, usize> = BTreeMap::new();
        for rtp in group.iter().filter_map(|want| self.lease(want)?.rtp) {
            *starts.entry(rtp.start).or_default() += 1;
        }
        if let Some((start, _)) = starts.into_iter().rev().max_by_key(|(_, count)| *count) {
            return Some(u32::from(start));
        }
        let spaces: BTreeSet<&PortSpace> = missing.iter().map(|(want, _)| &want.space).collect();
        let mut common = Taken::default();
        for page in spaces.into_iter().filter_map(|space| self.pages.get(space)) {
            common.merge(&page.taken);
        }
        common.lowest(self.range, ports)
    }

    fn place_one(&mut self, want: &Want<'_>, control: PortSpan, preferred: Option<u32>) {
        let range = self.range;
        let Some(page) = self.pages.get_mut(&want.space) else { return };
        if page.leases.len() >= MAX_LEASES {
            return;
        }
        let mut rtp = None;
        if want.rtp_ports > 0 {
            let fits = |start: u32| {
                let end = start.saturating_add(want.rtp_ports);
                start >= u32::from(range.first)
                    && end <= u32::from(range.last) + 1
                    && page.taken.is_free(start, end)
            };
            let preferred = preferred.filter(|start| fits(*start));
            let Some(start) = preferred.or_else(|| page.taken.lowest(range, want.rtp_ports)) else { return };
            page.taken.insert(start, start + want.rtp_ports);
            rtp = Some(span(start, want.rtp_ports));
        }
        let mut lease = Lease {
            id: want.id.clone(),
            cluster_uid: String::new(),
            node_uid: String::new(),
            rtp,
            control,
            state: LeaseState::Active,
            release_after: None,
        };
        renew(&mut lease, want, self.valid);
        page.leases.insert(want.id.clone(), lease);
    }

    /// Free ports of the range in all spaces of `wants`.
    pub(super) fn free(&self, wants: &[Want<'_>]) -> u32 {
        let spaces: BTreeSet<&PortSpace> = wants.iter().map(|want| &want.space).collect();
        let pages = spaces.into_iter().filter_map(|space| self.pages.get(space));
        pages.map(|page| page.taken.free(self.range)).fold(0, u32::saturating_add)
    }

    /// The objects in which this cluster has or had a lease.
    pub(super) fn close(self) -> Vec<RtpPortLease> {
        let ours = self.pages.into_values().filter(|page| page.ours);
        ours.map(|mut page| {
            page.object.spec.leases = page.leases.into_values().collect();
            page.object
        })
        .collect()
    }
}

/// Nothing would change if it were placed anew.
fn is_as_wanted(lease: &Lease, want: &Want<'_>, range: PortRange) -> bool {
    let inside = |span: PortSpan| span.start >= range.first && span.last() <= range.last;
    let length = lease.rtp.map_or(0, |rtp| u32::from(rtp.length));
    length == want.rtp_ports && inside(lease.control) && lease.rtp.is_none_or(inside)
}

fn renew(lease: &mut Lease, want: &Want<'_>, valid: &ValidCluster) {
    lease.state = LeaseState::Active;
    lease.release_after = None;
    lease.cluster_uid.clone_from(&valid.uid);
    lease.node_uid.clone_from(&want.node.uid);
}

/// A lease that is not wanted any more and whose pod nobody saw end. False: its ports are free.
fn abandon(lease: &mut Lease, node_is_there: bool, valid: &ValidCluster, now_ms: u64) -> bool {
    match (&lease.release_after, lease.state) {
        (Some(time), LeaseState::Quarantined) => {
            u64::try_from(time.0.as_millisecond()).is_ok_and(|release| release > now_ms)
        }
        _ if node_is_there => {
            lease.state = LeaseState::Draining;
            true
        }
        _ => {
            let after =
                now_ms.saturating_add(u64::from(valid.drain_seconds) * 1000).saturating_add(QUARANTINE_MS);
            // The API keeps whole seconds.
            let seconds = i64::try_from(after.div_ceil(1000)).unwrap_or(i64::MAX);
            lease.state = LeaseState::Quarantined;
            lease.release_after = Some(Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)));
            true
        }
    }
}

/// Both fit into 16 bits wherever they come from a range of ports.
fn span(start: u32, length: u32) -> PortSpan {
    PortSpan {
        start: u16::try_from(start).unwrap_or(u16::MAX),
        length: u16::try_from(length).unwrap_or(u16::MAX),
    }
}

impl Taken {
    fn insert_span(&mut self, span: Option<PortSpan>) {
        if let Some(span) = span {
            self.insert(u32::from(span.start), u32::from(span.start) + u32::from(span.length));
        }
    }
}

/// `node.NAME` or `group.NAME`; a hash stands for the end of a name that is too long for an object.
fn object_name(space: &PortSpace) -> String {
    const LONGEST: usize = 253;
    let kind = match space.kind {
        PortSpaceType::Node => "node",
        PortSpaceType::Group => "group",
    };
    let name = format!("{kind}.{}", space.name);
    if name.len() <= LONGEST {
        return name;
    }
    let hash = digest::fingerprint(space.name.as_bytes());
    let kept: String = name.chars().take(LONGEST - 1 - hash.len()).collect();
    format!("{kept}-{hash}")
}
