//! Carries out what a plan orders for pods that run: programs are told over their sessions, and a note on the pod keeps
//! when it was first told to drain, for whoever leads next.
//!
//! Each order is said anew in every round until the world shows that it was obeyed, so a request that fails is a fault
//! and nothing more. Why something is ordered is not known here.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1 as core;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use voip_contract::Epoch;
use voip_contract::node_admin::NodeOrder;
use voip_plan::status::Fault;
use voip_plan::{Observed, Order, Pod};

use crate::fault::{fault, unless_gone};
use crate::node_admin::Sessions;
use crate::observe::pods::DRAINING;
use crate::owned::is_of;
use crate::{ClusterKey, FIELD_MANAGER, at_once};

/// What a program that has no calls needs to end, seconds.
const IDLE_GRACE_SECONDS: u32 = 10;

/// Does `orders` as the operator of `epoch`. `owner`: UID of the VoipCluster. Returns what could not be done.
pub async fn execute(
    client: &Client,
    sessions: &Sessions,
    (cluster, owner): (&ClusterKey, &str),
    observed: &Observed,
    orders: &[Order],
    epoch: Epoch,
) -> Vec<Fault> {
    let hands = Hands {
        pods: Api::namespaced(client.clone(), &cluster.namespace),
        sets: Api::namespaced(client.clone(), &cluster.namespace),
        sessions,
        cluster,
        owner,
        observed,
        epoch,
    };
    at_once::all(orders.iter().map(|order| hands.execute(order)).collect()).await
}

/// What orders are carried out with.
struct Hands<'a> {
    pods: Api<core::Pod>,
    sets: Api<DaemonSet>,
    sessions: &'a Sessions,
    cluster: &'a ClusterKey,
    owner: &'a str,
    observed: &'a Observed,
    epoch: Epoch,
}

impl Hands<'_> {
    async fn execute(&self, order: &Order) -> Result<(), Fault> {
        match order {
            Order::Drain { pod, seconds, .. } => self.drain(pod, *seconds).await,
            Order::Return { pod } => self.bring_back(pod).await,
            Order::DeletePod { pod, uid } => self.delete_pod(pod, uid).await,
            Order::DeleteDaemonSet { name } => self.delete_daemon_set(name).await,
        }
    }

    async fn drain(&self, name: &str, seconds: u32) -> Result<(), Fault> {
        let Some(pod) = self.pod(name) else { return Ok(()) };
        let now = self.observed.now_ms;
        // A program that drains without a note would never be told to return.
        if pod.draining_since_ms.is_none() {
            self.note(pod, &json!(now.to_string())).await?;
        }
        let seconds = left(seconds, pod.draining_since_ms.unwrap_or(now), now);
        self.sessions.order(self.cluster, name, NodeOrder::Drain { epoch: self.epoch, seconds });
        Ok(())
    }

    async fn bring_back(&self, name: &str) -> Result<(), Fault> {
        let Some(pod) = self.pod(name) else { return Ok(()) };
        self.sessions.order(self.cluster, name, NodeOrder::Return { epoch: self.epoch });
        if pod.draining_since_ms.is_none() {
            return Ok(());
        }
        self.note(pod, &Value::Null).await
    }

    fn pod(&self, name: &str) -> Option<&Pod> {
        self.observed.pods.iter().find(|pod| pod.name == name)
    }

    async fn note(&self, pod: &Pod, since: &Value) -> Result<(), Fault> {
        let patch = json!({"metadata": {"uid": pod.uid, "annotations": {DRAINING: since}}});
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let noted = self.pods.patch_metadata(&pod.name, &how, &Patch::Merge(patch)).await;
        unless_gone(noted, &format!("Pod {}", pod.name), "patch")
    }

    async fn delete_pod(&self, name: &str, uid: &str) -> Result<(), Fault> {
        // A program that does not say that its calls are over has its own grace period, in which it ends them.
        let is_idle = self.observed.reports.get(name).is_some_and(|report| report.calls == 0);
        let grace = is_idle.then_some(IDLE_GRACE_SECONDS);
        let how = DeleteParams { grace_period_seconds: grace, ..only(uid) };
        let deleted = self.pods.delete(name, &how).await;
        if deleted.is_ok() {
            tracing::info!(cluster = %self.cluster, pod = name, grace, "pod deleted");
        }
        unless_gone(deleted, &format!("Pod {name}"), "delete")
    }

    async fn delete_daemon_set(&self, name: &str) -> Result<(), Fault> {
        let object = format!("DaemonSet {name}");
        let found = self.sets.get_metadata_opt(name).await.map_err(|error| fault(&object, "read", &error))?;
        let ours = found.filter(|found| is_of(found, self.owner));
        let Some(uid) = ours.and_then(|found| found.uid()) else { return Ok(()) };
        let deleted = self
            .sets
            .delete(
                name,
                &DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..only(&uid) },
            )
            .await;
        if deleted.is_ok() {
            tracing::info!(cluster = %self.cluster, daemon_set = name, "DaemonSet deleted");
        }
        unless_gone(deleted, &object, "delete")
    }
}

/// Deletes the object with this UID and no other of its name.
pub(crate) fn only(uid: &str) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

/// Of `seconds` that began at `since_ms`.
fn left(seconds: u32, since_ms: u64, now_ms: u64) -> u32 {
    let passed = now_ms.saturating_sub(since_ms) / 1000;
    seconds.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
