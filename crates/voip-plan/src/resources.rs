//! What the user wrote, as read by the caller.

use std::collections::BTreeMap;
use std::fmt;

use voip_api::{Dialplan, SipUser, VoipCluster};

/// One VoipCluster and everything that refers to it.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The cluster.
    pub cluster: VoipCluster,
    /// Its users.
    pub users: Vec<SipUser>,
    /// Its dialplans.
    pub dialplans: Vec<Dialplan>,
    /// Secrets of the cluster's namespace that were found: decoded values by name and key.
    pub secrets: BTreeMap<String, BTreeMap<String, SecretValue>>,
    /// Generated passwords of the users in [`Resources::without_secret`], by the name of the `SipUser`. The caller makes and
    /// keeps them, because it has randomness and a place.
    pub passwords: BTreeMap<String, SecretValue>,
}

impl Resources {
    /// Resources with nothing but a cluster.
    pub fn new(cluster: VoipCluster) -> Self {
        Self {
            cluster,
            users: Vec::new(),
            dialplans: Vec::new(),
            secrets: BTreeMap::new(),
            passwords: BTreeMap::new(),
        }
    }

    /// Names of the `SipUser`s that need a generated password.
    pub fn without_secret(&self) -> impl Iterator<Item = &str> {
        let users = self.users.iter().filter(|user| user.spec.password_secret_ref.is_none());
        users.filter_map(|user| user.metadata.name.as_deref())
    }
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Takes the decoded bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(redacted)")
    }
}
