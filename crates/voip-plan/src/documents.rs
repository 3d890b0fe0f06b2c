//! The config documents that the programs of a cluster load.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use voip_contract::config::{DOCUMENT_VERSION, Listener, MediaDocument, SipDocument, UsersDocument};

use crate::digest::fingerprint;
use crate::observed::Environment;
use crate::plan::SignalingPod;
use crate::validate::ValidCluster;

/// How long a media-node keeps a session without an owner, seconds.
const ORPHAN_SECONDS: u32 = 20;

/// One of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// For sip-node.
    pub sip: SipDocument,
    /// For sip-node; holds secrets.
    pub users: UsersDocument,
    /// For media-node.
    pub media: MediaDocument,
}

/// Renders them. The fingerprint is of the content without it.
pub(crate) fn render(
    valid: &ValidCluster,
    environment: Environment,
    signaling: &[SignalingPod],
) -> Documents {
    let mut sip = SipDocument {
        version: DOCUMENT_VERSION,
        fingerprint: String::new(),
        cluster: valid.id(),
        domains: valid.domains.clone(),
        realm: valid.realm.clone(),
        digest_algorithms: valid.algorithms.clone(),
        listeners: listeners(valid, environment, signaling),
        addresses: addresses(environment, signaling),
        local_cidrs: Vec::new(),
        dialplans: valid.dialplans.clone(),
    };
    sip.fingerprint = content(&sip);
    let mut users =
        UsersDocument { version: DOCUMENT_VERSION, fingerprint: String::new(), users: valid.users.clone() };
    users.fingerprint = content(&users);
    let mut media = MediaDocument {
        version: DOCUMENT_VERSION,
        fingerprint: String::new(),
        cluster: valid.id(),
        local_cidrs: Vec::new(),
        orphan_seconds: ORPHAN_SECONDS,
    };
    media.fingerprint = content(&media);
    Documents { sip, users, media }
}

/// On a laptop the program is started with what it tells callers; in Kubernetes that follows from what happens after its
/// start.
fn listeners(valid: &ValidCluster, environment: Environment, signaling: &[SignalingPod]) -> Vec<Listener> {
    let mut listeners = valid.listeners.clone();
    if environment == Environment::Kubernetes {
        for listener in &mut listeners {
            let mut addresses = signaling.iter().flat_map(|pod| &pod.addresses);
            let told = addresses.find(|address| address.listener == listener.name);
            listener.advertised = told.map(|told| SocketAddr::new(told.address, told.port));
        }
    }
    listeners
}

/// All that callers may have been told by others, of every listener; on a laptop the program knows its address.
fn addresses(environment: Environment, signaling: &[SignalingPod]) -> Vec<IpAddr> {
    if environment == Environment::Laptop {
        return Vec::new();
    }
    let all = signaling.iter().flat_map(|pod| &pod.addresses).map(|told| told.address);
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Fingerprint of a document whose own is still empty.
pub(crate) fn content(document: &impl Serialize) -> String {
    // These documents hold strings, numbers and lists only, which always serialise.
    fingerprint(&serde_json::to_vec(document).unwrap_or_default())
}
