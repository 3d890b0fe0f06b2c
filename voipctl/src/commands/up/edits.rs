//! Edits of FILE while `up` runs: noticing them, and what they mean for what runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use voip_contract::config::UserDocument;

use crate::planned::Planned;

/// The file is small and local; looking works on every file system and for every way an editor saves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Watches one file.
#[derive(Debug)]
pub(super) struct Edits {
    file: PathBuf,
    /// Content that was taken over or refused.
    known: Option<Vec<u8>>,
}

impl Edits {
    /// Watches `file` from its present content on. Standard input is never edited.
    pub(super) fn new(file: &Path) -> Self {
        let known = if file == Path::new("-") { None } else { std::fs::read(file).ok() };
        Self { file: file.to_owned(), known }
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Waits for another content that has stayed the same from one look to the next: nobody is writing any more.
    pub(super) async fn changed(&mut self) {
        if self.file == Path::new("-") {
            return super::never().await;
        }
        let mut candidate = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A file that is not there is one that is being replaced.
            let Ok(now) = std::fs::read(&self.file) else { continue };
            if self.known.as_deref() == Some(&now) {
                candidate = None;
            } else if candidate.as_ref() == Some(&now) {
                self.known = Some(now);
                return;
            } else {
                candidate = Some(now);
            }
        }
    }
}

/// What an edit asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing that matters.
    Same,
    /// Fields that only a restart applies.
    Restart(Vec<&'static str>),
    /// What changes while calls go on, in words.
    Hot(Vec<String>),
}

/// What it takes to get from `running` to `wanted`.
pub(super) fn compare(running: &Planned, wanted: &Planned) -> Outcome {
    let cold = cold(running, wanted);
    if !cold.is_empty() {
        return Outcome::Restart(cold);
    }
    let changes = hot(running, wanted);
    if changes.is_empty() { Outcome::Same } else { Outcome::Hot(changes) }
}

fn cold(running: &Planned, wanted: &Planned) -> Vec<&'static str> {
    let (old, new) = (&running.loaded.cluster, &wanted.loaded.cluster);
    let (old_spec, new_spec) = (&old.spec, &new.spec);
    [
        ("metadata.name", old.metadata.name != new.metadata.name),
        ("metadata.namespace", old.metadata.namespace != new.metadata.namespace),
        ("spec.signaling.listeners", old_spec.signaling.listeners != new_spec.signaling.listeners),
        ("spec.signaling.replicas", old_spec.signaling.replicas != new_spec.signaling.replicas),
        ("spec.media.pools", old_spec.media != new_spec.media),
        ("spec.network.portRange", old_spec.network.port_range != new_spec.network.port_range),
        ("spec.network.mediaAddresses", old_spec.network.media_addresses != new_spec.network.media_addresses),
        ("spec.state", old_spec.state != new_spec.state),
    ]
    .into_iter()
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect()
}

fn hot(running: &Planned, wanted: &Planned) -> Vec<String> {
    let (old, new) = (&running.plan.documents, &wanted.plan.documents);
    let mut changes = Vec::new();
    let by_name = |users: &[UserDocument]| -> BTreeMap<String, UserDocument> {
        users.iter().map(|user| (user.username.clone(), user.clone())).collect()
    };
    changes.extend(differences("user", &by_name(&old.users.users), &by_name(&new.users.users)));
    let plans = |documents: &voip_plan::Documents| -> BTreeMap<String, _> {
        documents.sip.dialplans.iter().map(|plan| (plan.name.clone(), plan.clone())).collect()
    };
    changes.extend(differences("dialplan", &plans(old), &plans(new)));
    for (field, changed) in [
        ("spec.domains", old.sip.domains != new.sip.domains),
        ("spec.realm", old.sip.realm != new.sip.realm),
        ("spec.digestAlgorithms", old.sip.digest_algorithms != new.sip.digest_algorithms),
        ("spec.drain", running.loaded.cluster.spec.drain != wanted.loaded.cluster.spec.drain),
    ] {
        if changed {
            changes.push(format!("{field} changed"));
        }
    }
    changes
}

/// `user 1003 added`; more than a few are counted.
fn differences<T: PartialEq>(
    what: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
) -> Vec<String> {
    let added = new.keys().filter(|name| !old.contains_key(*name)).collect();
    let removed = old.keys().filter(|name| !new.contains_key(*name)).collect();
    let changed = new.iter().filter(|(name, value)| old.get(*name).is_some_and(|old| old != *value));
    let changed = changed.map(|(name, _)| name).collect();
    [("added", added), ("removed", removed), ("changed", changed)]
        .into_iter()
        .filter_map(|(how, names): (_, Vec<&String>)| match names.as_slice() {
            [] => None,
            [one] => Some(format!("{what} {one} {how}")),
            several if several.len() <= 5 => {
                let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                Some(format!("{what}s {} {how}", names.join(" ")))
            }
            many => Some(format!("{} {what}s {how}", many.len())),
        })
        .collect()
}
