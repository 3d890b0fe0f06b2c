//! The lease objects while they are worked on: one page for each port space.

mod guests;
mod misfits;
mod page;
mod states;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use voip_api::{Lease, PortSpace, PortSpaceType, RtpPortLease};

use super::foreign::Finders;
use super::{LeaseId, LeaseKey, Want, reserved};
use crate::digest;
use crate::observed::Observed;
use crate::ports::{PortRange, Taken};
use crate::validate::ValidCluster;
pub(super) use misfits::Misfits;
pub(super) use page::Page;
use page::{is_as_wanted, span};
pub(crate) use states::is_released;
pub(super) use states::quarantine;
use states::{abandon, renew};

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

impl<'a> Book<'a> {
    /// Reads the objects that were observed.
    pub(super) fn open(valid: &'a ValidCluster, observed: &'a Observed, range: PortRange) -> Self {
        let mut reserved_ports = Taken::default();
        for (_, reserved) in reserved(valid, observed) {
            reserved_ports.insert_range(reserved);
        }
        let mut book = Self { valid, observed, range, reserved: reserved_ports, pages: BTreeMap::new() };
        let finders = Finders::of(observed);
        for object in &observed.leases {
            let page = book.page(&object.spec.space);
            page.object.metadata = object.metadata.clone();
            page.object.spec.foreign = finders.merged(&object.spec);
            page.leases.extend(object.spec.leases.iter().map(|lease| (lease.id.clone(), lease.clone())));
        }
        book
    }

    fn page(&mut self, space: &PortSpace) -> &mut Page {
        let reserved = &self.reserved;
        self.pages.entry(space.clone()).or_insert_with(|| Page::empty(space, reserved))
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
        let nodes: HashSet<(&str, &str)> =
            self.observed.nodes.iter().map(|node| (node.name.as_str(), node.uid.as_str())).collect();
        let (valid, observed, range) = (self.valid, self.observed, self.range);
        for (space, page) in &mut self.pages {
            let had_leases = !page.leases.is_empty();
            page.leases.retain(|id, lease| {
                let Some(parsed) = LeaseId::parse(id).filter(|parsed| parsed.is_of(valid)) else {
                    return true;
                };
                page.ours = true;
                let ended = observed.ended.contains(&LeaseKey::of(lease));
                match wanted.get(&(space, id.as_str())) {
                    Some(want) => {
                        if ended && !is_as_wanted(lease, want, range) {
                            page.movable.insert(id.clone());
                        }
                        renew(lease, want, valid);
                        true
                    }
                    None if ended => false,
                    None => {
                        let same_node = nodes.contains(&(parsed.node, lease.node_uid.as_str()));
                        abandon(lease, same_node, valid, observed.now_ms)
                    }
                }
            });
            for lease in page.leases.values() {
                page.taken.insert_lease(lease);
            }
            if had_leases && page.leases.is_empty() {
                // Nobody is left who looks whether something else still holds them.
                page.object.spec.foreign.clear();
            }
            page.hold_foreign();
        }
        self.seat_guests();
    }

    /// Grants what has room. A lease that moves makes room for others, so this goes on until nothing changes: each
    /// round grants, lengthens or moves a lease, and none is ever taken back.
    pub(super) fn fill(&mut self, wants: &[Want<'_>]) {
        while self.grow(wants) | self.place(wants) {}
    }

    /// Lengthens leases that became too short, where the ports behind them are free.
    fn grow(&mut self, wants: &[Want<'_>]) -> bool {
        let mut changed = false;
        let end_of_range = u32::from(self.range.last) + 1;
        for want in wants {
            let Some(page) = self.pages.get_mut(&want.space) else { continue };
            let Some(rtp) = page.leases.get_mut(&want.id).and_then(|lease| lease.rtp.as_mut()) else {
                continue;
            };
            let start = u32::from(rtp.start);
            let (now, then) = (start + u32::from(rtp.length), start.saturating_add(want.rtp_ports));
            if then > now
                && now >= u32::from(self.range.first)
                && then <= end_of_range
                && page.taken.is_free(now, then)
            {
                page.taken.insert(now, then);
                *rtp = span(start, want.rtp_ports);
                changed = true;
                if page.leases.get(&want.id).is_some_and(|lease| is_as_wanted(lease, want, self.range)) {
                    page.movable.remove(&want.id);
                }
            }
        }
        changed
    }

    /// Places the wants that have no lease: control ports from the top, RTP from the bottom, the same on every node.
    fn place(&mut self, wants: &[Want<'_>]) -> bool {
        let mut groups: BTreeMap<(Option<usize>, u32), Vec<&Want<'_>>> = BTreeMap::new();
        for want in wants {
            groups.entry((want.pool.map(|pool| pool.at), want.shard)).or_default().push(want);
        }
        groups.values().fold(false, |changed, group| changed | self.place_group(group))
    }

    fn place_group(&mut self, group: &[&Want<'_>]) -> bool {
        let open: Vec<&Want<'_>> = group.iter().copied().filter(|want| self.is_open(want)).collect();
        let Some(ports) = open.first().map(|want| want.rtp_ports) else { return false };
        for want in &open {
            self.page(&want.space).ours = true;
        }
        let preferred = self.preferred(group, &open, ports);
        open.into_iter().fold(false, |changed, want| changed | self.place_one(want, preferred))
    }

    /// It has no lease yet, or one that may move.
    fn is_open(&self, want: &Want<'_>) -> bool {
        let page = self.pages.get(&want.space);
        page.is_none_or(|page| !page.leases.contains_key(&want.id) || page.movable.contains(&want.id))
    }

    /// Where most siblings stay, else the lowest start that is free on all nodes.
    fn preferred(&self, group: &[&Want<'_>], open: &[&Want<'_>], ports: u32) -> Option<u32> {
        let mut starts: BTreeMap<u16, usize> = BTreeMap::new();
        for rtp in group.iter().filter(|want| !self.is_open(want)).filter_map(|want| self.lease(want)?.rtp) {
            *starts.entry(rtp.start).or_default() += 1;
        }
        if let Some((start, _)) = starts.into_iter().rev().max_by_key(|(_, count)| *count) {
            return Some(u32::from(start));
        }
        let spaces: BTreeSet<&PortSpace> = open.iter().map(|want| &want.space).collect();
        let mut common = Taken::default();
        for page in spaces.into_iter().filter_map(|space| self.pages.get(space)) {
            common.merge(&page.taken);
        }
        common.lowest(self.range, ports)
    }

    /// A lease that may move and finds no better place stays where it is.
    fn place_one(&mut self, want: &Want<'_>, preferred: Option<u32>) -> bool {
        let (range, valid) = (self.range, self.valid);
        let Some(page) = self.pages.get_mut(&want.space) else { return false };
        page.movable.remove(&want.id);
        let old = page.leases.remove(&want.id);
        if let Some(old) = &old {
            page.release(old, &self.reserved);
        }
        let found = page.find(want, range, preferred, valid);
        let changed = found.is_some();
        if let Some(lease) = found.or(old) {
            page.taken.insert_lease(&lease);
            page.leases.insert(want.id.clone(), lease);
        }
        changed
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

/// Name of the lease object of a port space: `node.NAME` or `group.NAME`; a hash stands for the end of a name that is too
/// long for an object.
pub fn lease_object_name(space: &PortSpace) -> String {
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
