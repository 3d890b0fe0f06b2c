//! The world that a plan for a Kubernetes rests on: what kubectl shows of it, and in its place what is assumed where the
//! user may not look.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec, Service};
use serde::de::DeserializeOwned;
use voip_api::{Dialplan, RtpPortLease, SipUser, VoipCluster};
use voip_plan::objects::names;
use voip_plan::observe::{leases, media, nodes, pods, workloads};
use voip_plan::{Admission, Environment, MediaWorkload, NetworkMode, Observed, invented_world};

use super::cluster::{CLUSTERS, Cluster};
use super::kubectl::{Kubectl, KubectlError};

/// What is there.
pub(crate) struct World {
    /// For the plan; without admission.
    pub(crate) observed: Observed,
    /// The VoipCluster as it is; none: not yet.
    pub(crate) cluster: Option<Cluster>,
    /// The users of it.
    pub(crate) users: Vec<SipUser>,
    /// The Dialplans of it.
    pub(crate) dialplans: Vec<Dialplan>,
    /// Images that its sip-node and media-nodes run from.
    pub(crate) images: (Option<String>, Option<String>),
    /// What was not seen, and what is assumed instead.
    pub(crate) unseen: Vec<String>,
}

/// Looks at all that a plan for `wanted` rests on. `kubectl` looks in its namespace.
pub(crate) fn look(kubectl: &Kubectl, wanted: &VoipCluster) -> Result<World, KubectlError> {
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    let mut eyes = Eyes { kubectl, unseen: Vec::new() };
    let cluster: Option<Cluster> = found(kubectl.get(&[CLUSTERS, name]))?;
    let seen = Seen::of(&mut eyes, name)?;
    let users = eyes.list::<SipUser>(&["sipusers.voip.dev"], "on no users but those of the file")?;
    let dialplans =
        eyes.list::<Dialplan>(&["dialplans.voip.dev"], "on no Dialplans but those of the file")?;
    let ours = |reference: &str| reference == name;
    let users = users.into_iter().flatten().filter(|user| ours(&user.spec.cluster_ref.name));
    let dialplans = dialplans.into_iter().flatten().filter(|dialplan| ours(&dialplan.spec.cluster_ref.name));
    Ok(World {
        images: seen.images(),
        observed: seen.observed(cluster.as_ref(), wanted),
        cluster,
        users: users.collect(),
        dialplans: dialplans.collect(),
        unseen: eyes.unseen,
    })
}

/// What runs, and where it can; none: not allowed to see.
struct Seen {
    nodes: Option<Vec<Node>>,
    leases: Option<Vec<RtpPortLease>>,
    pods: Option<Vec<Pod>>,
    sets: Option<Vec<DaemonSet>>,
    deployment: Option<Deployment>,
    service: Option<Service>,
}

impl Seen {
    fn of(eyes: &mut Eyes<'_>, cluster: &str) -> Result<Self, KubectlError> {
        let selector = format!("--selector={}={cluster}", names::CLUSTER);
        let signaling = names::signaling(cluster);
        let invented = "on invented nodes, as many as the file asks, and on nothing that runs";
        Ok(Self {
            nodes: eyes.list(&["nodes"], invented)?,
            leases: eyes.list(&["rtpportleases.voip.dev"], "on no port being leased yet")?,
            pods: eyes.list(&["pods", &selector], "on no pod running")?,
            sets: eyes.list(&["daemonsets.apps", &selector], "on no media-node running")?,
            deployment: eyes.get(&["deployments.apps", &signaling], "on no sip-node running")?,
            service: eyes.get(&["services", &signaling], "on signaling having no Service yet")?,
        })
    }

    fn observed(self, cluster: Option<&Cluster>, wanted: &VoipCluster) -> Observed {
        let all_seen = self.nodes.is_some() && self.pods.is_some() && self.sets.is_some();
        let sets = self.sets.unwrap_or_default();
        let uid = cluster.and_then(|cluster| cluster.metadata.uid.as_deref());
        let own: Vec<&DaemonSet> = sets.iter().filter(|set| is_of(set, uid)).collect();
        let mut observed = match &self.nodes {
            Some(found) => Observed {
                nodes: found.iter().map(nodes::node).collect(),
                leases: self.leases.unwrap_or_default(),
                pods: self.pods.iter().flatten().filter_map(pods::pod).collect(),
                media: media_of(&own),
                ..Observed::empty(Environment::Kubernetes, now_ms())
            },
            None => Observed { admission: Admission::default(), now_ms: now_ms(), ..invented_world(wanted) },
        };
        observed.mode = mode(cluster, &own);
        observed.service = self.service.as_ref().map(workloads::service);
        observed.signaling = self.deployment.as_ref().map(workloads::workload);
        if all_seen && let Some(uid) = uid {
            let held = sets.iter().map(|set| media::media(set).lease).collect();
            observed.ended = leases::ended(uid, &observed.leases, &observed.pods, &held, &observed.nodes);
        }
        observed
    }

    /// Of the sip-node, and of a media-node.
    fn images(&self) -> (Option<String>, Option<String>) {
        let image = |spec: &PodSpec| spec.containers.first()?.image.clone();
        let of_deployment = self.deployment.as_ref().and_then(|it| it.spec.as_ref()?.template.spec.as_ref());
        let of_set = self.sets.iter().flatten().find_map(|it| it.spec.as_ref()?.template.spec.as_ref());
        (of_deployment.and_then(image), of_set.and_then(image))
    }
}

/// Looks, and notes where it may not.
struct Eyes<'a> {
    kubectl: &'a Kubectl,
    unseen: Vec<String>,
}

impl Eyes<'_> {
    /// None where it is not allowed.
    fn list<T: DeserializeOwned>(
        &mut self,
        what: &[&str],
        rests: &str,
    ) -> Result<Option<Vec<T>>, KubectlError> {
        let answer = self.kubectl.list(what);
        self.note(answer, rests)
    }

    /// None where there is none, or it is not allowed.
    fn get<T: DeserializeOwned>(&mut self, what: &[&str], rests: &str) -> Result<Option<T>, KubectlError> {
        let answer = found(self.kubectl.get(what));
        self.note(answer, rests).map(Option::flatten)
    }

    fn note<T>(&mut self, answer: Result<T, KubectlError>, rests: &str) -> Result<Option<T>, KubectlError> {
        match answer {
            Ok(seen) => Ok(Some(seen)),
            Err(KubectlError::Forbidden { verb, resource, said }) => {
                self.unseen.push(format!("cannot {verb} {resource}: the plan rests {rests} ({said})"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn found<T>(answer: Result<T, KubectlError>) -> Result<Option<T>, KubectlError> {
    match answer {
        Ok(seen) => Ok(Some(seen)),
        Err(KubectlError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the VoipCluster with this UID owns it: a label may be anybody's.
fn is_of(set: &DaemonSet, uid: Option<&str>) -> bool {
    set.metadata.owner_references.iter().flatten().any(|owner| Some(owner.uid.as_str()) == uid)
}

fn media_of(sets: &[&DaemonSet]) -> BTreeMap<String, MediaWorkload> {
    sets.iter().map(|set| (set.metadata.name.clone().unwrap_or_default(), media::media(set))).collect()
}

/// As the operator finds it.
fn mode(cluster: Option<&Cluster>, sets: &[&DaemonSet]) -> Option<NetworkMode> {
    let told = cluster.and_then(|cluster| cluster.status.network.as_ref());
    told.and_then(|network| NetworkMode::named(&network.mode))
        .or_else(|| sets.iter().find_map(|set| media::mode(set)))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
