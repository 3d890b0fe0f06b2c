//! Leases that are not what is asked for, and whether there is a place for what is.

use std::collections::{BTreeMap, BTreeSet};

use voip_api::PortSpace;

use super::{Book, Page, is_as_wanted};
use crate::leases::Want;

/// Ids of leases that are not as wanted.
#[derive(Debug, Default)]
pub(in crate::leases) struct Misfits {
    /// They would be if their pods were gone.
    pub(in crate::leases) can_move: BTreeSet<String>,
    /// There is no room for what is wanted.
    pub(in crate::leases) stuck: BTreeSet<String>,
}

impl Book<'_> {
    /// Tries it on copies of the pages. A lease that moves keeps its old ports meanwhile, so no two are promised the same.
    pub(in crate::leases) fn misfits(&self, wants: &[Want<'_>]) -> Misfits {
        let mut misfits = Misfits::default();
        let mut trials: BTreeMap<&PortSpace, Page> = BTreeMap::new();
        for want in wants {
            let Some(page) = self.pages.get(&want.space) else { continue };
            if page.leases.get(&want.id).is_none_or(|lease| is_as_wanted(lease, want, self.range)) {
                continue;
            }
            let trial = trials.entry(&want.space).or_insert_with(|| page.clone());
            let found = self.place_without(trial, want);
            if found { &mut misfits.can_move } else { &mut misfits.stuck }.insert(want.id.clone());
        }
        misfits
    }

    /// Whether `want` finds a place on the page once its own lease is gone; the place is then taken.
    fn place_without(&self, page: &mut Page, want: &Want<'_>) -> bool {
        let mut without = page.clone();
        if let Some(old) = without.leases.remove(&want.id) {
            without.release(&old, &self.reserved);
        }
        let found = without.find(want, self.range, None, self.valid);
        found.inspect(|lease| page.taken.insert_lease(lease)).is_some()
    }
}
