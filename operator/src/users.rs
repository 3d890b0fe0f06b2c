//! Passwords of the users of a VoipCluster: what watches told is not asked for again, what others wrote is asked for now
//! and then.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use voip_api::SipUser;
use voip_plan::SecretValue;
use voip_plan::status::{Fault, FaultReason};

use crate::apply::objects::Key;
use crate::fault::fault;
use crate::{owned, secrets};

/// How many Secrets are made or read at a time.
const AT_A_TIME: usize = 16;
/// How long it is before a Secret that is not there is asked for again.
const MISSING_KEPT: Duration = Duration::from_secs(10);

/// When a Secret was read, and what was in it; none: it was not there.
type Read = (Instant, Option<Values>);

/// Values of a Secret by key.
type Values = BTreeMap<String, SecretValue>;

/// Secrets that users refer to, as they were last read. Bounded by what users refer to.
#[derive(Default)]
pub(crate) struct Referred {
    kept: Mutex<HashMap<(String, String), Read>>,
}

impl Referred {
    /// Everything is read again: one of them changed.
    pub(crate) fn forget_all(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn get(
        &self,
        client: &Client,
        (namespace, name): (&str, &str),
        resync: Duration,
    ) -> Result<Option<Values>, secrets::Error> {
        let key = (namespace.to_owned(), name.to_owned());
        let fresh = |(at, values): &Read| at.elapsed() < if values.is_some() { resync } else { MISSING_KEPT };
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|_, value| fresh(value));
            if let Some((_, values)) = kept.get(&key) {
                return Ok(values.clone());
            }
        }
        let values = secrets::read(client, namespace, name).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (Instant::now(), values.clone()));
        Ok(values)
    }
}

/// What was found and made for the users of a VoipCluster.
#[derive(Default)]
pub(crate) struct Passwords {
    /// Values of the Secrets that users refer to.
    pub(crate) secrets: BTreeMap<String, Values>,
    /// Generated passwords by name of the `SipUser`.
    pub(crate) generated: BTreeMap<String, SecretValue>,
    /// What could not be read or made.
    pub(crate) faults: Vec<Fault>,
}

/// Finds and makes them.
pub(crate) async fn passwords(
    client: &Client,
    referred: &Referred,
    (namespace, users): (&str, &[SipUser]),
    found: &BTreeMap<Key, Arc<DynamicObject>>,
    resync: Duration,
) -> Passwords {
    let mut known = Passwords::default();
    let mut missing = Vec::new();
    for user in users {
        match (&user.spec.password_secret_ref, told(user, found)) {
            (Some(reference), _) => drop(known.secrets.insert(reference.name.clone(), Values::new())),
            (None, Some(password)) => drop(known.generated.insert(user.name_any(), password)),
            (None, None) => missing.push(user),
        }
    }
    let make = |user: &'_ SipUser| {
        let user = user.clone();
        async move { (user.name_any(), secrets::generated_password(client, &user).await) }
    };
    let mut made = stream::iter(missing.into_iter().map(make)).buffer_unordered(AT_A_TIME);
    while let Some((user, password)) = made.next().await {
        match password {
            Ok(password) => drop(known.generated.insert(user, password)),
            Err(error) => known.faults.push(refused(&secrets::user_secret_name(&user), &error)),
        }
    }
    let names: Vec<String> = std::mem::take(&mut known.secrets).into_keys().collect();
    for name in names {
        match referred.get(client, (namespace, &name), resync).await {
            Ok(Some(values)) => drop(known.secrets.insert(name, values)),
            Ok(None) => {}
            Err(error) => known.faults.push(refused(&name, &error)),
        }
    }
    known
}

/// A generated password that a watch told.
fn told(user: &SipUser, found: &BTreeMap<Key, Arc<DynamicObject>>) -> Option<SecretValue> {
    let name = secrets::user_secret_name(&user.name_any());
    let object = found.get(&Key { kind: "Secret".to_owned(), name })?;
    let uid = user.uid()?;
    if !object.owner_references().iter().any(|owner| owner.uid == uid) {
        return None;
    }
    let secret: Secret = serde_json::from_value(serde_json::to_value(object.as_ref()).ok()?).ok()?;
    secrets::password(&owned::data(&secret))
}

fn refused(name: &str, error: &secrets::Error) -> Fault {
    let object = format!("Secret {name}");
    match error {
        secrets::Error::Secret(owned::Error::Api { source, .. }) => fault(object, "apply", source),
        secrets::Error::Secret(owned::Error::Foreign(_)) => Fault {
            object,
            action: "apply".to_owned(),
            reason: FaultReason::ForeignObject,
            message: error.to_string(),
        },
        other => Fault {
            object,
            action: "apply".to_owned(),
            reason: FaultReason::Conflict,
            message: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
