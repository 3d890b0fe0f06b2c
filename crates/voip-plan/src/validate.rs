//! From what was written to what can be planned: every mistake at once, each with its field.
//!
//! The rules of the CRDs are checked here again, because a laptop has no API server, and then those that need more than
//! one document.

pub(crate) mod cluster;
mod dialplans;
mod exposure;
mod names;
mod service;
mod template;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use voip_api::{PodTemplate, VoipClusterSpec};
use voip_contract::config::{DialplanDocument, DigestAlgorithm, Listener, SipDocument, UserDocument};

use crate::observed::Observed;
use crate::ports::PortRange;
use crate::problem::{FieldError, Problem};
use crate::resources::Resources;

/// A cluster whose every field can be used. Only [`validate`] makes one.
#[derive(Debug, Clone)]
pub struct ValidCluster {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// As written; for what is passed on to pods and Services as it is.
    pub(crate) spec: VoipClusterSpec,
    /// There are sip-nodes already.
    pub(crate) signaling_runs: bool,
    pub(crate) domains: Vec<String>,
    pub(crate) realm: String,
    pub(crate) algorithms: Vec<DigestAlgorithm>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) media_address: Option<IpAddr>,
    pub(crate) ports: PortRange,
    pub(crate) drain_seconds: u32,
    /// Media-nodes of a pool that are replaced at a time.
    pub(crate) max_unavailable: NodeCount,
    /// Nodes that somebody asked to be emptied.
    pub(crate) drained_nodes: BTreeSet<String>,
    pub(crate) users: Vec<UserDocument>,
    pub(crate) dialplans: Vec<DialplanDocument>,
    pub(crate) advice: Vec<Problem>,
}

/// Media-nodes of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Position in the spec, for paths.
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) nodes: NodeCount,
    pub(crate) calls_per_node: u32,
    pub(crate) pods_per_node: u32,
    pub(crate) template: PodTemplate,
}

/// How many nodes a pool asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeCount {
    Count(usize),
    Percent(usize),
}

impl Pool {
    /// Calls of the busiest pod on a node; the lease of each is as large as that.
    pub(crate) fn calls_per_pod(&self) -> u32 {
        self.calls_per_node.div_ceil(self.pods_per_node.max(1))
    }
}

impl ValidCluster {
    /// `namespace/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Kind and name for messages.
    pub(crate) fn document(&self) -> String {
        format!("VoipCluster {}", self.id())
    }
}

/// Checks everything; on success nothing that follows can fail.
pub fn validate(resources: &Resources, observed: &Observed) -> Result<ValidCluster, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut valid = cluster::check(&resources.cluster, &mut errors);
    users::check(resources, &mut valid, &mut errors);
    dialplans::check(resources, &mut valid, &mut errors);
    finish(observed, valid, errors)
}

/// What was found of each resource, where one that has mistakes does not keep the others from running.
#[derive(Debug)]
pub struct Validated {
    /// The cluster with those users and Dialplans that can be used.
    pub cluster: Result<ValidCluster, Vec<FieldError>>,
    /// Of each `SipUser`, by name.
    pub users: Verdicts,
    /// Of each Dialplan, by name.
    pub dialplans: Verdicts,
}

/// By the name of a resource: it runs, or why it does not.
pub type Verdicts = BTreeMap<String, Result<(), Vec<FieldError>>>;

/// Checks everything as [`validate`] does, but leaves out users with mistakes and takes the version of `previous`, the
/// document that was loaded before, in the place of a Dialplan that has some.
pub fn validate_leniently(
    resources: &Resources,
    observed: &Observed,
    previous: Option<&SipDocument>,
) -> Validated {
    let mut errors = Vec::new();
    let mut valid = cluster::check(&resources.cluster, &mut errors);
    let users = users::check_leniently(resources, &mut valid);
    let previous = previous.map_or(&[][..], |document| &document.dialplans);
    let dialplans = dialplans::check_leniently(resources, &mut valid, previous);
    Validated { cluster: finish(observed, valid, errors), users, dialplans }
}

/// Adds what depends on the world.
fn finish(
    observed: &Observed,
    mut valid: ValidCluster,
    mut errors: Vec<FieldError>,
) -> Result<ValidCluster, Vec<FieldError>> {
    valid.signaling_runs = observed.signaling.as_ref().is_some_and(|workload| workload.replicas > 0);
    exposure::check(observed, &valid, &mut errors);
    exposure::advise(observed, &mut valid);
    if errors.is_empty() { Ok(valid) } else { Err(errors) }
}

/// Sorts the oldest first; what has no time yet is the youngest.
fn age(metadata: &ObjectMeta) -> (bool, Option<Timestamp>, Option<String>) {
    let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
    (created.is_none(), created, metadata.name.clone())
}

/// Collects the mistakes of one document.
struct Report<'a> {
    document: String,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Report<'a> {
    fn new(document: String, errors: &'a mut Vec<FieldError>) -> Self {
        Self { document, errors }
    }

    fn error(&mut self, path: impl Into<String>, fact: impl Into<String>, mend: impl Into<String>) {
        let document = self.document.clone();
        self.errors.push(FieldError { document, path: path.into(), fact: fact.into(), mend: mend.into() });
    }

    /// A form: `good` or an error that quotes the value.
    fn form(&mut self, good: bool, path: &str, value: &str, mend: &str) {
        if !good {
            self.error(path, format!("{value:?} cannot be used"), mend);
        }
    }

    fn range(&mut self, path: &str, value: u32, low: u32, high: u32) {
        if !(low..=high).contains(&value) {
            self.error(path, format!("{value} is out of range"), format!("set it between {low} and {high}"));
        }
    }

    fn at_most(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            self.error(
                path,
                format!("{count} entries, at most {most} fit"),
                format!("remove {}", count - most),
            );
        }
    }

    /// Each entry of a set once.
    fn distinct<'t, T: AsRef<str> + 't>(&mut self, path: &str, values: impl IntoIterator<Item = &'t T>) {
        let mut seen = BTreeSet::new();
        for (at, value) in values.into_iter().enumerate() {
            if !seen.insert(value.as_ref()) {
                self.error(
                    format!("{path}[{at}]"),
                    format!("{} is there twice", value.as_ref()),
                    "remove it",
                );
            }
        }
    }
}

/// Kubernetes' own rule for what names no namespace.
fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}
