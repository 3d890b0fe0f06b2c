//! The CA of a VoipCluster and the leaves of its programs, in Secrets.
//!
//! The CA's Secret is never mounted. Its first writer wins, and a leaf that is not of the CA that is stored is made
//! anew: two operators never end with leaves of different CAs.

use kube::{Client, ResourceExt};
use time::OffsetDateTime;
use voip_api::VoipCluster;
use voip_contract::node_admin::Role;
use voip_plan::Component;
use voip_plan::objects::names;

use crate::owned::{self, Data, OwnedSecrets, Settled};

mod issue;
#[cfg(test)]
mod tests;

pub use issue::{Authority, IssueError, Leaf};
use issue::{LEAF_LIFETIME, LEAF_RENEWAL, OPERATOR_LIFETIME};

/// Key of the leaf's certificate, as programs read it.
const CERTIFICATE: &str = "tls.crt";
/// Key of the private key.
const KEY: &str = "tls.key";
/// Key of the trust bundle.
const TRUST: &str = "ca.crt";

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Secret could not be read or written.
    #[error(transparent)]
    Secret(#[from] owned::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// What the operator holds of a VoipCluster's certificates.
#[derive(Debug)]
pub struct Certificates {
    /// The operator's own leaf: new with every call, never stored, good for a day.
    pub operator: Leaf,
    /// When to ensure them again at the latest.
    pub renew_at: OffsetDateTime,
    /// When the first of the programs' certificates ends.
    pub ends: OffsetDateTime,
    /// Names of the Secrets in which programs have a new certificate in place of another one.
    pub rotated: Vec<String>,
}

/// Makes, heals and renews them as of `now`.
pub async fn ensure(
    client: &Client,
    cluster: &VoipCluster,
    now: OffsetDateTime,
) -> Result<Certificates, Error> {
    let name = cluster.name_any();
    let secrets = OwnedSecrets::of(client, cluster, &name)?;
    let authority = authority(&secrets, &name, now).await?;
    let operator = authority.leaf(Role::Operator, now, OPERATOR_LIFETIME)?;
    let mut made = Certificates {
        operator,
        renew_at: now + OPERATOR_LIFETIME / 2,
        ends: now + LEAF_LIFETIME,
        rotated: Vec::new(),
    };
    for (component, role) in [(Component::Signaling, Role::SipNode), (Component::Media, Role::MediaNode)] {
        let secret = names::certificate(&name, component);
        let settled = leaf(&secrets, &secret, &authority, role, now).await?;
        made.renew_at = made.renew_at.min(settled.value);
        made.ends = made.ends.min(settled.value + (LEAF_LIFETIME - LEAF_RENEWAL));
        made.rotated.extend(settled.replaced.then_some(secret));
    }
    Ok(made)
}

async fn authority(secrets: &OwnedSecrets, cluster: &str, now: OffsetDateTime) -> Result<Authority, Error> {
    let read = |data: &Data| Authority::read(text(data, CERTIFICATE)?, text(data, KEY)?, now);
    let make = || -> Result<Data, Error> {
        let made = Authority::new(cluster, now)?;
        Ok(pack([(CERTIFICATE, made.certificate()), (KEY, &made.key())]))
    };
    Ok(secrets.settle(&format!("{cluster}-ca"), read, make).await?.value)
}

/// When the leaf is to be renewed.
async fn leaf(
    secrets: &OwnedSecrets,
    name: &str,
    authority: &Authority,
    role: Role,
    now: OffsetDateTime,
) -> Result<Settled<OffsetDateTime>, Error> {
    let due = |data: &Data| {
        let leaf = unpack(data)?;
        let renew_at = authority.vouches_until(&leaf, role)? - (LEAF_LIFETIME - LEAF_RENEWAL);
        (now < renew_at).then_some(renew_at)
    };
    let make = || -> Result<Data, Error> {
        let leaf = authority.leaf(role, now, LEAF_LIFETIME)?;
        Ok(pack([(CERTIFICATE, &leaf.certificate), (KEY, &leaf.key), (TRUST, &leaf.trust)]))
    };
    secrets.settle(name, due, make).await
}

fn pack<const N: usize>(parts: [(&str, &str); N]) -> Data {
    parts.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect()
}

fn unpack(data: &Data) -> Option<Leaf> {
    let part = |key| text(data, key).map(str::to_owned);
    Some(Leaf { certificate: part(CERTIFICATE)?, key: part(KEY)?, trust: part(TRUST)? })
}

fn text<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    std::str::from_utf8(data.get(key)?).ok()
}
