//! Secrets that the operator makes once and that end with their owner.
//!
//! Whoever makes one first wins; everybody else reads what the winner wrote. This file must not know what is in them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};

use voip_plan::status::{Fault, FaultReason};

use crate::CLUSTER_LABEL;
use crate::fault::fault;

/// What is in a Secret, by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Races that are lost before giving up: each loss means that somebody else made progress.
const ATTEMPTS: usize = 4;

/// Why a Secret is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The owner has no name, namespace or UID: it did not come from an API server.
    #[error("the owner of {0} is not an object of an API server")]
    NoOwner(String),
    /// A Secret of that name is somebody else's; it is not touched.
    #[error("Secret {0} exists and belongs to somebody else: delete or rename it")]
    Foreign(String),
    /// A Secret of that name belongs to a former owner and is deleted with it.
    #[error("Secret {0} goes with the one that was here before; it is made anew then")]
    Former(String),
    /// Others wrote it again and again.
    #[error("Secret {0} is being written by somebody else")]
    Contended(String),
    /// What was made does not pass the check that it was made for.
    #[error("Secret {0} was made and does not fit")]
    Unfit(String),
    /// The API server's answer.
    #[error("Secret {name}: {source}")]
    Api {
        /// Name of the Secret.
        name: String,
        /// The answer.
        source: kube::Error,
    },
}

impl Error {
    /// Name of the Secret.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::NoOwner(name) | Self::Foreign(name) | Self::Former(name) => name,
            Self::Contended(name) | Self::Unfit(name) | Self::Api { name, .. } => name,
        }
    }

    /// As it is reported; `object` is kind and name.
    pub(crate) fn fault(&self, object: String) -> Fault {
        let reason = match self {
            Self::Api { source, .. } => return fault(object, "apply", source),
            Self::Foreign(_) => FaultReason::ForeignObject,
            // They pass.
            Self::Former(_) | Self::Contended(_) => FaultReason::Conflict,
            Self::NoOwner(_) | Self::Unfit(_) => FaultReason::SecretUnusable,
        };
        Fault { object, action: "apply".to_owned(), reason, message: self.to_string() }
    }
}

/// A Secret that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled<T> {
    /// What was made of it.
    pub value: T,
    /// It was there, did not fit, and was written anew just now.
    pub replaced: bool,
}

/// The Secrets of one owner.
pub struct OwnedSecrets {
    api: Api<Secret>,
    owner: OwnerReference,
    cluster: String,
}

impl OwnedSecrets {
    /// Those of `owner`, which is of the VoipCluster `cluster`.
    pub fn of<K: Resource<DynamicType = ()>>(
        client: &Client,
        owner: &K,
        cluster: &str,
    ) -> Result<Self, Error> {
        let missing = || Error::NoOwner(owner.name_any());
        let namespace = owner.namespace().ok_or_else(missing)?;
        Ok(Self {
            api: Api::namespaced(client.clone(), &namespace),
            owner: owner.controller_owner_ref(&()).ok_or_else(missing)?,
            cluster: cluster.to_owned(),
        })
    }

    /// What `judge` makes of the Secret. One that is not there, or that `judge` refuses, is made anew.
    pub async fn settle<T, E: From<Error>>(
        &self,
        name: &str,
        judge: impl Fn(&Data) -> Option<T>,
        make: impl Fn() -> Result<Data, E>,
    ) -> Result<Settled<T>, E> {
        for _ in 0..ATTEMPTS {
            let found = self.find(name).await?;
            if let Some(value) = found.as_ref().and_then(|secret| judge(&data(secret))) {
                return Ok(Settled { value, replaced: false });
            }
            let made = make()?;
            let value = judge(&made).ok_or_else(|| Error::Unfit(name.to_owned()))?;
            if self.write(name, made, found.as_ref()).await? {
                let replaced = found.is_some();
                tracing::info!(secret = name, replaced, "secret made");
                return Ok(Settled { value, replaced });
            }
        }
        Err(Error::Contended(name.to_owned()).into())
    }

    async fn find(&self, name: &str) -> Result<Option<Secret>, Error> {
        let found = self.api.get_opt(name).await.map_err(|source| api_error(name, source))?;
        match found {
            Some(secret) if self.owns(&secret) => Ok(Some(secret)),
            Some(secret) if goes_by_itself(&secret.metadata, &self.owner) => {
                Err(Error::Former(name.to_owned()))
            }
            Some(_) => Err(Error::Foreign(name.to_owned())),
            None => Ok(None),
        }
    }

    fn owns(&self, secret: &Secret) -> bool {
        is_of(secret, &self.owner.uid)
    }

    /// False: somebody else was faster.
    async fn write(&self, name: &str, data: Data, before: Option<&Secret>) -> Result<bool, Error> {
        let secret = self.secret(name, data, before.and_then(ResourceExt::resource_version));
        let how = PostParams::default();
        let written = match before {
            None => self.api.create(&how, &secret).await,
            Some(_) => self.api.replace(name, &how, &secret).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if raced(status.code, before.is_some()) => Ok(false),
            Err(source) => Err(api_error(name, source)),
        }
    }

    fn secret(&self, name: &str, data: Data, resource_version: Option<String>) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([(CLUSTER_LABEL.to_owned(), self.cluster.clone())])),
                owner_references: Some(vec![self.owner.clone()]),
                resource_version,
                ..ObjectMeta::default()
            },
            data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
            ..Secret::default()
        }
    }
}

/// What is in a Secret.
pub(crate) fn data(secret: &Secret) -> Data {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

/// Whether the object belongs to the one with this UID. A label is not enough: anybody writes labels.
pub(crate) fn is_of(object: &impl Resource, uid: &str) -> bool {
    object.meta().owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

/// Whether an object that `owner` does not have will be gone in a moment: it is being deleted, or its owner, of the same
/// kind and name, was.
pub(crate) fn goes_by_itself(found: &ObjectMeta, owner: &OwnerReference) -> bool {
    let is_former =
        |of: &OwnerReference| of.kind == owner.kind && of.name == owner.name && of.uid != owner.uid;
    found.deletion_timestamp.is_some() || found.owner_references.iter().flatten().any(is_former)
}

/// Somebody made it, changed it, or (404, when it was to be replaced) deleted it since it was read.
fn raced(code: u16, replacing: bool) -> bool {
    code == 409 || (code == 404 && replacing)
}

fn api_error(name: &str, source: kube::Error) -> Error {
    Error::Api { name: name.to_owned(), source }
}
