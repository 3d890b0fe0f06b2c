//! `kubectl voip plan`: what the operator would do in this Kubernetes if FILE were applied.

use std::fmt::Write;

use voip_plan::{DrainCause, Order};

use crate::cli::kube::PlanArgs;
use crate::commands::plan::{print_objects, release, text};
use crate::failure::Failure;
use crate::kubernetes::kubectl::Kubectl;
use crate::planned::kubernetes::{InKubernetes, plan_in};
use crate::show;

/// Runs the command.
pub(crate) fn run(kubectl: &Kubectl, args: &PlanArgs) -> Result<(), Failure> {
    let InKubernetes { planned, problems, unseen, release } = plan_in(&args.file, kubectl, release())?;
    if let Some(format) = args.output {
        print_objects(&planned, &release, format)?;
        for line in problems.iter().map(|it| format!("problem: {it}")).chain(unseen) {
            show::complain(&line);
        }
        return Ok(());
    }
    let mut all = text(&planned);
    for order in &planned.plan.orders {
        let _ = write!(all, "\n{}", show::wrapped("", &told(order)));
    }
    for problem in problems {
        let _ = write!(all, "\n{}", show::wrapped("", &format!("problem: {problem}")));
    }
    for line in unseen {
        let _ = write!(all, "\n{}", show::wrapped("", &format!("not seen: {line}")));
    }
    show::print(&all);
    Ok(())
}

fn told(order: &Order) -> String {
    match order {
        Order::Drain { pod, seconds, cause } => {
            format!("first: drain pod {pod} within {seconds} s, because {}", why(*cause))
        }
        Order::Return { pod } => format!("first: let pod {pod} take calls again"),
        Order::DeletePod { pod, .. } => format!("first: replace pod {pod}, which has no calls"),
        Order::DeleteDaemonSet { name } => format!("first: delete DaemonSet {name}, whose pod has no calls"),
    }
}

fn why(cause: DrainCause) -> &'static str {
    match cause {
        DrainCause::NodeLeaves => "its node is cordoned or is taken away",
        DrainCause::Asked => "somebody asked for it",
        DrainCause::Update => "a newer template waits",
        DrainCause::Removed => "it is not wanted any more, or its ports must move",
    }
}
