//! Leases of nodes that went to another port space.

use std::collections::HashMap;

use voip_api::{Lease, PortSpace};

use super::Book;
use crate::leases::LeaseId;

impl Book<'_> {
    /// Holds each lease in the space, too, in which its node is now. Only what is leased anew there heeds it: what met
    /// before still meets.
    pub(super) fn seat_guests(&mut self) {
        let nodes = self.observed.nodes.iter();
        let now: HashMap<&str, PortSpace> =
            nodes.map(|node| (node.name.as_str(), node.port_space())).collect();
        let mut moved: Vec<(PortSpace, Lease)> = Vec::new();
        for (space, page) in &self.pages {
            let elsewhere = |lease: &Lease| {
                let now = now.get(LeaseId::parse(&lease.id)?.node)?;
                (now != space).then(|| (now.clone(), lease.clone()))
            };
            moved.extend(page.leases.values().filter_map(elsewhere));
        }
        for (space, lease) in moved {
            let page = self.page(&space);
            page.taken.insert_lease(&lease);
            page.guests.push(lease);
        }
    }
}
