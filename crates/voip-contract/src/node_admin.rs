//! What the operator and a program say to each other, once a second and when something changes.
//!
//! It feeds load, drain and acknowledgement only. Nothing here decides whether a pod is ready: that is its probe's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::admin::MediaNodeStatus;
use crate::ids::{Epoch, Incarnation};

/// Most foreign ports in a report; a lease object holds no more.
pub const MAX_FOREIGN_PORTS: usize = 64;

/// Who is at an end of a connection between programs. The certificate of each says so: it is valid for
/// [`Role::server_name`], in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The operator.
    Operator,
    /// A sip-node.
    SipNode,
    /// A media-node.
    MediaNode,
}

impl Role {
    /// The DNS name in its certificate. Every VoipCluster has a CA of its own, so the cluster need not be in it.
    pub const fn server_name(self) -> &'static str {
        match self {
            Self::Operator => "operator.voip.internal",
            Self::SipNode => "sip-node.voip.internal",
            Self::MediaNode => "media-node.voip.internal",
        }
    }
}

/// Operator to program. An order is said again in each new session and obeyed as if for the first time: a drain that
/// runs keeps its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeOrder {
    /// Take no new calls; end those that are left after `seconds`, with BYE and a Reason.
    Drain {
        /// Of the operator that orders; an order with a lower one than seen before is refused.
        epoch: Epoch,
        /// From the first such order on.
        seconds: u32,
    },
    /// Take new calls again.
    Return {
        /// As above.
        epoch: Epoch,
    },
}

impl NodeOrder {
    /// Of the operator that orders.
    pub fn epoch(self) -> Epoch {
        match self {
            Self::Drain { epoch, .. } | Self::Return { epoch } => epoch,
        }
    }
}

/// Whether a program takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// It takes calls.
    Serving,
    /// It takes no new ones and has some left.
    Draining,
    /// It takes no new ones and has none left.
    Drained,
}

/// Program to operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// What it is.
    pub role: Role,
    /// Its name in the plan.
    pub name: String,
    /// This run of it.
    pub incarnation: Incarnation,
    /// Release that it is of.
    pub version: String,
    /// Whether it takes calls.
    pub service: Service,
    /// Calls of a sip-node whose record is not closed; sessions of a media-node.
    pub calls: u32,
    /// Bindings of a sip-node that have not expired.
    pub registrations: u32,
    /// Fingerprints of the documents that run, by file name.
    pub documents: BTreeMap<String, String>,
    /// Why documents on disk are not the ones that run; empty when they are.
    pub rejected: Vec<String>,
    /// UDP ports of a media-node's range that something else holds; at most [`MAX_FOREIGN_PORTS`].
    pub foreign_ports: Vec<u16>,
    /// First and last port that the kernel gives to sockets that ask for none, where it is known.
    pub ephemeral_ports: Option<(u16, u16)>,
    /// The media-nodes that a sip-node knows.
    pub media_nodes: Vec<MediaNodeStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_name_of_its_own() {
        let names = [Role::Operator, Role::SipNode, Role::MediaNode].map(Role::server_name);
        assert!(names.iter().all(|name| name.ends_with(".voip.internal")));
        assert_eq!(std::collections::BTreeSet::from(names).len(), 3);
    }
}
