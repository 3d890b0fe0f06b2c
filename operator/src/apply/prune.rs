//! What was rendered once and is no more is deleted.
//!
//! Only objects with our annotation that this very owner has: Secrets that are made once and kept do not have it, and
//! `DaemonSet`s are left to orders, because their pods may have calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::{DeleteParams, DynamicObject, Preconditions, TypeMeta};
use voip_plan::status::Fault;

use crate::RENDERED;
use crate::apply::objects::{Key, Owned};
use crate::fault::{fault, is_absent, is_conflict};
use crate::world::OWNED;

/// Kinds whose pods may have calls.
const DRAINED_FIRST: &[&str] = &["DaemonSet"];

impl Owned {
    /// Deletes those of `found` that are not `wanted`. Returns how many, and what could not be deleted.
    pub async fn prune(
        &self,
        wanted: &BTreeSet<Key>,
        found: &BTreeMap<Key, Arc<DynamicObject>>,
    ) -> (usize, Vec<Fault>) {
        let (mut deleted, mut faults) = (0, Vec::new());
        let stale =
            found.iter().filter(|(key, object)| !wanted.contains(key) && self.is_rendered(key, object));
        for (key, object) in stale {
            match self.delete(key, object).await {
                Ok(()) => deleted += 1,
                Err(fault) => faults.push(fault),
            }
        }
        (deleted, faults)
    }

    fn is_rendered(&self, key: &Key, object: &DynamicObject) -> bool {
        self.owns(object)
            && object.annotations().contains_key(RENDERED)
            && object.metadata.deletion_timestamp.is_none()
            && !DRAINED_FIRST.contains(&key.kind.as_str())
    }

    async fn delete(&self, key: &Key, object: &DynamicObject) -> Result<(), Fault> {
        let api = self.api(&types(&key.kind))?;
        let preconditions = Preconditions { uid: object.uid(), resource_version: None };
        let how = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match api.delete(&key.name, &how).await {
            Ok(_) => {
                tracing::info!(object = %key, "pruned");
                Ok(())
            }
            // Gone, or made anew by somebody else: either way not ours to delete.
            Err(error) if is_absent(&error) || is_conflict(&error) => Ok(()),
            Err(error) => Err(fault(key.to_string(), "delete", &error)),
        }
    }
}

/// Objects of a list do not say their kind.
fn types(kind: &str) -> TypeMeta {
    let version = OWNED.iter().find(|(_, own)| *own == kind).map_or("v1", |(version, _)| version);
    TypeMeta { api_version: version.to_owned(), kind: kind.to_owned() }
}

#[cfg(test)]
mod tests;
