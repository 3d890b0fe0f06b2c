//! Objects are written by server-side apply, in the order in which they come; those of one kind that come after each other
//! at once.
//!
//! An object that is as wanted is not written; one that somebody else made is not touched; one that was refused does not
//! keep the others from being written. This file must not know what the objects are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, TypeMeta};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use voip_plan::status::{Fault, FaultReason};

use crate::fault::{fault, is_invalid};
use crate::owned::{goes_by_itself, is_of};
use crate::{FIELD_MANAGER, RENDERED, at_once};

/// Kind and name; all objects of an owner are in its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// That of `object`.
    pub fn of(object: &DynamicObject) -> Self {
        let kind = object.types.as_ref().map(|types| types.kind.clone()).unwrap_or_default();
        Self { kind, name: object.name_any() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The objects of one owner, a VoipCluster.
#[derive(Clone)]
pub struct Owned {
    client: Client,
    namespace: String,
    uid: String,
}

impl Owned {
    /// Those in `namespace` whose owner has this UID.
    pub fn new(client: Client, namespace: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { client, namespace: namespace.into(), uid: uid.into() }
    }

    /// Whether the object is the owner's.
    pub fn owns(&self, object: &DynamicObject) -> bool {
        is_of(object, &self.uid)
    }

    /// The API of a kind.
    pub(crate) fn api(&self, types: &TypeMeta) -> Result<Api<DynamicObject>, Fault> {
        let kind = GroupVersionKind::try_from(types).map_err(|error| Fault {
            object: types.kind.clone(),
            action: "apply".to_owned(),
            reason: FaultReason::CrdInvalid,
            message: error.to_string(),
        })?;
        let resource = ApiResource::from_gvk(&kind);
        Ok(Api::namespaced_with(self.client.clone(), &self.namespace, &resource))
    }

    /// Writes those of `wanted` that are not in `found`, what was last seen of them, as they should be. Returns how many were written, and what
    /// could not be.
    pub async fn apply(
        &self,
        wanted: &[DynamicObject],
        found: &BTreeMap<Key, Arc<DynamicObject>>,
    ) -> (usize, Vec<Fault>) {
        let (mut writes, mut faults) = (0, Vec::new());
        for of_kind in wanted.chunk_by(|one, next| one.types == next.types) {
            let mut work = of_kind.iter().map(|object| {
                let found = found.get(&Key::of(object)).map(Arc::as_ref);
                self.apply_one(object, found)
            });
            while let Some(applied) = at_once::some(&mut work).await {
                for applied in applied {
                    match applied {
                        Ok(written) => writes += usize::from(written),
                        Err(fault) => faults.push(fault),
                    }
                }
            }
        }
        for Fault { object, reason, message, .. } in &faults {
            tracing::warn!(object, reason = reason.name(), message, "not applied");
        }
        (writes, faults)
    }

    async fn apply_one(&self, wanted: &DynamicObject, found: Option<&DynamicObject>) -> Result<bool, Fault> {
        if found.is_some_and(|found| self.owns(found) && is_as_wanted(wanted, found)) {
            return Ok(false);
        }
        let (key, api) = (Key::of(wanted), self.api(&wanted.types.clone().unwrap_or_default())?);
        let live = api.get_opt(&key.name).await.map_err(|error| fault(key.to_string(), "read", &error))?;
        if let Some(live) = live.as_ref().filter(|live| !self.owns(live)) {
            return Err(not_ours(&key, wanted, live));
        }
        if live.as_ref().is_some_and(|live| is_as_wanted(wanted, live)) {
            return Ok(false);
        }
        // Forced only over what is ours: a change by hand is undone, a stranger's object of the same name is a conflict.
        let how = PatchParams { force: live.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
        let applied = match api.patch(&key.name, &how, &Patch::Apply(wanted)).await {
            // Ours and what somebody else added may not go together, as two ports of one name: then ours replaces it.
            Err(error) if live.is_some() && is_invalid(&error) => {
                let how =
                    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                api.patch(&key.name, &how, &Patch::Merge(wanted)).await
            }
            applied => applied,
        };
        applied.map_err(|error| fault(key.to_string(), "apply", &error))?;
        tracing::info!(object = %key, made = live.is_none(), "applied");
        Ok(true)
    }
}

/// Why what has the name of `wanted` is not touched.
fn not_ours(key: &Key, wanted: &DynamicObject, live: &DynamicObject) -> Fault {
    let passes = wanted.owner_references().iter().any(|owner| goes_by_itself(&live.metadata, owner));
    let (reason, message) = if passes {
        (FaultReason::Conflict, "it goes with the VoipCluster that was here before; it is made anew then")
    } else {
        let mend = "it exists and belongs to somebody else: delete it, or give the VoipCluster another name";
        (FaultReason::ForeignObject, mend)
    };
    Fault { object: key.to_string(), action: "apply".to_owned(), reason, message: message.to_owned() }
}

/// The fingerprint tells a field that is rendered no more, the fields tell a change by hand.
fn is_as_wanted(wanted: &DynamicObject, found: &DynamicObject) -> bool {
    let fingerprint = |object: &DynamicObject| object.annotations().get(RENDERED).cloned();
    if fingerprint(wanted) != fingerprint(found) {
        return false;
    }
    // Objects of a list do not say their kind.
    let plain =
        |object: &DynamicObject| serde_json::to_value(DynamicObject { types: None, ..object.clone() });
    match (plain(wanted), plain(found)) {
        (Ok(wanted), Ok(found)) => holds(&found, &wanted),
        _ => false,
    }
}

/// Whether `found` has every field of `wanted`, whatever else the server and others put there.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            found.get(key).map_or_else(|| is_nothing(wanted), |found| holds(found, wanted))
        }),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        _ => found == wanted,
    }
}

/// The server leaves out what is empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(yes) => !yes,
        Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
