//! One look at one VoipCluster: observe, validate, plan, apply, report.
//!
//! Everything that is decided is decided in `voip-plan`. What could not be done is a fault: it is reported, and tried again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1 as core;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use time::OffsetDateTime;
use voip_api::VoipCluster;
use voip_plan::objects::names;
use voip_plan::status::{Fault, FaultReason};
use voip_plan::{Observed, Plan, Resources, validate_leniently};

use crate::act::{act, act_on_nodes};
use crate::context::Context;
use crate::fault::fault;
use crate::finalizer::{Deletion, Ending};
use crate::observe::unheard::unheard;
use crate::observe::{Sight, sight};
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

/// A look makes one request after the other, and each may take long; meanwhile no other look at the same VoipCluster can
/// see that something else is more urgent.
const LONGEST_LOOK: Duration = Duration::from_mins(3);

/// What a look found: when to look again, and what could not be done.
struct Looked {
    /// If all was well.
    next: Duration,
    faults: Vec<Fault>,
    /// Nothing was finished: with faults, the next look comes later than `next`, not sooner.
    early: bool,
}

/// Looks at `cluster` and says when to look again.
pub async fn reconcile(cluster: Arc<VoipCluster>, context: Arc<Context>) -> Result<Action, Infallible> {
    let (key, started) = (ClusterKey::of(&cluster), Instant::now());
    context.metrics.begins(&key);
    let looked = Box::pin(in_time(&key, look(&cluster, &context))).await;
    context.metrics.reconciled(started.elapsed(), &looked.faults);
    let (retry, expected) = context.memory(&key, |memory| {
        memory.failures = if looked.faults.is_empty() { 0 } else { memory.failures.saturating_add(1) };
        (retry(memory.failures), memory.next_expected())
    });
    let next = match retry {
        Some(retry) if looked.early => looked.next.max(retry),
        Some(retry) => looked.next.min(retry),
        None => looked.next,
    };
    let next = expected.map_or(next, |expected| next.min(expected));
    tracing::debug!(cluster = %key, faults = looked.faults.len(), next_s = next.as_secs(), "looked");
    Ok(Action::requeue(next))
}

/// What was done so far of a look that is cut short is seen by the next one, which goes on from there.
async fn in_time(key: &ClusterKey, look: impl Future<Output = Looked>) -> Looked {
    let late = |_| {
        let fault = Fault {
            object: format!("VoipCluster {}", key.name),
            action: "look".to_owned(),
            reason: FaultReason::ApiUnavailable,
            message: format!("not done within {} s: the API server is slow", LONGEST_LOOK.as_secs()),
        };
        tracing::warn!(cluster = %key, fault.message, "a look was cut short");
        Looked { next: FIRST_RETRY, faults: vec![fault], early: true }
    };
    tokio::time::timeout(LONGEST_LOOK, look).await.unwrap_or_else(late)
}

/// None after a success.
fn retry(failures: u32) -> Option<Duration> {
    let doubled = failures.checked_sub(1)?.min(10);
    Some(FIRST_RETRY.saturating_mul(1 << doubled).min(LAST_RETRY))
}

async fn look(cluster: &Arc<VoipCluster>, context: &Context) -> Looked {
    let mut faults = context.scope.faults(&context.shared);
    if !context.scope.is_listed(&context.shared) {
        // What is not seen may be there: nothing is decided yet.
        report::unlisted(context, cluster, &faults).await;
        return Looked { next: FIRST_RETRY, faults, early: true };
    }
    let now = OffsetDateTime::now_utc();
    let (mut seen, renewal) = observe(context, cluster, now, &mut faults).await;
    if cluster.metadata.deletion_timestamp.is_some() {
        let ending = end(context, &seen, &mut faults).await;
        report::ending(context, cluster, &faults).await;
        return Looked { next: ending.unwrap_or(LAST_RETRY), faults, early: true };
    }
    if !context.shared.definitions.faults().is_empty() {
        // What is told may lack what was written.
        report::unlisted(context, cluster, &faults).await;
        return Looked { next: LAST_RETRY, faults, early: true };
    }
    hold(context, cluster, &mut faults).await;
    let resources = resources(context, &mut seen, &mut faults).await;
    let validated = validate_leniently(&resources, &seen.observed, seen.previous.as_ref());
    let planned = if let Ok(valid) = &validated.cluster {
        act(context, valid, &mut seen, &mut faults).await
    } else {
        faults.extend(act_on_nodes(context, &seen).await);
        None
    };
    let outcome = match (&validated.cluster, planned) {
        (Ok(valid), Some(plan)) => Ok((valid, plan)),
        (Err(errors), _) => Err(errors),
        (Ok(_), None) => {
            report::unlisted(context, cluster, &faults).await;
            return Looked { next: OVERTAKEN, faults, early: true };
        }
    };
    let due = outcome.as_ref().map_or(Duration::MAX, |(_, plan)| due(plan, &seen.observed));
    let told = report::report(context, &seen, &resources, &validated, outcome.as_ref(), &mut faults).await;
    let again = if told { Duration::MAX } else { OVERTAKEN };
    Looked { next: context.settings.resync.min(renewal).min(due).min(again), faults, early: false }
}

/// What watches and programs tell, and when to look again: for a certificate that is to be renewed, or a program that
/// should be heard by then.
async fn observe(
    context: &Context,
    cluster: &Arc<VoipCluster>,
    now: OffsetDateTime,
    faults: &mut Vec<Fault>,
) -> (Sight, Duration) {
    let key = ClusterKey::of(cluster);
    let made = context.memory(&key, crate::context::Memory::expected);
    let kept = (context.settings.reserved, &made);
    let mut seen = sight(cluster, &context.shared, &context.scope, kept, unix_ms(now));
    if !faults.is_empty() {
        // Whether a pod has ended is not known while pods are not told.
        seen.blind = true;
        seen.observed.ended.clear();
    }
    let mut renewal = Duration::MAX;
    match identity::ensure(context, cluster, &seen.found, now).await {
        Ok(held) => {
            renewal = until(held.renew_at(), now);
            context.metrics.certificates_end(&key, held.ends());
            let ports: HashMap<&str, u16> = seen.pods.iter().filter_map(|pod| control_port(pod)).collect();
            let port = |pod: &voip_plan::Pod| ports.get(pod.name.as_str()).copied();
            let targets = node_admin::targets(&seen.observed.pods, port);
            context.sessions.keep(&key, held.identity(), targets);
        }
        Err(error) => faults.push(error.fault()),
    }
    seen.observed.reports = context.sessions.reports(&key);
    let (unheard, next) = unheard(&seen.pods, context.sessions.silent(&key), unix_ms(now));
    seen.observed.unheard = unheard;
    (seen, renewal.min(next))
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
async fn resources(context: &Context, seen: &mut Sight, faults: &mut Vec<Fault>) -> Resources {
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
    seen.unknown = known.unknown;
    let mut resources = Resources::new(VoipCluster::clone(&seen.cluster));
    resources.users.clone_from(&seen.users);
    resources.dialplans.clone_from(&seen.dialplans);
    resources.secrets = known.secrets;
    resources.passwords = known.generated;
    resources
}

fn until(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    (then - now).try_into().unwrap_or(FIRST_RETRY)
}

pub(crate) fn unix_ms(now: OffsetDateTime) -> u64 {
    u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_ends_although_the_server_does_not_answer() {
        let key = ClusterKey { namespace: "voip".to_owned(), name: "office".to_owned() };
        let looked = in_time(&key, std::future::pending()).await;
        assert!(looked.early && looked.next == FIRST_RETRY);
        assert_eq!(
            looked.faults.iter().map(|it| it.reason).collect::<Vec<_>>(),
            [FaultReason::ApiUnavailable]
        );
    }

    #[test]
    fn tries_again_more_and_more_seldom() {
        assert_eq!(retry(0), None);
        assert_eq!(retry(1), Some(FIRST_RETRY));
        assert_eq!(retry(3), Some(Duration::from_secs(4)));
        assert_eq!(retry(u32::MAX), Some(LAST_RETRY));
    }
}
