//! Programs that run and are not heard: something between them and the operator is closed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// A program is heard within seconds once its pod is ready.
const READY_MS: u64 = 30_000;

/// Those of `silent`, which nobody heard for a while, whose pod was ready all that time, and when there may be one more.
pub(crate) fn unheard(
    pods: &[Arc<Pod>],
    mut silent: BTreeMap<String, SocketAddr>,
    now_ms: u64,
) -> (BTreeMap<String, SocketAddr>, Duration) {
    let mut next = Duration::MAX;
    let ready: BTreeMap<String, u64> =
        pods.iter().filter_map(|pod| Some((pod.name_any(), ready_since_ms(pod)?))).collect();
    silent.retain(|pod, _| {
        let Some(since) = ready.get(pod) else { return false };
        let passed = now_ms.saturating_sub(*since);
        if passed < READY_MS {
            next = next.min(Duration::from_millis(READY_MS - passed));
        }
        passed >= READY_MS
    });
    (silent, next)
}

/// None for a pod that is not ready, or is to end.
fn ready_since_ms(pod: &Pod) -> Option<u64> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready =
        conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    let since = ready.last_transition_time.as_ref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    u64::try_from(since.0.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2027-01-15T08:00:00Z.
    const READY_AT_MS: u64 = 1_800_000_000_000;

    fn pod(name: &str, is_ready: &str) -> Arc<Pod> {
        let ready =
            json!({"type": "Ready", "status": is_ready, "lastTransitionTime": "2027-01-15T08:00:00Z"});
        let pod = json!({"metadata": {"name": name}, "status": {"conditions": [ready]}});
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_pod_that_is_ready_for_thirty_seconds_should_be_heard() {
        let pods = [pod("ready", "True"), pod("starts", "False"), pod("heard", "True")];
        let address: SocketAddr = "192.0.2.1:29998".parse().unwrap();
        let silent = ["ready", "starts", "gone"].map(|name| (name.to_owned(), address));
        let after = |passed_ms| unheard(&pods, BTreeMap::from(silent.clone()), READY_AT_MS + passed_ms);
        assert_eq!(after(10_000), (BTreeMap::new(), Duration::from_secs(20)));
        assert_eq!(after(30_000), (BTreeMap::from([("ready".to_owned(), address)]), Duration::MAX));
    }
}
