//! The CA of a VoipCluster and the leaves of its programs, in Secrets.
//!
//! The CA's Secret is never mounted. Its first writer wins, and a leaf that is not of the CA that is stored is made
//! anew: two operators never end with leaves of different CAs.

use kube::{Client, ResourceExt};
use time::OffsetDateTime;
use voip_api::VoipCluster;
use voip_contract::node_admin::Role;

use crate::owned::{self, Data, OwnedSecrets};

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
    let sip = leaf(&secrets, &format!("{name}-sip-mtls"), &authority, Role::SipNode, now).await?;
    let media = leaf(&secrets, &format!("{name}-media-mtls"), &authority, Role::MediaNode, now).await?;
    let operator = authority.leaf(Role::Operator, now, OPERATOR_LIFETIME)?;
    let renew_at = sip.min(media).min(now + OPERATOR_LIFETIME / 2);
    Ok(Certificates { operator, renew_at })
}

async fn authority(secrets: &OwnedSecrets, cluster: &str, now: OffsetDateTime) -> Result<Authority, Error> {
    let read = |data: &Data| Authority::read(text(data, CERTIFICATE)?, text(data, KEY)?, now);
    let make = || -> Result<Data, Error> {
        let made = Authority::new(cluster, now)?;
        Ok(pack([(CERTIFICATE, made.certificate()), (KEY, &made.key())]))
    };
    secrets.settle(&format!("{cluster}-ca"), read, make).await
}

/// When the leaf is to be renewed.
async fn leaf(
    secrets: &OwnedSecrets,
    name: &str,
    authority: &Authority,
    role: Role,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, Error> {
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
