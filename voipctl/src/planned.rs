//! From FILE to a plan: what `plan`, `up` and an edit while `up` runs have in common.

pub(crate) mod kubernetes;

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use voip_api::SipUser;
use voip_plan::{
    FieldError, Observed, Plan, Problem, Resources, SecretValue, ValidCluster, invented_world, laptop_world,
    plan, validate,
};

use crate::failure::Failure;
use crate::kubernetes::kubectl::KubectlError;
use crate::load::{LoadError, Loaded, ObjectId, load};
use crate::state::{Passwords, StateDir, StateError, random_password};

/// A file that can be run.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What was written.
    pub(crate) loaded: Loaded,
    /// What was checked.
    pub(crate) valid: ValidCluster,
    /// What follows from it.
    pub(crate) plan: Plan,
    /// The users in the order of the file.
    pub(crate) users: Vec<PlannedUser>,
    /// What works, though probably not as meant.
    pub(crate) advice: Vec<String>,
}

/// A user and where the password is.
#[derive(Clone)]
pub(crate) struct PlannedUser {
    /// Digest user name.
    pub(crate) username: String,
    /// Whether calls and registrations are served.
    pub(crate) enabled: bool,
    /// Generated, or in a Secret of this name.
    pub(crate) password: PasswordSource,
}

/// Where a password is.
#[derive(Clone)]
pub(crate) enum PasswordSource {
    /// Generated, and kept in the state directory.
    Generated(String),
    /// In this Secret.
    Secret(String),
}

impl fmt::Debug for PlannedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedUser").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Where generated passwords come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Generated<'a> {
    /// Nowhere: the plan is only looked at.
    Unneeded,
    /// Earlier runs; new ones are kept there.
    Kept(&'a StateDir),
}

/// What is planned for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum World {
    /// This machine, reached at the address or only from itself.
    Laptop(Option<IpAddr>),
    /// An invented Kubernetes that has what the file asks.
    Invented,
}

impl World {
    fn observe(self, cluster: &voip_api::VoipCluster) -> Observed {
        match self {
            Self::Laptop(address) => laptop_world(cluster, address),
            Self::Invented => invented_world(cluster),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// The file.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its content: one line per mistake.
    #[error("{0}")]
    Mistakes(String),
    /// The place for passwords.
    #[error(transparent)]
    State(#[from] StateError),
    /// kubectl.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// The file is for another namespace than the one that was said.
    #[error(
        "the VoipCluster of the file lies in namespace {file}, and -n says {asked}: leave one of them out"
    )]
    OtherNamespace {
        /// As in the file.
        file: String,
        /// As on the command line.
        asked: String,
    },
    /// The system's random source.
    #[error("cannot generate a password: {0}")]
    Random(#[from] getrandom::Error),
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Kubectl(error) => error.into(),
            _ => Self::input(error),
        }
    }
}

/// Loads, validates and plans `file`.
pub(crate) fn plan_file(file: &Path, world: World, generated: Generated<'_>) -> Result<Planned, PlanError> {
    let mut loaded = load(file)?;
    let mut resources = resources(&mut loaded);
    let observed = world.observe(&resources.cluster);
    // Passwords are only made for a file that is right otherwise.
    resources.passwords = passwords(&resources, |_| Ok("unused".to_owned()))?;
    validate(&resources, &observed).map_err(|errors| mistakes(&loaded, &errors))?;
    if let Generated::Kept(state) = generated {
        resources.passwords = kept(&resources, state)?;
    }
    let valid = validate(&resources, &observed).map_err(|errors| mistakes(&loaded, &errors))?;
    let plan = plan(&valid, &observed);
    if !plan.problems.is_empty() {
        return Err(listed(plan.problems.iter().map(|problem| located_problem(&loaded, problem))));
    }
    let advice = plan.advice.iter().map(|problem| located_problem(&loaded, problem)).collect();
    let users = resources.users.iter().map(|user| planned_user(user, &resources)).collect();
    Ok(Planned { loaded, valid, plan, users, advice })
}

fn resources(loaded: &mut Loaded) -> Resources {
    let cluster = loaded.cluster.clone();
    let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
    let mut resources = Resources::new(cluster);
    resources.users = std::mem::take(&mut loaded.users);
    resources.dialplans = std::mem::take(&mut loaded.dialplans);
    for ((secret_namespace, name), content) in std::mem::take(&mut loaded.secrets) {
        if secret_namespace == namespace {
            let content = content.into_iter().map(|(key, value)| (key, SecretValue::new(value)));
            resources.secrets.insert(name, content.collect());
        }
    }
    resources
}

type PasswordMap = std::collections::BTreeMap<String, SecretValue>;

fn passwords(
    resources: &Resources,
    mut of: impl FnMut(&str) -> Result<String, PlanError>,
) -> Result<PasswordMap, PlanError> {
    let users = resources.without_secret();
    users.map(|name| Ok((name.to_owned(), SecretValue::new(of(name)?)))).collect()
}

/// The passwords of earlier runs; new users get one that is kept for later ones.
fn kept(resources: &Resources, state: &StateDir) -> Result<PasswordMap, PlanError> {
    let metadata = &resources.cluster.metadata;
    let cluster = format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    );
    let mut kept: Passwords = state.read_passwords()?;
    let made = passwords(resources, |name| {
        Ok(kept.get_or_insert(&format!("{cluster}/{name}"), random_password)?.to_owned())
    })?;
    state.write_passwords(&kept)?;
    Ok(made)
}

fn planned_user(user: &SipUser, resources: &Resources) -> PlannedUser {
    let name = user.metadata.name.clone().unwrap_or_default();
    let password = if let Some(secret) = &user.spec.password_secret_ref {
        PasswordSource::Secret(secret.name.clone())
    } else {
        let password = resources.passwords.get(&name).map(SecretValue::reveal).unwrap_or_default();
        PasswordSource::Generated(String::from_utf8_lossy(password).into_owned())
    };
    PlannedUser { username: user.spec.username.clone().unwrap_or(name), enabled: user.spec.enabled, password }
}

fn mistakes(loaded: &Loaded, errors: &[FieldError]) -> PlanError {
    listed(errors.iter().map(|error| located(loaded, &error.document, &error.path, error)))
}

fn listed(lines: impl ExactSizeIterator<Item = String>) -> PlanError {
    let mut text = String::new();
    let several = lines.len() > 1;
    if several {
        let _ = write!(text, "{} mistakes:", lines.len());
    }
    for line in lines {
        text.push_str(if several { "\n  " } else { "" });
        text.push_str(&line);
    }
    PlanError::Mistakes(text)
}

fn located_problem(loaded: &Loaded, problem: &Problem) -> String {
    located(loaded, &problem.document, &problem.path, problem)
}

fn located(loaded: &Loaded, document: &str, path: &str, message: &impl fmt::Display) -> String {
    match document.parse::<ObjectId>() {
        Ok(object) => format!("{}: {message}", loaded.place(&object, path)),
        Err(()) => message.to_string(),
    }
}
