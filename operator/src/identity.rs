//! Certificates and API token of a VoipCluster: ensured when it is new, when one of their Secrets changed, and when a
//! certificate is to be renewed. Between that the operator's own certificate is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use time::OffsetDateTime;
use voip_api::VoipCluster;
use voip_grpc::tls::{Identity, TlsError};
use voip_plan::Component;
use voip_plan::objects::names;
use voip_plan::status::{EventToWrite, Fault, FaultReason};

use crate::apply::objects::Key;
use crate::context::Context;
use crate::report::publish;
use crate::{ClusterKey, certificates, secrets};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// They could not be made.
    #[error(transparent)]
    Certificates(#[from] certificates::Error),
    /// The token could not be made.
    #[error(transparent)]
    Token(#[from] secrets::Error),
    /// What was made cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Error {
    /// As it is reported.
    pub(crate) fn fault(&self) -> Fault {
        let object = "Secrets with certificates and token".to_owned();
        match self {
            Self::Certificates(certificates::Error::Secret(error))
            | Self::Token(secrets::Error::Secret(error)) => error.fault(format!("Secret {}", error.name())),
            Self::Token(error) => error.fault(object),
            Self::Certificates(_) | Self::Tls(_) => Fault {
                object,
                action: "apply".to_owned(),
                reason: FaultReason::SecretUnusable,
                message: self.to_string(),
            },
        }
    }
}

/// The operator's certificate, and the Secrets as they were when it was made.
#[derive(Clone)]
pub(crate) struct Held {
    identity: Identity,
    renew_at: OffsetDateTime,
    ends: OffsetDateTime,
    versions: BTreeMap<String, Option<String>>,
}

impl Held {
    /// What programs of this VoipCluster trust.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When the first certificate of the programs ends.
    pub(crate) fn ends(&self) -> OffsetDateTime {
        self.ends
    }

    /// When to ensure again.
    pub(crate) fn renew_at(&self) -> OffsetDateTime {
        self.renew_at
    }
}

/// What is held, ensured where needed.
pub(crate) async fn ensure(
    context: &Context,
    cluster: &VoipCluster,
    found: &BTreeMap<Key, Arc<DynamicObject>>,
    now: OffsetDateTime,
) -> Result<Held, Error> {
    let key = ClusterKey::of(cluster);
    let versions = versions(&key.name, found);
    let held = context.memory(&key, |memory| memory.identity.clone());
    if let Some(held) = held.filter(|held| held.versions == versions && now < held.renew_at) {
        return Ok(held);
    }
    let made = certificates::ensure(&context.client, cluster, now).await?;
    for secret in &made.rotated {
        if let Some(fault) = publish(context, cluster, EventToWrite::certificate_rotated(secret)).await {
            tracing::warn!(secret, ?fault, "a new certificate could not be told of");
        }
    }
    secrets::api_token(&context.client, cluster).await?;
    let leaf = made.operator;
    let identity =
        Identity::from_pem(leaf.certificate.as_bytes(), leaf.key.as_bytes(), leaf.trust.as_bytes())?;
    let held = Held { identity, renew_at: made.renew_at, ends: made.ends, versions };
    context.memory(&key, |memory| memory.identity = Some(held.clone()));
    Ok(held)
}

/// A Secret that was edited or deleted has another version than before.
fn versions(cluster: &str, found: &BTreeMap<Key, Arc<DynamicObject>>) -> BTreeMap<String, Option<String>> {
    let names = [
        format!("{cluster}-ca"),
        names::certificate(cluster, Component::Signaling),
        names::certificate(cluster, Component::Media),
        names::api(cluster),
    ];
    let version = |name: String| {
        let secret = found.get(&Key { kind: "Secret".to_owned(), name: name.clone() });
        (name, secret.and_then(|secret| secret.resource_version()))
    };
    names.into_iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned;

    #[test]
    fn what_lasts_is_told_from_what_passes() {
        let reason = |error: owned::Error| {
            let fault = Error::from(certificates::Error::from(error)).fault();
            (fault.object, fault.reason)
        };
        let object = "Secret office-ca".to_owned();
        let unfit = reason(owned::Error::Unfit("office-ca".to_owned()));
        assert_eq!(unfit, (object.clone(), FaultReason::SecretUnusable));
        let former = reason(owned::Error::Former("office-ca".to_owned()));
        assert_eq!(former, (object.clone(), FaultReason::Conflict));
        let foreign = reason(owned::Error::Foreign("office-ca".to_owned()));
        assert_eq!(foreign, (object, FaultReason::ForeignObject));
        let lost = secrets::Error::NoKey { secret: "office-api".to_owned(), key: "token" };
        assert_eq!(Error::from(lost).fault().reason, FaultReason::SecretUnusable);
    }
}
