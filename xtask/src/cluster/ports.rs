//! Ports on loopback for the programs of one control plane.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Below the ports that the kernel gives to clients, above those that the other tests use.
const RANGE: std::ops::Range<u16> = 30000..32768;

/// One port for each server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) api_server: u16,
    pub(crate) controller_manager: u16,
    pub(crate) scheduler: u16,
    pub(crate) kwok: u16,
}

impl Ports {
    /// The usual ones, for a control plane with a network namespace of its own.
    pub(crate) const USUAL: Self = Self {
        etcd: 2379,
        etcd_peer: 2380,
        api_server: 6443,
        controller_manager: 10257,
        scheduler: 10259,
        kwok: 10247,
    };

    /// Ports that nobody listens on and that are not in `taken`.
    pub(crate) fn free(taken: &[Self]) -> Result<Self> {
        let reserved: Vec<u16> = taken.iter().flat_map(Self::all).collect();
        let unused =
            |port: &u16| !reserved.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let mut free = RANGE.filter(unused);
        let mut next = || free.next().with_context(|| format!("no free port in {RANGE:?}"));
        Ok(Self {
            etcd: next()?,
            etcd_peer: next()?,
            api_server: next()?,
            controller_manager: next()?,
            scheduler: next()?,
            kwok: next()?,
        })
    }

    fn all(&self) -> [u16; 6] {
        let Self { etcd, etcd_peer, api_server, controller_manager, scheduler, kwok } = *self;
        [etcd, etcd_peer, api_server, controller_manager, scheduler, kwok]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_share_no_port_although_neither_listens_yet() {
        let one = Ports::free(&[]).unwrap();
        let other = Ports::free(&[one]).unwrap();
        assert!(one.all().iter().all(|port| !other.all().contains(port)), "{one:?} {other:?}");
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let first = Ports::free(&[]).unwrap().etcd;
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert!(!Ports::free(&[]).unwrap().all().contains(&first));
    }
}
