//! Which lease is meant.

use voip_api::Lease;

/// Names a lease. A media-node whose node went to another port space has a lease in each of them under one id until its
/// older pod has ended: their ports tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeaseKey {
    /// `NAMESPACE/CLUSTER/POOL/SHARD@NODE`.
    pub id: String,
    /// Its first control port. None: not known, so that every lease with this id may be meant.
    pub control: Option<u16>,
}

impl LeaseKey {
    /// As a pod says it in its annotations: `control` is `GRPC,HTTP`.
    pub fn said(id: impl Into<String>, control: Option<&str>) -> Self {
        let first = control.and_then(|control| control.split(',').next()?.parse().ok());
        Self { id: id.into(), control: first }
    }

    /// That of `lease`.
    pub fn of(lease: &Lease) -> Self {
        Self { id: lease.id.clone(), control: Some(lease.control.start) }
    }

    /// Any lease with the id of this one.
    pub(crate) fn any(&self) -> Self {
        Self { id: self.id.clone(), control: None }
    }
}
