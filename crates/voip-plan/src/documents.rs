//! The config documents that the programs of a cluster load.

use serde::Serialize;
use voip_contract::config::{DOCUMENT_VERSION, MediaDocument, SipDocument, UsersDocument};

use crate::digest::fingerprint;
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
pub(crate) fn render(valid: &ValidCluster) -> Documents {
    let mut sip = SipDocument {
        version: DOCUMENT_VERSION,
        fingerprint: String::new(),
        cluster: valid.id(),
        domains: valid.domains.clone(),
        realm: valid.realm.clone(),
        digest_algorithms: valid.algorithms.clone(),
        listeners: valid.listeners.clone(),
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

/// Fingerprint of a document whose own is still empty.
pub(crate) fn content(document: &impl Serialize) -> String {
    // These documents hold strings, numbers and lists only, which always serialise.
    fingerprint(&serde_json::to_vec(document).unwrap_or_default())
}
