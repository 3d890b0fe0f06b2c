//! Status, conditions and events. What is as it was is not written.
//!
//! A status is written over the version that it was made from; if that is not the newest, the next look writes it.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use json_patch::Patch as JsonPatch;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use time::OffsetDateTime;
use voip_api::{Dialplan, SipUser, VoipCluster, VoipClusterStatus};
use voip_plan::status::{self, EventToWrite, Fault, Round};
use voip_plan::{FieldError, Plan, Resources, ValidCluster, Validated, Verdicts};

use crate::apply::leases;
use crate::context::Context;
use crate::fault::{fault, is_absent, is_conflict};
use crate::observe::Sight;
use crate::reconcile::unix_ms;
use crate::secrets::user_secret_name;
use crate::{ClusterKey, FIELD_MANAGER};

/// How many statuses are written at a time.
const AT_A_TIME: usize = 8;

/// Reports a look. What cannot be reported is added to the faults. False: somebody else wrote a status first, and what was
/// found is not told yet.
pub(crate) async fn report(
    context: &Context,
    seen: &Sight,
    resources: &Resources,
    validated: &Validated,
    outcome: Result<&(&ValidCluster, Plan), &&Vec<FieldError>>,
    faults: &mut Vec<Fault>,
) -> bool {
    let key = ClusterKey::of(&seen.cluster);
    let known = faults.clone();
    let round = Round {
        generation: seen.cluster.metadata.generation.unwrap_or_default(),
        version: &context.settings.release.version,
        outcome: match outcome {
            Ok((valid, plan)) => Ok((valid, plan)),
            Err(errors) => Err(errors.as_slice()),
        },
        dialplans: &validated.dialplans,
        observed: &seen.observed,
        faults: &known,
        load_written_ms: context.memory(&key, |memory| memory.load_written_ms),
    };
    let mut told = Told::default();
    cluster(context, &seen.cluster, &round, &mut told).await;
    dialplans(&context.client, &seen.dialplans, &validated.dialplans, &round, &mut told).await;
    users(&context.client, (resources, &seen.unknown), &validated.users, round.observed.now_ms, &mut told)
        .await;
    faults.extend(told.faults);
    let api = Api::all(context.client.clone());
    let ours: Vec<_> = seen.leases.iter().filter(|lease| holds(lease, &key)).cloned().collect();
    faults.extend(leases::report(&api, &ours).await);
    !told.overtaken
}

/// What became of writing statuses.
#[derive(Default)]
struct Told {
    faults: Vec<Fault>,
    /// Somebody else wrote one first.
    overtaken: bool,
}

impl Told {
    /// Whether it was written.
    fn add(&mut self, written: Result<bool, Fault>) -> bool {
        match written {
            Ok(written) => {
                self.overtaken |= !written;
                written
            }
            Err(fault) => {
                self.faults.push(fault);
                false
            }
        }
    }
}

fn holds(object: &voip_api::RtpPortLease, key: &ClusterKey) -> bool {
    let prefix = format!("{key}/");
    object.spec.leases.iter().any(|lease| lease.id.starts_with(&prefix))
}

/// While not everything is seen, only what keeps it from being seen can be told. A VoipCluster of which the API server does
/// not keep everything is not written: what others wrote into it would be lost.
pub(crate) async fn unlisted(context: &Context, cluster: &VoipCluster, faults: &[Fault]) {
    let Some(first) = faults.first() else { return };
    if context.shared.definitions.keep_clusters() {
        tell_briefly(context, cluster, |before, now_ms| status::unseen(before, faults, now_ms)).await;
    } else if let Err(error) =
        context.recorder.publish(&event_of(status::unseen_event(first)), &cluster.object_ref(&())).await
    {
        tracing::warn!(%error, "event not written");
    }
}

/// The VoipCluster is being deleted: its finalizer may be gone already.
pub(crate) async fn ending(context: &Context, cluster: &VoipCluster, faults: &[Fault]) {
    for fault in faults {
        tracing::warn!(
            cluster = %ClusterKey::of(cluster),
            object = fault.object,
            reason = fault.reason.name(),
            message = fault.message,
            "the end of the VoipCluster is held up"
        );
    }
    tell_briefly(context, cluster, |before, now_ms| status::ending(before, faults, now_ms)).await;
}

async fn tell_briefly(
    context: &Context,
    cluster: &VoipCluster,
    told: impl FnOnce(&VoipClusterStatus, u64) -> VoipClusterStatus,
) {
    let before = cluster.status.clone().unwrap_or_default();
    let after = told(&before, unix_ms(OffsetDateTime::now_utc()));
    if after == before {
        return;
    }
    if let Err(fault) = write(&context.client, cluster, &after).await {
        tracing::warn!(object = fault.object, message = fault.message, "status not written");
    }
}

async fn cluster(context: &Context, cluster: &VoipCluster, round: &Round<'_>, told: &mut Told) {
    let before = cluster.status.clone().unwrap_or_default();
    let after = status::status(&before, round);
    if after != before && !told.add(write(&context.client, cluster, &after).await) {
        return;
    }
    if after.load != before.load {
        let now = round.observed.now_ms;
        context.memory(&ClusterKey::of(cluster), |memory| memory.load_written_ms = Some(now));
    }
    told.faults.extend(tell(context, cluster, &before, &after, round).await);
}

async fn tell(
    context: &Context,
    cluster: &VoipCluster,
    before: &VoipClusterStatus,
    after: &VoipClusterStatus,
    round: &Round<'_>,
) -> Option<Fault> {
    for event in status::events(before, after, round) {
        if let Some(fault) = publish(context, cluster, event).await {
            return Some(fault);
        }
    }
    None
}

/// Writes an Event about a VoipCluster.
pub(crate) async fn publish(context: &Context, cluster: &VoipCluster, event: EventToWrite) -> Option<Fault> {
    let written = context.recorder.publish(&event_of(event), &cluster.object_ref(&())).await;
    written.err().map(|error| fault("Event", "create", &error))
}

fn event_of(event: EventToWrite) -> Event {
    Event {
        type_: match event.kind {
            status::EventType::Normal => EventType::Normal,
            status::EventType::Warning => EventType::Warning,
        },
        action: "Reconcile".to_owned(),
        reason: event.reason,
        // The API takes 1,024 bytes.
        note: Some(event.message.chars().take(1_000).scan(0, within_note).collect()),
        secondary: None,
    }
}

fn within_note(bytes: &mut usize, character: char) -> Option<char> {
    *bytes += character.len_utf8();
    (*bytes <= 1_000).then_some(character)
}

async fn dialplans(
    client: &Client,
    dialplans: &[Dialplan],
    verdicts: &Verdicts,
    round: &Round<'_>,
    told: &mut Told,
) {
    let changed = dialplans.iter().filter_map(|dialplan| {
        let before = dialplan.status.clone().unwrap_or_default();
        let checked = verdicts.get(&dialplan.name_any())?;
        let generation = dialplan.metadata.generation.unwrap_or_default();
        let after = status::dialplan(&before, generation, checked, round);
        (after != before).then_some((dialplan, after))
    });
    write_all(client, changed, told).await;
}

/// Nothing is told of users of whose Secret nothing is known now.
async fn users(
    client: &Client,
    (resources, unknown): (&Resources, &BTreeSet<String>),
    verdicts: &Verdicts,
    now_ms: u64,
    told: &mut Told,
) {
    let known = resources.users.iter().filter(|user| !unknown.contains(&user.name_any()));
    let changed = known.filter_map(|user| {
        let before = user.status.clone().unwrap_or_default();
        let generation = user.metadata.generation.unwrap_or_default();
        let checked = verdicts.get(&user.name_any())?;
        let (secret, found) = secret_of(user, resources);
        let after = status::user(&before, generation, checked, (&secret, found), now_ms);
        (after != before).then_some((user, after))
    });
    write_all(client, changed, told).await;
}

/// The Secret with the password of a user, and whether it is there.
fn secret_of(user: &SipUser, resources: &Resources) -> (String, bool) {
    match &user.spec.password_secret_ref {
        Some(reference) => (reference.name.clone(), resources.secrets.contains_key(&reference.name)),
        None => (user_secret_name(&user.name_any()), resources.passwords.contains_key(&user.name_any())),
    }
}

async fn write_all<'a, K, S>(client: &Client, changed: impl Iterator<Item = (&'a K, S)>, told: &mut Told)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + 'a,
    K: Clone + std::fmt::Debug + DeserializeOwned,
    S: Serialize,
{
    let writes: Vec<_> =
        changed.map(|(object, status)| async move { write(client, object, &status).await }).collect();
    let mut writes = stream::iter(writes).buffer_unordered(AT_A_TIME);
    while let Some(written) = writes.next().await {
        told.add(written);
    }
}

/// Writes the whole status over the version of `object`, and of no other. False: somebody else wrote in between.
async fn write<K, S>(client: &Client, object: &K, status: &S) -> Result<bool, Fault>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + DeserializeOwned,
    S: Serialize,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let patch = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": object.resource_version()},
        {"op": "add", "path": "/status", "value": status},
    ]);
    // These three fields are a JSON patch (RFC 6902) whatever the status is.
    let patch: JsonPatch = serde_json::from_value(patch).unwrap_or_default();
    let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(&object.name_any(), &how, &Patch::Json::<()>(patch)).await {
        Ok(_) => Ok(true),
        // Gone: there is nothing to report on.
        Err(error) if is_absent(&error) => Ok(true),
        Err(error) if is_conflict(&error) => Ok(false),
        Err(error) => Err(fault(format!("{} {}", K::kind(&()), object.name_any()), "status", &error)),
    }
}
