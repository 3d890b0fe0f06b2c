//! Runs `kubectl` and reads what it says. It must not know what is asked for.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::kube::Reach;
use crate::failure::Failure;

/// For one request; a slow admission webhook may take 30 s.
const PATIENCE: &str = "--request-timeout=35s";

/// How kubectl begins to say that it has no cluster, or does not reach it.
const UNREACHABLE: [&str; 7] = [
    "The connection to the server ",
    "Unable to connect to the server",
    "Error in configuration: ",
    "error: stat ",
    "error: You must be logged in to the server",
    "error: current-context",
    "error: context ",
];

/// kubectl, and where it looks.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    reach: Reach,
}

/// What kubectl could not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubectlError {
    /// It is not installed.
    #[error(
        "there is no kubectl in PATH, and nothing but kubectl is used to reach a Kubernetes: \
         install it (https://kubernetes.io/docs/tasks/tools/)"
    )]
    Missing,
    /// It could not be run.
    #[error("cannot run kubectl: {0}")]
    Run(#[source] io::Error),
    /// The custom resources are unknown.
    #[error(
        "this Kubernetes knows no {0}: install the chart voip-operator in it, or choose another with --context"
    )]
    NotInstalled(String),
    /// The user lacks a right.
    #[error("cannot {verb} {resource}: {said}: whoever administers this Kubernetes can allow it")]
    Forbidden {
        /// `list`
        verb: String,
        /// `pods`
        resource: String,
        /// In the words of the API server.
        said: String,
    },
    /// There is no such object.
    #[error("{0}")]
    NotFound(String),
    /// Somebody else wrote in between.
    #[error("{0}")]
    Conflict(String),
    /// kubectl has no cluster, or does not reach it.
    #[error(
        "kubectl reaches no Kubernetes: {0}: check `kubectl config get-contexts`, --context and --kubeconfig"
    )]
    Unreachable(String),
    /// Anything else.
    #[error("kubectl {command}: {said}")]
    Failed {
        /// What it was told.
        command: String,
        /// What it said.
        said: String,
    },
    /// Its answer is not understood.
    #[error("kubectl {command} answers in a form that this voipctl does not know: {source}")]
    Unknown {
        /// What it was told.
        command: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl From<KubectlError> for Failure {
    fn from(error: KubectlError) -> Self {
        match error {
            KubectlError::Missing | KubectlError::NotInstalled(_) | KubectlError::NotFound(_) => {
                Self::input(error)
            }
            _ => Self::failed(error),
        }
    }
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

impl Kubectl {
    /// Looks where the user says.
    pub(crate) fn new(reach: &Reach) -> Self {
        Self { reach: reach.clone() }
    }

    /// Looks in `namespace`.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        let namespace = Some(namespace.to_owned());
        Self { reach: Reach { namespace, ..self.reach.clone() } }
    }

    /// The namespace that was said.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.reach.namespace.as_deref()
    }

    /// Where kubectl puts what names no namespace: what was said, else what the context says.
    pub(crate) fn default_namespace(&self) -> String {
        if let Some(said) = self.namespace() {
            return said.to_owned();
        }
        // Without any context there is nothing to be seen, which the next request tells better.
        let of_context = self.run(&["config", "view", "--minify", "-o", "jsonpath={..namespace}"], "");
        let of_context = of_context.ok().map(|name| name.trim().to_owned());
        of_context.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned())
    }

    /// `kubectl get WHAT`, one object.
    pub(crate) fn get<T: DeserializeOwned>(&self, what: &[&str]) -> Result<T, KubectlError> {
        let arguments = [&["get"], what, &["-o", "json"]].concat();
        let text = self.run(&arguments, "")?;
        serde_json::from_str(&text)
            .map_err(|source| KubectlError::Unknown { command: format!("get {}", what.join(" ")), source })
    }

    /// `kubectl get WHAT`, a list.
    pub(crate) fn list<T: DeserializeOwned>(&self, what: &[&str]) -> Result<Vec<T>, KubectlError> {
        self.get::<List<T>>(what).map(|list| list.items)
    }

    /// Standard output of `kubectl ARGUMENTS`.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Result<String, KubectlError> {
        let mut child = self
            .command(arguments)
            .arg(PATIENCE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start_error)?;
        if let Some(mut stdin) = child.stdin.take() {
            // kubectl may end without having read it; what it says tells why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(KubectlError::Run)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(refusal(&arguments.join(" "), &String::from_utf8_lossy(&output.stderr)))
    }

    /// `kubectl ARGUMENTS`, to be started by the caller.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(arguments);
        let Reach { namespace, context, kubeconfig } = &self.reach;
        for (flag, value) in
            [("--namespace", namespace), ("--context", context), ("--kubeconfig", kubeconfig)]
        {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        command
    }
}

/// Why a program did not start.
pub(crate) fn start_error(error: io::Error) -> KubectlError {
    if error.kind() == io::ErrorKind::NotFound { KubectlError::Missing } else { KubectlError::Run(error) }
}

/// The error that kubectl means by what it says on standard error.
pub(crate) fn refusal(command: &str, stderr: &str) -> KubectlError {
    let last = what_went_wrong(stderr);
    if let Some(said) = last.strip_prefix("Error from server (NotFound): ") {
        return KubectlError::NotFound(said.to_owned());
    }
    if let Some(said) = last.strip_prefix("Error from server (Conflict): ") {
        return KubectlError::Conflict(said.to_owned());
    }
    if let Some(forbidden) = forbidden(last) {
        return forbidden;
    }
    if let Some((_, kind)) = last.split_once("doesn't have a resource type ") {
        return KubectlError::NotInstalled(kind.trim_matches('"').to_owned());
    }
    if UNREACHABLE.iter().any(|start| last.starts_with(start)) {
        return KubectlError::Unreachable(last.strip_prefix("error: ").unwrap_or(last).to_owned());
    }
    let said = last.strip_prefix("error: ").unwrap_or(last).to_owned();
    KubectlError::Failed { command: command.to_owned(), said }
}

/// kubectl may log before, and it may take several lines.
fn what_went_wrong(stderr: &str) -> &str {
    let text = stderr.trim();
    let is_start = |line: &str| line.starts_with("error") || line.starts_with("Error");
    let starts = text.match_indices('\n').map(|(at, _)| at + 1).chain([0]);
    let start = starts.filter(|at| text.get(*at..).is_some_and(is_start)).max();
    let said = start.and_then(|at| text.get(at..)).or_else(|| text.lines().next_back());
    said.unwrap_or("it failed without a word")
}

/// `... is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope`. Admission says
/// Forbidden too, but of no verb.
fn forbidden(line: &str) -> Option<KubectlError> {
    let (_, said) = line.strip_prefix("Error from server (Forbidden): ")?.split_once(" is forbidden: ")?;
    let (_, denied) = said.split_once(" cannot ")?;
    let (verb, rest) = denied.split_once(" resource \"")?;
    let (resource, _) = rest.split_once('"')?;
    let (verb, resource) = (verb.to_owned(), resource.to_owned());
    Some(KubectlError::Forbidden { verb, resource, said: said.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> String {
        refusal("get pods", stderr).to_string()
    }

    #[test]
    fn a_right_that_is_missing_is_named_with_what_it_is_for() {
        let line = "Error from server (Forbidden): nodes is forbidden: User \"u\" cannot list resource \"nodes\" in API \
                    group \"\" at the cluster scope\n";
        assert!(said(line).starts_with("cannot list nodes: User \"u\" cannot list"), "{}", said(line));
    }

    #[test]
    fn what_admission_forbids_is_no_missing_right() {
        let line = "Error from server (Forbidden): error when creating \"STDIN\": pods \"a\" is forbidden: violates \
                    PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)";
        assert!(matches!(refusal("create", line), KubectlError::Failed { .. }));
    }

    #[test]
    fn a_kubernetes_without_the_resources_is_told_from_one_that_is_not_reached() {
        let unknown = said("error: the server doesn't have a resource type \"voipclusters\"");
        assert!(unknown.contains("knows no voipclusters: install the chart"), "{unknown}");
        for line in [
            "E1 memcache.go:265] noise\nThe connection to the server x:1 was refused - did you specify the right host or port?",
            "error: stat /nonexistent: no such file or directory",
            "error: context \"nope\" does not exist",
            "Error in configuration: context was not found for specified context: nope",
            "error: You must be logged in to the server (Unauthorized)",
        ] {
            assert!(said(line).starts_with("kubectl reaches no Kubernetes: "), "{}", said(line));
        }
    }

    #[test]
    fn anything_else_is_passed_on() {
        assert_eq!(said("error: unknown flag: --x"), "kubectl get pods: unknown flag: --x");
        assert_eq!(
            said("Warning: w\nError from server: a webhook denied the request: one\ntwo\n"),
            "kubectl get pods: Error from server: a webhook denied the request: one\ntwo"
        );
        assert_eq!(said(""), "kubectl get pods: it failed without a word");
    }
}
