//! sip-node's API in a Kubernetes: its pod through `kubectl port-forward`, its token from the Secret.
//!
//! The API server's own proxy would not do: it takes the `Authorization` header away. The pod is asked rather than the
//! Service, because on the host network there is none; its HTTP server is then on loopback, where port-forward ends.

use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::de::DeserializeOwned;
use voip_plan::objects::names;
use voip_plan::observe::pods;

use super::cluster::Cluster;
use super::kubectl::{Kubectl, KubectlError};
use super::port_forward::PortForward;
use crate::failure::Failure;
use crate::http::{self, HttpError};

/// Key of the token in its Secret.
const TOKEN: &str = "token";

/// Why sip-node does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// kubectl.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// There is no pod to ask.
    #[error("no sip-node of {0} runs: kubectl voip status says why")]
    NoPod(String),
    /// There is no token.
    #[error("Secret {0} has no {TOKEN}: delete the Secret, and the operator makes another")]
    NoToken(String),
    /// The API.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Kubectl(error) => error.into(),
            _ => Self::failed(error),
        }
    }
}

/// The way to sip-node's API; closed when dropped.
pub(crate) struct Api {
    forward: PortForward,
    token: String,
}

impl Api {
    /// Finds sip-node and opens the way to it.
    pub(crate) async fn open(kubectl: &Kubectl, cluster: &Cluster) -> Result<Self, ApiError> {
        let kubectl = kubectl.within(cluster.namespace());
        let selector =
            format!("--selector={}={},{}=signaling", names::CLUSTER, cluster.name(), names::COMPONENT);
        let pods: Vec<Pod> = kubectl.list(&["pods", &selector])?;
        let (pod, port) = choose(&pods).ok_or_else(|| ApiError::NoPod(cluster.id()))?;
        let token = token(&kubectl, &names::api(cluster.name()))?;
        let forward = PortForward::open(&kubectl, pod, port).await?;
        Ok(Self { forward, token })
    }

    /// `GET path`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let address = self.forward.address();
        let answer = http::get_with_token(address, path, &self.token)?;
        answer.ok_or_else(|| {
            let reason = std::io::ErrorKind::NotFound.into();
            HttpError::Unknown { address, path: path.to_owned(), reason }.into()
        })
    }
}

fn token(kubectl: &Kubectl, name: &str) -> Result<String, ApiError> {
    let secret: Secret = kubectl.get(&["secrets", name])?;
    let token = secret.data.and_then(|mut data| data.remove(TOKEN));
    let token = token.and_then(|token| String::from_utf8(token.0).ok());
    let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    token.ok_or_else(|| ApiError::NoToken(name.to_owned()))
}

/// Name and HTTP port of a pod that runs, one that is ready if there is any.
fn choose(pods: &[Pod]) -> Option<(&str, u16)> {
    let running =
        |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let mut found: Vec<_> = pods
        .iter()
        .filter(running)
        .filter_map(|object| Some((pods::pod(object)?, object.metadata.name.as_deref()?, http_port(object)?)))
        .collect();
    found.sort_by_key(|(pod, ..)| (pod.ending, !pod.ready));
    found.first().map(|(_, name, port)| (*name, *port))
}

/// The port that the kubelet asks whether it is ready.
fn http_port(pod: &Pod) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut probes = containers.filter_map(|container| container.readiness_probe.as_ref()?.http_get.as_ref());
    match probes.next()?.port {
        IntOrString::Int(port) => u16::try_from(port).ok(),
        IntOrString::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"voip.dev/component": "signaling"}},
            "spec": {"containers": [{"name": "sip-node", "readinessProbe": {"httpGet": {"port": 8060}}}]},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_that_is_ready_is_asked_first_and_one_that_does_not_run_never() {
        let pods = [pod("a", "Pending", "False"), pod("b", "Running", "False"), pod("c", "Running", "True")];
        assert_eq!(choose(&pods), Some(("c", 8060)));
        assert_eq!(choose(&pods[..2]), Some(("b", 8060)));
        assert_eq!(choose(&pods[..1]), None);
    }
}
