//! The end of a VoipCluster that is being deleted: no new calls, a while for those that are up, then the workloads go,
//! after the last sip-node the Services, and the ports are given back.
//!
//! It needs nothing but what is observed: the spec may be invalid, the pods long gone, the operator new. Secrets and
//! ConfigMaps end with their owner.

use std::time::Duration;

use json_patch::jsonptr::PointerBuf;
use json_patch::{PatchOperation, RemoveOperation, TestOperation};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy, TypeMeta};
use kube::{Api, Client, ResourceExt as _};
use voip_api::VoipCluster;
use voip_contract::Epoch;
use voip_contract::node_admin::{NodeOrder, NodeReport, Service};
use voip_plan::status::Fault;
use voip_plan::{Component, Observed, Pod};

use crate::apply::leases::{LeaseError, write};
use crate::apply::objects::{Key, Owned};
use crate::fault::{fault, is_absent, unless_gone};
use crate::node_admin::Sessions;
use crate::orders::only;
use crate::reconcile::FINALIZER;
use crate::{ClusterKey, at_once};

mod leases;

/// How long calls may go on, seconds from the deletion.
const DRAIN_SECONDS: u32 = 40;
/// When nobody waits for calls any more: sip-nodes have had the time to send the last BYE and to write the CDRs.
const CALLS: Duration = Duration::from_secs(50);
/// When nobody waits for pods any more.
const PODS: Duration = Duration::from_mins(1);
/// A sip-node that is not ready is given this long to be heard at all.
const SILENT: Duration = Duration::from_secs(5);
/// Before the next look: what is waited for wakes the cluster, but for the time.
const LOOK: Duration = Duration::from_secs(1);
/// Before a look at what somebody else wrote.
const OVERTAKEN: Duration = Duration::from_millis(300);

/// What sends callers to the pods: the last to go.
const SERVICE: &str = "Service";
/// What has pods, and the way to them; everything else ends with its owner.
const WORKLOADS: &[(&str, &str)] = &[("apps/v1", "Deployment"), ("apps/v1", "DaemonSet"), ("v1", SERVICE)];

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Look again after this time.
    Wait(Duration),
    /// The finalizer is gone, and so is the VoipCluster as far as it is ours.
    Over,
}

/// A VoipCluster that has a deletion timestamp.
pub struct Deletion<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Sessions with its sip-nodes, which somebody else keeps.
    pub sessions: &'a Sessions,
    /// It.
    pub cluster: &'a VoipCluster,
    /// The world, with reports.
    pub observed: &'a Observed,
    /// Of this operator.
    pub epoch: Epoch,
}

/// An object that is to be deleted.
struct Going {
    types: TypeMeta,
    key: Key,
    uid: String,
}

impl Deletion<'_> {
    /// Does the next step. `found`: the objects that were made for it. Also says what could not be done.
    pub async fn end<'a>(
        &self,
        found: impl IntoIterator<Item = (&'a Key, &'a DynamicObject)>,
    ) -> (Ending, Vec<Fault>) {
        let key = self.key();
        let owned = Owned::new(self.client.clone(), &key.namespace, self.cluster.uid().unwrap_or_default());
        let going = going(&owned, found);
        self.drain();
        if self.calls_may_be_up() {
            return (Ending::Wait(LOOK), Vec::new());
        }
        let now = going.iter().filter(|it| it.key.kind != SERVICE || self.nobody_answers());
        let mut faults = at_once::all(now.map(|it| self.delete(&owned, it)).collect()).await;
        let runs = !self.observed.pods.is_empty() || !self.observed.media.is_empty();
        if (runs || !faults.is_empty()) && self.passed() < PODS {
            return (Ending::Wait(LOOK), faults);
        }
        let ending = self.give_back(&mut faults).await;
        (ending, faults)
    }

    fn drain(&self) {
        let passed = u32::try_from(self.passed().as_secs()).unwrap_or(u32::MAX);
        let order = NodeOrder::Drain { epoch: self.epoch, seconds: DRAIN_SECONDS.saturating_sub(passed) };
        for pod in self.sip_nodes() {
            self.sessions.order(&self.key(), &pod.name, order);
        }
    }

    fn calls_may_be_up(&self) -> bool {
        let report = |pod: &Pod| self.observed.reports.get(&pod.name);
        self.passed() < CALLS
            && self.sip_nodes().any(|pod| match report(pod) {
                Some(report) => !is_drained(report),
                None => pod.ready || self.passed() < SILENT,
            })
    }

    /// Whether nobody is left who could use a way in: until then BYEs are repeated, and new callers are told that there is
    /// nothing for them.
    fn nobody_answers(&self) -> bool {
        self.sip_nodes().next().is_none() || self.passed() >= PODS
    }

    fn sip_nodes(&self) -> impl Iterator<Item = &Pod> {
        self.observed.pods.iter().filter(|pod| pod.component == Component::Signaling)
    }

    async fn delete(&self, owned: &Owned, going: &Going) -> Result<(), Fault> {
        let how =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..only(&going.uid) };
        let deleted = owned.api(&going.types)?.delete(&going.key.name, &how).await;
        if deleted.is_ok() {
            tracing::info!(cluster = %self.key(), object = %going.key, "deleted with its VoipCluster");
        }
        unless_gone(deleted, &going.key.to_string(), "delete")
    }

    /// Gives ports back, then the VoipCluster.
    async fn give_back(&self, faults: &mut Vec<Fault>) -> Ending {
        let api = Api::all(self.client.clone());
        let drain_seconds = self.cluster.spec.drain.timeout_seconds;
        let uid = self.cluster.uid().unwrap_or_default();
        let settled = leases::settled(&uid, self.observed, drain_seconds);
        match write(&api, &settled, &self.observed.leases).await {
            Ok(_) => {}
            Err(LeaseError::Overtaken(_)) => return Ending::Wait(OVERTAKEN),
            Err(LeaseError::Refused(fault)) => {
                faults.push(fault);
                // Later they are leases of nobody, which are given back all the same.
                if self.passed() < PODS {
                    return Ending::Wait(LOOK);
                }
            }
        }
        self.release(faults).await
    }

    async fn release(&self, faults: &mut Vec<Fault>) -> Ending {
        let Some(patch) = self.without_finalizer() else { return self.over() };
        let api: Api<VoipCluster> = Api::namespaced(self.client.clone(), &self.key().namespace);
        let name = self.cluster.name_any();
        match api.patch(&name, &PatchParams::default(), &Patch::<()>::Json(patch)).await {
            Ok(_) => self.over(),
            Err(error) if is_absent(&error) => self.over(),
            // The list of finalizers is another one by now.
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => Ending::Wait(OVERTAKEN),
            Err(error) => {
                faults.push(fault(format!("VoipCluster {name}"), "patch", &error));
                Ending::Wait(LOOK)
            }
        }
    }

    fn without_finalizer(&self) -> Option<json_patch::Patch> {
        let at = self.cluster.finalizers().iter().position(|name| name == FINALIZER)?;
        let path = PointerBuf::from_tokens(["metadata", "finalizers", &at.to_string()]);
        Some(json_patch::Patch(vec![
            PatchOperation::Test(TestOperation { path: path.clone(), value: FINALIZER.into() }),
            PatchOperation::Remove(RemoveOperation { path }),
        ]))
    }

    fn over(&self) -> Ending {
        tracing::info!(cluster = %self.key(), after_s = self.passed().as_secs(), "the VoipCluster has ended");
        self.sessions.forget(&self.key());
        Ending::Over
    }

    /// Since the deletion.
    fn passed(&self) -> Duration {
        let then = self.cluster.metadata.deletion_timestamp.as_ref().map(|time| time.0.as_millisecond());
        let then = then.and_then(|then| u64::try_from(then).ok()).unwrap_or(self.observed.now_ms);
        Duration::from_millis(self.observed.now_ms.saturating_sub(then))
    }

    fn key(&self) -> ClusterKey {
        ClusterKey::of(self.cluster)
    }
}

/// What of `found` is to be deleted now.
fn going<'a>(owned: &Owned, found: impl IntoIterator<Item = (&'a Key, &'a DynamicObject)>) -> Vec<Going> {
    let staying = found.into_iter().filter(|(_, object)| object.metadata.deletion_timestamp.is_none());
    let ours = staying.filter(|(_, object)| owned.owns(object));
    ours.filter_map(|(key, object)| {
        let (version, _) = WORKLOADS.iter().find(|(_, kind)| *kind == key.kind)?;
        let types = TypeMeta { api_version: (*version).to_owned(), kind: key.kind.clone() };
        Some(Going { types, key: key.clone(), uid: object.uid()? })
    })
    .collect()
}

/// One that still serves has not obeyed yet, though it may have no call.
fn is_drained(report: &NodeReport) -> bool {
    match report.service {
        Service::Drained => true,
        Service::Draining => report.calls == 0,
        Service::Serving => false,
    }
}

#[cfg(test)]
mod tests;
