//! What can be said to `voipctl kube`, which is `kubectl voip` when the executable is called by that name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{Output, PlanOutput};

/// `kubectl voip`: the same as `voipctl kube`, with kubectl's name for it in the help.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-voip",
    bin_name = "kubectl voip",
    version,
    max_term_width = 100,
    about = "Shows what runs in a Kubernetes"
)]
pub(crate) struct Plugin {
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Everything is asked through kubectl, with its rights. ln -s voipctl kubectl-voip
in a directory of PATH makes a kubectl plugin of it: kubectl voip status

Examples:
  kubectl voip status
  kubectl voip nodes office -n voip
  kubectl voip drain w1")]
pub(crate) struct KubeArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: KubeCommand,
}

/// Which Kubernetes, and what in it; kubectl is given the same.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Reach {
    /// Namespace of the VoipCluster [default: that of the context]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: as kubectl finds it]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KubeCommand {
    /// Show conditions, addresses, capacity, load, and what to do next
    Status(ShowArgs),
    /// Show all media-nodes
    Nodes(ShowArgs),
    /// Show the calls that last
    Calls(ShowArgs),
    /// Empty the media-nodes on some nodes: no new calls, then wait for those that are left
    Drain(DrainArgs),
    /// Show what the operator would do if a file were applied
    Plan(PlanArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The VoipCluster; may be left out where there is only one in the namespace
    pub(crate) name: Option<String>,
    /// Print for machines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The plan rests on what kubectl shows: nodes, leases, what runs, and what
admission says to a dry run. What may not be seen is named. No Secret is read.

Examples:
  kubectl voip plan office.yaml
  kubectl voip plan office.yaml -o yaml")]
pub(crate) struct PlanArgs {
    /// A file as voipctl plan takes it; - for standard input
    pub(crate) file: PathBuf,
    /// Print the objects that the operator would apply
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<PlanOutput>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The calls that are left end after drain.timeoutSeconds of the VoipCluster at the
latest. The nodes stay empty until --undo.

Examples:
  kubectl voip drain w1 w2
  kubectl voip drain office w1 --no-wait
  kubectl voip drain w1 --undo")]
pub(crate) struct DrainArgs {
    /// The nodes; before them the VoipCluster, which may be left out where there is only one in the namespace
    #[arg(required = true, value_name = "[NAME] NODE")]
    pub(crate) words: Vec<String>,
    /// Let them take calls again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do not wait until they are empty
    #[arg(long, conflicts_with = "undo")]
    pub(crate) no_wait: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Plugin::command().debug_assert();
    }

    #[test]
    fn help_fits_a_narrow_terminal() {
        for command in Plugin::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{}: {wide:?}", command.get_name());
        }
    }

    #[test]
    fn where_to_look_may_be_said_before_or_after_the_command() {
        for line in ["kubectl-voip -n a --context c status", "kubectl-voip status --namespace a --context c"]
        {
            let Plugin { kube } = Plugin::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(
                (kube.reach.namespace.as_deref(), kube.reach.context.as_deref()),
                (Some("a"), Some("c"))
            );
        }
    }
}
