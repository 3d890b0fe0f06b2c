//! `voipctl kube`, or `kubectl voip`: each VoipCluster of a Kubernetes, as the user's kubectl shows them.

mod nodes;
mod status;

use crate::cli::kube::{KubeArgs, KubeCommand};
use crate::failure::Failure;
use crate::kubernetes::kubectl::Kubectl;

/// Runs the command.
pub(crate) fn run(args: &KubeArgs) -> Result<(), Failure> {
    let kubectl = Kubectl::new(&args.reach);
    match &args.command {
        KubeCommand::Status(args) => status::run(&kubectl, args),
        KubeCommand::Nodes(args) => nodes::run(&kubectl, args),
    }
}
