//! The VoipCluster that a command is about.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use voip_api::VoipClusterStatus;
use voip_plan::objects::names::DRAIN;

use super::kubectl::{Kubectl, KubectlError};
use crate::failure::Failure;

/// Resource that every VoipCluster is of.
pub(crate) const CLUSTERS: &str = "voipclusters.voip.dev";

/// A VoipCluster as it is read here. The spec is taken as it is: one of a newer release has fields unknown here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cluster {
    /// Metadata.
    pub(crate) metadata: ObjectMeta,
    /// What was asked for.
    #[serde(default)]
    pub(crate) spec: Value,
    /// What the operator reports.
    #[serde(default)]
    pub(crate) status: VoipClusterStatus,
}

/// Why there is no VoipCluster to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// kubectl.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// There is none of that name.
    #[error("there is no VoipCluster {name} in {place}: those that are there: {others}")]
    NoSuch {
        /// As given.
        name: String,
        /// Where.
        place: String,
        /// Names.
        others: String,
    },
    /// There is none.
    #[error(
        "there is no VoipCluster in {0}: apply one with kubectl, or say the namespace with -n (kubectl get voip -A)"
    )]
    None(String),
    /// There are several.
    #[error("there are several VoipClusters in {place}: say which: {names}")]
    Several {
        /// Where.
        place: String,
        /// Names.
        names: String,
    },
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Kubectl(error) => error.into(),
            _ => Self::input(error),
        }
    }
}

/// The one called `name`; the only one where none is said.
pub(crate) fn find(kubectl: &Kubectl, name: Option<&str>) -> Result<Cluster, FindError> {
    choose(kubectl.list(&[CLUSTERS])?, name, kubectl.namespace())
}

/// Chooses from all of a namespace.
pub(crate) fn choose(
    mut all: Vec<Cluster>,
    name: Option<&str>,
    namespace: Option<&str>,
) -> Result<Cluster, FindError> {
    let place =
        namespace.map_or_else(|| "the namespace of the context".to_owned(), |it| format!("namespace {it}"));
    let names = all.iter().map(Cluster::name).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let found = all.into_iter().find(|cluster| cluster.name() == name);
        return found.ok_or_else(|| match names.as_str() {
            "" => FindError::None(place),
            _ => FindError::NoSuch { name: name.to_owned(), place, others: names },
        });
    }
    match (all.pop(), all.is_empty()) {
        (None, _) => Err(FindError::None(place)),
        (Some(cluster), true) => Ok(cluster),
        (Some(_), false) => Err(FindError::Several { place, names }),
    }
}

impl Cluster {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// `namespace/name`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// How long calls on a media-node that drains may last, seconds.
    pub(crate) fn drain_seconds(&self) -> u64 {
        self.spec.pointer("/drain/timeoutSeconds").and_then(Value::as_u64).unwrap_or(600)
    }

    /// Names of the nodes that were asked to drain.
    pub(crate) fn drained(&self) -> Vec<&str> {
        let text = self.metadata.annotations.as_ref().and_then(|annotations| annotations.get(DRAIN));
        let names = text.into_iter().flat_map(|text| text.split(','));
        names.map(str::trim).filter(|name| !name.is_empty()).collect()
    }

    /// A condition is true.
    pub(crate) fn is(&self, condition: &str) -> bool {
        self.status.conditions.iter().any(|it| it.type_ == condition && it.status == "True")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clusters(names: &[&str]) -> Vec<Cluster> {
        let cluster =
            |name: &&str| json!({"metadata": {"name": name, "namespace": "voip"}, "spec": {"later": 1}});
        names.iter().map(|name| serde_json::from_value(cluster(name)).unwrap()).collect()
    }

    #[test]
    fn a_name_may_be_left_out_where_there_is_one() {
        assert_eq!(choose(clusters(&["a"]), None, None).unwrap().id(), "voip/a");
        assert_eq!(choose(clusters(&["a", "b"]), Some("b"), None).unwrap().name(), "b");
        let several = choose(clusters(&["a", "b"]), None, Some("voip")).unwrap_err().to_string();
        assert_eq!(several, "there are several VoipClusters in namespace voip: say which: a, b");
    }

    #[test]
    fn one_that_is_not_there_is_said_with_those_that_are() {
        let wrong = choose(clusters(&["a"]), Some("b"), None).unwrap_err().to_string();
        assert!(wrong.starts_with("there is no VoipCluster b") && wrong.ends_with(": a"), "{wrong}");
        for name in [None, Some("b")] {
            let none = choose(Vec::new(), name, Some("voip")).unwrap_err().to_string();
            assert!(none.starts_with("there is no VoipCluster in namespace voip: apply one"), "{none}");
        }
    }
}
