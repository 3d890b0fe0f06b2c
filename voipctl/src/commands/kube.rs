//! `voipctl kube`, or `kubectl voip`: each VoipCluster of a Kubernetes, as the user's kubectl shows it.

mod calls;
mod drain;
mod nodes;
mod plan;
mod status;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::PlanOutput;
use crate::cli::kube::{KubeArgs, KubeCommand, PlanArgs, Reach};
use crate::failure::Failure;
use crate::kubernetes::kubectl::Kubectl;

/// Runs the command.
pub(crate) fn run(args: &KubeArgs) -> Result<(), Failure> {
    let kubectl = Kubectl::new(&args.reach);
    match &args.command {
        KubeCommand::Status(args) => status::run(&kubectl, args),
        KubeCommand::Nodes(args) => nodes::run(&kubectl, args),
        KubeCommand::Plan(args) => plan::run(&kubectl, args),
        KubeCommand::Calls(args) => until_signal(calls::run(&kubectl, args)),
        KubeCommand::Drain(args) => until_signal(drain::run(&kubectl, args)),
    }
}

/// `voipctl plan FILE --cluster`: in the current context, and the namespace of that.
pub(crate) fn plan_with_context(file: &Path, output: Option<PlanOutput>) -> Result<(), Failure> {
    plan::run(&Kubectl::new(&Reach::default()), &PlanArgs { file: file.to_owned(), output })
}

/// A command that has a child: a signal ends the command rather than this process, and with it the child.
fn until_signal(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut signals = voip_telemetry::shutdown::signals(false).map_err(Failure::failed)?;
        tokio::select! {
            result = command => result,
            _ = signals.next() => Err(Failure::failed("ended by a signal")),
        }
    })
}

fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
