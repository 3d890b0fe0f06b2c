//! Passwords, HA1 values and tokens: those that users wrote are read, those that nobody wrote are made once.
//!
//! No value of a Secret is ever logged or part of an error.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use voip_api::{SipUser, VoipCluster};
use voip_plan::SecretValue;
use voip_plan::status::{Fault, FaultReason};

use crate::owned::{self, Data, OwnedSecrets};

#[cfg(test)]
mod tests;

/// Key of a user's name.
const USERNAME: &str = "username";
/// Key of a user's password.
const PASSWORD: &str = "password";
/// Key of the API token.
const TOKEN: &str = "token";
/// 32 letters and digits that are not mistaken for each other: five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Five bits each: 120 bits.
const PASSWORD_LENGTH: usize = 24;
/// 240 bits.
const TOKEN_LENGTH: usize = 48;

/// Why a Secret's value is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Secret could not be read or written.
    #[error(transparent)]
    Secret(#[from] owned::Error),
    /// A generated Secret lost a key; it is never rewritten, because phones hold what was in it.
    #[error("Secret {secret} has no {key}: delete it for a new one, or put the key back")]
    NoKey {
        /// Name of the Secret.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// The kernel gave no randomness.
    #[error("randomness: {0}")]
    Random(#[from] getrandom::Error),
}

impl Error {
    /// As it is reported; `object` is kind and name. Only people mend a Secret that lost a key.
    pub(crate) fn fault(&self, object: String) -> Fault {
        match self {
            Self::Secret(error) => error.fault(object),
            Self::NoKey { .. } | Self::Random(_) => Fault {
                object,
                action: "apply".to_owned(),
                reason: FaultReason::SecretUnusable,
                message: self.to_string(),
            },
        }
    }
}

/// Name of the Secret with the generated password of a user.
pub fn user_secret_name(user: &str) -> String {
    format!("{user}-sip")
}

/// The values of a Secret; none when it is not there.
pub async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, SecretValue>>, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await;
    let found = found.map_err(|source| owned::Error::Api { name: name.to_owned(), source })?;
    let values = |secret| owned::data(&secret).into_iter().map(|(key, value)| (key, SecretValue::new(value)));
    Ok(found.map(|secret| values(secret).collect()))
}

/// The password in `NAME-sip`, which goes with its `SipUser`. It is made once and never rewritten.
pub async fn generated_password(client: &Client, user: &SipUser) -> Result<SecretValue, Error> {
    let secret = user_secret_name(&user.name_any());
    let username = user.spec.username.clone().unwrap_or_else(|| user.name_any());
    let keep = |data: &Data| Some(data.get(PASSWORD).cloned());
    let make = || -> Result<Data, Error> {
        let password = random(PASSWORD_LENGTH)?;
        let username = username.clone().into_bytes();
        Ok(Data::from([(USERNAME.to_owned(), username), (PASSWORD.to_owned(), password)]))
    };
    let secrets = OwnedSecrets::of(client, user, &user.spec.cluster_ref.name)?;
    let password = secrets.settle(&secret, keep, make).await?.value.filter(|password| !password.is_empty());
    password.map(SecretValue::new).ok_or(Error::NoKey { secret, key: PASSWORD })
}

/// The password in a generated Secret; none when it has lost it.
pub(crate) fn password(data: &Data) -> Option<SecretValue> {
    data.get(PASSWORD).filter(|password| !password.is_empty()).cloned().map(SecretValue::new)
}

/// Sees to the token of the sip-nodes' API in `CLUSTER-api`; an empty one is made anew.
pub async fn api_token(client: &Client, cluster: &VoipCluster) -> Result<(), Error> {
    let name = cluster.name_any();
    let long = |data: &Data| data.get(TOKEN).is_some_and(|token| !token.is_empty()).then_some(());
    let make = || -> Result<Data, Error> { Ok(Data::from([(TOKEN.to_owned(), random(TOKEN_LENGTH)?)])) };
    OwnedSecrets::of(client, cluster, &name)?
        .settle(&format!("{name}-api"), long, make)
        .await
        .map(|settled| settled.value)
}

fn random(length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied()).collect())
}
