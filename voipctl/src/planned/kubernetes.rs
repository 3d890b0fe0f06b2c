//! From FILE and what a Kubernetes has to a plan: what the operator would do if FILE were applied.

use std::path::Path;

use voip_api::VoipCluster;
use voip_plan::objects::{Release, media_fingerprint, names, probe_pods};
use voip_plan::{
    FieldError, Observed, Plan, PortsChange, Resources, SecretValue, ValidCluster, orders, plan,
    validate_leniently,
};

use super::{PlanError, Planned, located_problem, mistakes, passwords, planned_user, resources};
use crate::kubernetes::admission;
use crate::kubernetes::kubectl::Kubectl;
use crate::kubernetes::world::{World, look};
use crate::load::{Loaded, load_into};

/// A plan for a Kubernetes that is there.
pub(crate) struct InKubernetes {
    /// The plan; it may have problems.
    pub(crate) planned: Planned,
    /// What keeps calls from working as asked.
    pub(crate) problems: Vec<String>,
    /// What the plan rests on that was not seen.
    pub(crate) unseen: Vec<String>,
    /// What programs are run from.
    pub(crate) release: Release,
}

/// Loads `file`, looks at the Kubernetes, and plans.
pub(crate) fn plan_in(
    file: &Path,
    kubectl: &Kubectl,
    mut release: Release,
) -> Result<InKubernetes, PlanError> {
    let mut loaded = load_into(file, &kubectl.default_namespace())?;
    let kubectl = within(kubectl, &loaded)?;
    let mut world = look(&kubectl, &loaded.cluster)?;
    let mut resources = resources(&mut loaded);
    let of_file = Names::of(&resources);
    fill(&mut resources, &mut world, &mut release)?;
    let World { mut observed, mut unseen, .. } = world;

    let validated = validate_leniently(&resources, &observed, None);
    let (wrong, mut advice) = of_file.judge(&validated.users, &validated.dialplans);
    let valid = match validated.cluster {
        Ok(valid) if wrong.is_empty() => valid,
        Ok(_) => return Err(mistakes(&loaded, &wrong)),
        Err(errors) => return Err(mistakes(&loaded, &[errors, wrong].concat())),
    };
    if needs_admission(&resources.cluster, &observed) {
        let (admission, note) = admission::ask(&kubectl, &probe_pods(&valid, &release))?;
        observed.admission = admission;
        unseen.extend(note);
    }
    let mut plan = plan(&valid, &observed);
    apply(&mut observed, &valid, &plan, &release);
    plan.orders = orders(&valid, &plan, &observed, &release);
    let located = |problem| located_problem(&loaded, problem);
    advice.extend(plan.advice.iter().map(located));
    let problems = plan.problems.iter().map(located).collect();
    let users = resources.users.iter().map(|user| planned_user(user, &resources)).collect();
    Ok(InKubernetes { planned: Planned { loaded, valid, plan, users, advice }, problems, unseen, release })
}

/// kubectl in the namespace of the file.
fn within(kubectl: &Kubectl, loaded: &Loaded) -> Result<Kubectl, PlanError> {
    let namespace = loaded.cluster.metadata.namespace.clone().unwrap_or_default();
    match kubectl.namespace() {
        Some(asked) if asked != namespace => {
            Err(PlanError::OtherNamespace { file: namespace, asked: asked.to_owned() })
        }
        _ => Ok(kubectl.within(&namespace)),
    }
}

/// Adds what the file leaves out and the Kubernetes has: identity, users, Dialplans, images, and what is never read.
fn fill(resources: &mut Resources, world: &mut World, release: &mut Release) -> Result<(), PlanError> {
    if let Some(live) = &world.cluster {
        if !live.status.version.is_empty() && live.status.version != release.version {
            world.unseen.push(format!(
                "the operator is of release {} and this voipctl of {}: it may plan otherwise",
                live.status.version, release.version
            ));
        }
        resources.cluster.metadata = live.metadata.clone();
    }
    if let Some(image) = world.images.0.take() {
        release.signaling_image = image;
    }
    if let Some(image) = world.images.1.take() {
        release.media_image = image;
    }
    add(resources, std::mem::take(&mut world.users), std::mem::take(&mut world.dialplans));
    take_secrets_for_granted(resources);
    resources.passwords = passwords(resources, |_| Ok("unused".to_owned()))?;
    Ok(())
}

fn needs_admission(cluster: &VoipCluster, observed: &Observed) -> bool {
    cluster.spec.network.mode == voip_api::NetworkMode::Auto && observed.mode.is_none()
}

/// The operator applies the newest templates before it gives orders, and the orders follow from that.
fn apply(observed: &mut Observed, valid: &ValidCluster, plan: &Plan, release: &Release) {
    let (_, name) = plan.cluster.split_once('/').unwrap_or_default();
    for pod in plan.media.iter().filter(|pod| pod.ports_change != PortsChange::Moves) {
        let set = names::media_daemon_set(name, &pod.pool, &pod.node, pod.shard);
        if let Some(set) = observed.media.get_mut(&set)
            && let Some(newest) = media_fingerprint(valid, plan, pod, release)
        {
            set.rendered = newest;
        }
    }
}

/// What is in FILE stands for what is in the Kubernetes under the same name; of that only its age counts.
fn add(resources: &mut Resources, users: Vec<voip_api::SipUser>, dialplans: Vec<voip_api::Dialplan>) {
    for user in users {
        match resources.users.iter_mut().find(|own| own.metadata.name == user.metadata.name) {
            Some(own) => own.metadata.creation_timestamp = user.metadata.creation_timestamp,
            None => resources.users.push(user),
        }
    }
    for dialplan in dialplans {
        match resources.dialplans.iter_mut().find(|own| own.metadata.name == dialplan.metadata.name) {
            Some(own) => own.metadata.creation_timestamp = dialplan.metadata.creation_timestamp,
            None => resources.dialplans.push(dialplan),
        }
    }
}

/// Secrets are not read: whoever plans need not know passwords, and nothing of the plan that is shown depends on them.
fn take_secrets_for_granted(resources: &mut Resources) {
    let referred: Vec<_> =
        resources.users.iter().filter_map(|user| user.spec.password_secret_ref.clone()).collect();
    for reference in referred {
        resources
            .secrets
            .entry(reference.name)
            .or_insert_with(|| [(reference.key, SecretValue::new("unused"))].into());
    }
}

/// Names of what is in FILE.
struct Names {
    users: Vec<String>,
    dialplans: Vec<String>,
}

impl Names {
    fn of(resources: &Resources) -> Self {
        Self {
            users: resources.users.iter().filter_map(|user| user.metadata.name.clone()).collect(),
            dialplans: resources.dialplans.iter().filter_map(|plan| plan.metadata.name.clone()).collect(),
        }
    }

    /// Mistakes of what is in FILE, and notes on what is not.
    fn judge(
        &self,
        users: &voip_plan::Verdicts,
        dialplans: &voip_plan::Verdicts,
    ) -> (Vec<FieldError>, Vec<String>) {
        let (mut wrong, mut notes) = (Vec::new(), Vec::new());
        for (names, verdicts) in [(&self.users, users), (&self.dialplans, dialplans)] {
            for (name, verdict) in verdicts {
                match verdict {
                    Err(errors) if names.contains(name) => wrong.extend(errors.iter().cloned()),
                    Err(errors) => notes.extend(errors.iter().map(|error| format!("left out: {error}"))),
                    Ok(()) => {}
                }
            }
        }
        (wrong, notes)
    }
}
