//! One look at one VoipCluster: observe, validate, plan, apply, report.
//!
//! Everything that is decided is decided in `voip-plan`. What could not be done is a fault: it is reported, and tried again.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1 as core;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use time::OffsetDateTime;
use voip_api::VoipCluster;
use voip_plan::objects::{Object, names, probe_pods, render};
use voip_plan::status::{Fault, FaultReason};
use voip_plan::{
    Component, NetworkMode, Observed, Plan, PortsChange, Resources, ValidCluster, orders, plan,
    validate_leniently,
};

use crate::apply::leases::{self, LeaseError};
use crate::apply::objects::{Key, Owned};
use crate::context::Context;
use crate::documents::announce;
use crate::fault::fault;
use crate::finalizer::{Deletion, Ending};
use crate::observe::{Sight, sight};
use crate::orders::execute;
use crate::users::passwords;
use crate::{ClusterKey, identity, node_admin, report};

/// Holds a VoipCluster that is being deleted until its calls are over.
pub const FINALIZER: &str = "voip.dev/drain";
/// Before a look at what somebody else wrote in between.
const OVERTAKEN: Duration = Duration::from_millis(300);
/// Between two tries of what could not be done; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest of these times.
const LAST_RETRY: Duration = Duration::from_mins(1);
/// Before a look at what others can mend: a node, an address, room.
const WAITING: Duration = Duration::from_secs(30);

/// Looks at `cluster` and says when to look again.
pub async fn reconcile(cluster: Arc<VoipCluster>, context: Arc<Context>) -> Result<Action, Infallible> {
    let (key, started) = (ClusterKey::of(&cluster), Instant::now());
    let (next, faults) = Box::pin(look(&cluster, &context)).await;
    context.metrics.reconciled(started.elapsed(), &faults);
    let retry = context.memory(&key, |memory| {
        memory.failures = if faults.is_empty() { 0 } else { memory.failures.saturating_add(1) };
        retry(memory.failures)
    });
    let next = retry.map_or(next, |retry| next.min(retry));
    tracing::debug!(cluster = %key, faults = faults.len(), next_s = next.as_secs(), "looked");
    Ok(Action::requeue(next))
}

/// None after a success.
fn retry(failures: u32) -> Option<Duration> {
    let doubled = failures.checked_sub(1)?.min(10);
    Some(FIRST_RETRY.saturating_mul(1 << doubled).min(LAST_RETRY))
}

/// When to look again if all is well, and what is not.
async fn look(cluster: &Arc<VoipCluster>, context: &Context) -> (Duration, Vec<Fault>) {
    let mut faults = context.scope.faults(&context.shared);
    if !context.scope.is_listed(&context.shared) {
        // What is not seen may be there: nothing is decided yet.
        report::unlisted(context, cluster, &faults).await;
        return (FIRST_RETRY, faults);
    }
    let now = OffsetDateTime::now_utc();
    let (mut seen, renewal) = observe(context, cluster, now, &mut faults).await;
    if cluster.metadata.deletion_timestamp.is_some() {
        let ending = end(context, &seen, &mut faults).await;
        return (ending.unwrap_or(LAST_RETRY), faults);
    }
    hold(context, cluster, &mut faults).await;
    let resources = resources(context, &seen, &mut faults).await;
    let validated = validate_leniently(&resources, &seen.observed, seen.previous.as_ref());
    let outcome = match &validated.cluster {
        Ok(valid) => match act(context, valid, &mut seen, &mut faults).await {
            Some(plan) => Ok((valid, plan)),
            None => return (OVERTAKEN, faults),
        },
        Err(errors) => Err(errors),
    };
    let due = outcome.as_ref().map_or(Duration::MAX, |(_, plan)| due(plan, &seen.observed));
    report::report(context, &seen, &resources, &validated, outcome.as_ref(), &mut faults).await;
    (context.settings.resync.min(renewal).min(due), faults)
}

/// What watches and programs tell, and when a certificate is to be renewed.
async fn observe(
    context: &Context,
    cluster: &Arc<VoipCluster>,
    now: OffsetDateTime,
    faults: &mut Vec<Fault>,
) -> (Sight, Duration) {
    let key = ClusterKey::of(cluster);
    let made = context.memory(&key, crate::context::Memory::just_made);
    let kept = (context.settings.reserved, &made);
    let mut seen = sight(cluster, &context.shared, &context.scope, kept, unix_ms(now));
    let mut renewal = Duration::MAX;
    match identity::ensure(context, cluster, &seen.found, now).await {
        Ok(held) => {
            renewal = until(held.renew_at(), now);
            let ports: HashMap<&str, u16> = seen.pods.iter().filter_map(|pod| control_port(pod)).collect();
            let port = |pod: &voip_plan::Pod| ports.get(pod.name.as_str()).copied();
            let targets = node_admin::targets(&seen.observed.pods, port);
            context.sessions.keep(&key, held.identity(), targets);
        }
        Err(error) => faults.push(error.fault()),
    }
    seen.observed.reports = context.sessions.reports(&key);
    (seen, renewal)
}

/// Sees to it that the VoipCluster does not go before its calls are over.
async fn hold(context: &Context, cluster: &VoipCluster, faults: &mut Vec<Fault>) {
    if cluster.finalizers().iter().any(|name| name == FINALIZER) {
        return;
    }
    if let Err(error) = add_finalizer(context, cluster).await {
        faults.push(fault(format!("VoipCluster {}", cluster.name_any()), "patch", &error));
    }
}

/// The next step of a deletion; none: it is over.
async fn end(context: &Context, seen: &Sight, faults: &mut Vec<Fault>) -> Option<Duration> {
    let deletion = Deletion {
        client: &context.client,
        sessions: &context.sessions,
        cluster: &seen.cluster,
        observed: &seen.observed,
        epoch: context.settings.epoch,
    };
    let found = seen.found.iter().map(|(key, object)| (key, object.as_ref()));
    let (ending, refused) = deletion.end(found).await;
    faults.extend(refused);
    match ending {
        Ending::Wait(time) => Some(time),
        Ending::Over => None,
    }
}

/// When something falls due that no watch tells.
fn due(plan: &Plan, observed: &Observed) -> Duration {
    let waiting = if plan.problems.is_empty() { Duration::MAX } else { WAITING };
    let due = voip_plan::next_ms(plan, observed);
    // A little later than due, so that it is due then.
    let due = due.map(|due| Duration::from_millis(due.saturating_sub(observed.now_ms).saturating_add(50)));
    due.map_or(waiting, |due| due.min(waiting))
}

async fn add_finalizer(context: &Context, cluster: &VoipCluster) -> Result<(), kube::Error> {
    let api: Api<VoipCluster> =
        Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    let mut finalizers = cluster.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    let version = cluster.resource_version();
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    api.patch(&cluster.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}

/// Name and gRPC port, which the pod itself says.
fn control_port(pod: &core::Pod) -> Option<(&str, u16)> {
    let port = pod.annotations().get(names::CONTROL)?.split(',').next()?.parse().ok()?;
    Some((pod.metadata.name.as_deref()?, port))
}

/// What the user wrote, with the passwords.
async fn resources(context: &Context, seen: &Sight, faults: &mut Vec<Fault>) -> Resources {
    let namespace = seen.cluster.namespace().unwrap_or_default();
    let known = passwords(
        &context.client,
        &context.scope.referred,
        (&namespace, &seen.users),
        &seen.found,
        context.settings.resync,
    )
    .await;
    faults.extend(known.faults);
    let mut resources = Resources::new(VoipCluster::clone(&seen.cluster));
    resources.users.clone_from(&seen.users);
    resources.dialplans.clone_from(&seen.dialplans);
    resources.secrets = known.secrets;
    resources.passwords = known.generated;
    resources
}

/// Plans and applies. None: somebody else wrote a lease first, and everything is to be observed anew.
async fn act(
    context: &Context,
    valid: &ValidCluster,
    seen: &mut Sight,
    faults: &mut Vec<Fault>,
) -> Option<Plan> {
    ask_admission(context, valid, seen).await;
    let mut plan = plan(valid, &seen.observed);
    plan.orders = orders(valid, &plan, &seen.observed, &context.settings.release);
    let api = Api::all(context.client.clone());
    match leases::write(&api, &plan.leases, &seen.leases).await {
        Ok(_) => {}
        Err(LeaseError::Overtaken(name)) => {
            tracing::info!(object = name, "somebody else wrote the leases first");
            context.metrics.overtaken();
            return None;
        }
        Err(LeaseError::Refused(fault)) => {
            faults.push(fault);
            return Some(plan);
        }
    }
    apply(context, valid, &plan, seen, faults).await;
    Some(plan)
}

/// Only who has no mode yet needs to know what would be admitted.
async fn ask_admission(context: &Context, valid: &ValidCluster, seen: &mut Sight) {
    let auto = seen.cluster.spec.network.mode == voip_api::NetworkMode::Auto;
    if !auto || seen.observed.mode.is_some() {
        return;
    }
    let key = ClusterKey::of(&seen.cluster);
    let question = (key.namespace, key.name, seen.cluster.metadata.generation.unwrap_or_default());
    let probes = probe_pods(valid, &context.settings.release);
    seen.observed.admission = context.answers.get(&context.client, question, &probes, Instant::now()).await;
}

async fn apply(context: &Context, valid: &ValidCluster, plan: &Plan, seen: &Sight, faults: &mut Vec<Fault>) {
    let key = ClusterKey::of(&seen.cluster);
    let objects = render(valid, plan, &context.settings.release);
    let wanted: Vec<DynamicObject> = objects.into_iter().filter_map(as_applied).collect();
    let owned = Owned::new(context.client.clone(), &key.namespace, seen.cluster.uid().unwrap_or_default());
    if plan.network.mode != Some(NetworkMode::PodAddress) {
        context.memory(&key, |memory| {
            memory.told(seen.observed.media.values().map(|set| set.lease.as_str()));
            memory.made(new_daemon_sets(plan, &seen.observed));
        });
    }
    let (_, refused) = owned.apply(&wanted, &seen.found).await;
    faults.extend(refused);
    if faults.is_empty() {
        let keys = wanted.iter().map(Key::of).collect();
        let (_, refused) = owned.prune(&keys, &seen.found).await;
        faults.extend(refused);
    }
    faults.extend(announce(&context.client, &key.namespace, pods(seen), |of| documents(plan, of)).await);
    let (client, epoch) = (&context.client, context.settings.epoch);
    let refused = execute(client, &context.sessions, &key, &seen.observed, &plan.orders, epoch).await;
    faults.extend(refused);
}

/// Leases of `DaemonSet`s that this plan makes. One that was deleted so that its ports can move is not made before they have.
fn new_daemon_sets(plan: &Plan, observed: &Observed) -> Vec<String> {
    let there: BTreeSet<&str> = observed.media.values().map(|set| set.lease.as_str()).collect();
    let made = plan.media.iter().filter(|pod| pod.ports_change != PortsChange::Moves);
    made.map(|pod| pod.lease.clone()).filter(|lease| !there.contains(lease.as_str())).collect()
}

fn pods(seen: &Sight) -> impl Iterator<Item = &core::Pod> {
    seen.pods.iter().map(Arc::as_ref)
}

/// Fingerprint of the documents that a component is given.
fn documents(plan: &Plan, component: Component) -> String {
    let documents = &plan.documents;
    match component {
        Component::Signaling => format!("{}-{}", documents.sip.fingerprint, documents.users.fingerprint),
        Component::Media => documents.media.fingerprint.clone(),
    }
}

/// Always: what was rendered is an object.
fn as_applied(object: Object) -> Option<DynamicObject> {
    serde_json::from_value(object.manifest).ok()
}

fn until(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    (then - now).try_into().unwrap_or(FIRST_RETRY)
}

pub(crate) fn unix_ms(now: OffsetDateTime) -> u64 {
    u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

impl identity::Error {
    fn fault(&self) -> Fault {
        use crate::owned::Error as Owned;
        let of = |error: &Owned| match error {
            Owned::Api { name, source } => Some(fault(format!("Secret {name}"), "apply", source)),
            Owned::Foreign(name) => Some(Fault {
                object: format!("Secret {name}"),
                action: "apply".to_owned(),
                reason: FaultReason::ForeignObject,
                message: error.to_string(),
            }),
            Owned::NoOwner(_) | Owned::Contended(_) | Owned::Unfit(_) => None,
        };
        let known = match self {
            Self::Certificates(crate::certificates::Error::Secret(error))
            | Self::Token(crate::secrets::Error::Secret(error)) => of(error),
            Self::Certificates(_) | Self::Token(_) | Self::Tls(_) => None,
        };
        known.unwrap_or_else(|| Fault {
            object: "Secrets with certificates and token".to_owned(),
            action: "apply".to_owned(),
            reason: FaultReason::Conflict,
            message: self.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_set_is_made_once_and_not_while_its_ports_move() {
        let mut resources =
            Resources::new(VoipCluster::new("office", serde_json::from_value(json!({})).unwrap()));
        resources.cluster.metadata.namespace = Some("voip".to_owned());
        let mut observed = voip_plan::invented_world(&resources.cluster);
        let valid = voip_plan::validate(&resources, &observed).unwrap();
        let mut plan = plan(&valid, &observed);
        let leases: Vec<String> = plan.media.iter().map(|pod| pod.lease.clone()).collect();
        assert_eq!((leases.len(), new_daemon_sets(&plan, &observed)), (2, leases.clone()));
        let there = voip_plan::MediaWorkload { lease: leases[0].clone(), rendered: String::new() };
        observed.media.insert("one".to_owned(), there);
        assert_eq!(new_daemon_sets(&plan, &observed), leases[1..]);
        plan.media[1].ports_change = PortsChange::Moves;
        assert_eq!(new_daemon_sets(&plan, &observed), [""; 0]);
    }

    #[test]
    fn tries_again_more_and_more_seldom() {
        assert_eq!(retry(0), None);
        assert_eq!(retry(1), Some(FIRST_RETRY));
        assert_eq!(retry(3), Some(Duration::from_secs(4)));
        assert_eq!(retry(u32::MAX), Some(LAST_RETRY));
    }
}
