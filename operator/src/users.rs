//! Passwords of the users of a VoipCluster: what watches told is not asked for again, what others wrote is asked for now
//! and then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use voip_api::SipUser;
use voip_plan::SecretValue;
use voip_plan::status::Fault;

use crate::apply::objects::Key;
use crate::{owned, secrets};

/// How many Secrets are made or read at a time.
const AT_A_TIME: usize = 16;
/// How long it is before a Secret that is not there is asked for again.
const MISSING_KEPT: Duration = Duration::from_secs(10);

/// How long what nobody asks for any more is kept, in resyncs.
const FORGOTTEN: u32 = 3;

/// A Secret as it was when it was last read.
struct Read {
    /// Something may have changed since.
    old: bool,
    at: Instant,
    asked: Instant,
    /// None: it was not there.
    values: Option<Values>,
}

impl Read {
    fn is_fresh(&self, resync: Duration) -> bool {
        !self.old && self.at.elapsed() < if self.values.is_some() { resync } else { MISSING_KEPT }
    }
}

/// Values of a Secret by key.
type Values = BTreeMap<String, SecretValue>;

/// Secrets that users refer to. Bounded by what users refer to.
#[derive(Default)]
pub(crate) struct Referred {
    kept: Mutex<HashMap<(String, String), Read>>,
}

impl Referred {
    /// Everything is read again: one of them changed.
    pub(crate) fn forget_all(&self) {
        for read in self.kept().values_mut() {
            read.old = true;
        }
    }

    /// What nobody asks for any more goes.
    fn forget_unasked(&self, resync: Duration) {
        self.kept().retain(|_, read| read.asked.elapsed() < resync.saturating_mul(FORGOTTEN));
    }

    /// The values; none: it is not there. What cannot be read now is as it was before: an API server that is away for a
    /// moment takes no user away.
    async fn get(
        &self,
        client: &Client,
        (namespace, name): (&str, &str),
        resync: Duration,
    ) -> Result<Option<Values>, (secrets::Error, Option<Values>)> {
        let key = (namespace.to_owned(), name.to_owned());
        if self.is_fresh(&key, resync) {
            return Ok(self.last(&key));
        }
        match secrets::read(client, namespace, name).await {
            Ok(values) => {
                let now = Instant::now();
                self.kept().insert(key, Read { old: false, at: now, asked: now, values: values.clone() });
                Ok(values)
            }
            Err(error) => Err((error, self.last(&key))),
        }
    }

    fn is_fresh(&self, key: &(String, String), resync: Duration) -> bool {
        self.kept().get_mut(key).is_some_and(|read| {
            read.asked = Instant::now();
            read.is_fresh(resync)
        })
    }

    fn last(&self, key: &(String, String)) -> Option<Values> {
        self.kept().get(key).and_then(|read| read.values.clone())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(String, String), Read>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found and made for the users of a VoipCluster.
#[derive(Default)]
pub(crate) struct Passwords {
    /// Values of the Secrets that users refer to.
    pub(crate) secrets: BTreeMap<String, Values>,
    /// Generated passwords by name of the `SipUser`.
    pub(crate) generated: BTreeMap<String, SecretValue>,
    /// `SipUser`s of whose password nothing is known: their Secret is perhaps there, perhaps not.
    pub(crate) unknown: BTreeSet<String>,
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
    let (mut names, mut missing) = (BTreeSet::new(), Vec::new());
    for user in users {
        match (&user.spec.password_secret_ref, told(user, found)) {
            (Some(reference), _) => drop(names.insert(reference.name.clone())),
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
            Err(error) => {
                known.faults.push(refused(&secrets::user_secret_name(&user), &error));
                // One that somebody else made, or broke, is a mistake that only people mend.
                if is_passing(&error) {
                    known.unknown.insert(user);
                }
            }
        }
    }
    referred.forget_unasked(resync);
    let read = |name: String| async move {
        let values = referred.get(client, (namespace, &name), resync).await;
        (name, values)
    };
    let mut reads = stream::iter(names.into_iter().map(read)).buffer_unordered(AT_A_TIME);
    while let Some((name, values)) = reads.next().await {
        match values {
            Ok(Some(values)) => drop(known.secrets.insert(name, values)),
            Ok(None) => {}
            Err((error, last)) => {
                known.faults.push(refused(&name, &error));
                match last {
                    Some(values) => drop(known.secrets.insert(name, values)),
                    None => known.unknown.extend(referring(users, &name)),
                }
            }
        }
    }
    known
}

/// Names of the users whose password is in this Secret.
fn referring<'a>(users: &'a [SipUser], secret: &'a str) -> impl Iterator<Item = String> + 'a {
    let refers = move |user: &&SipUser| {
        user.spec.password_secret_ref.as_ref().is_some_and(|reference| reference.name == secret)
    };
    users.iter().filter(refers).map(kube::ResourceExt::name_any)
}

fn is_passing(error: &secrets::Error) -> bool {
    use owned::Error::{Api, Contended, Former};
    matches!(error, secrets::Error::Secret(Api { .. } | Contended(_) | Former(_)))
}

/// A generated password that a watch told.
fn told(user: &SipUser, found: &BTreeMap<Key, Arc<DynamicObject>>) -> Option<SecretValue> {
    let name = secrets::user_secret_name(&user.name_any());
    let object = found.get(&Key { kind: "Secret".to_owned(), name })?;
    let uid = user.uid()?;
    if !owned::is_of(object.as_ref(), &uid) {
        return None;
    }
    let secret: Secret = serde_json::from_value(serde_json::to_value(object.as_ref()).ok()?).ok()?;
    secrets::password(&owned::data(&secret))
}

fn refused(name: &str, error: &secrets::Error) -> Fault {
    error.fault(format!("Secret {name}"))
}

#[cfg(test)]
mod tests;
