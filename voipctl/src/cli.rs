//! The command line: what can be said, nothing of what it does.

pub(crate) mod kube;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;

/// Runs a SIP and media cluster on this machine, and shows what runs.
#[derive(Debug, Parser)]
#[command(
    name = "voipctl",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  voipctl up examples/quickstart.yaml   run a cluster here, until Ctrl-C
  voipctl status --wait 30s             elsewhere: wait until calls are possible
  voipctl call 1002 --as 1001           a call, its audio checked both ways"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    // In `help` rather than a comment: it is no Markdown.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Where up keeps passwords, logs and CDRs, and where the other commands find it \
                [default: $XDG_STATE_HOME/voipctl/default, or ~/.local/state/voipctl/default]"
    )]
    pub(crate) state_dir: Option<PathBuf>,
}

// Made once; a smaller one would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the cluster that FILE describes on this machine, until Ctrl-C
    Up(UpArgs),
    /// Show what up would run, or the Kubernetes objects, without running anything
    Plan(PlanArgs),
    /// Make a call and check its audio
    Call(CallArgs),
    /// Show what runs
    Status(StatusArgs),
    /// Show the call detail records
    Cdrs(CdrsArgs),
    /// Show what runs in a Kubernetes; also kubectl voip
    Kube(kube::KubeArgs),
    /// Run one of the programs
    #[command(hide = true)]
    Run {
        #[command(subcommand)]
        program: RunCommand,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a stream of YAML documents as kubectl apply takes it: one VoipCluster,
SipUsers, Dialplans, Secrets and ConfigMaps. Changes of it are picked up while
it runs, as far as that is possible without ending calls.

Examples:
  voipctl up examples/quickstart.yaml
  voipctl up office.yaml --address 192.168.1.10   phones on the network too
  voipctl up other.yaml --state-dir /tmp/other    a second one, on other ports")]
pub(crate) struct UpArgs {
    /// What to run; - for standard input
    pub(crate) file: PathBuf,
    /// Address of this machine that phones reach [default: 127.0.0.1, for phones on this machine]
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
    /// Show the logs of the programs here too: a level, or target=level,...
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without -o it is what up would run on this machine. With -o it is the objects
that the operator would apply in a Kubernetes that has what FILE asks: nodes
node-1, node-2, .. with the labels that pools select, a load balancer, and
admission that allows the host network. Values of Secrets are not shown. For a
Kubernetes that is there: voipctl kube plan FILE

Examples:
  voipctl plan examples/quickstart.yaml
  voipctl plan office.yaml --address 192.168.1.10
  voipctl plan office.yaml -o yaml
  voipctl plan office.yaml --cluster      as kubectl voip plan office.yaml")]
pub(crate) struct PlanArgs {
    /// What to plan for; - for standard input
    pub(crate) file: PathBuf,
    /// Address of this machine that phones reach [default: 127.0.0.1]
    #[arg(long, value_name = "IP", conflicts_with = "output")]
    pub(crate) address: Option<IpAddr>,
    /// Plan for the Kubernetes that kubectl speaks to, as far as its rights go
    #[arg(long, conflicts_with = "address")]
    pub(crate) cluster: bool,
    /// Print the Kubernetes objects
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<PlanOutput>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The caller is registered for the length of the call, and so is the callee when
nobody has registered it: it then answers and plays audio that the caller knows.
With a foreign phone at the other end the audio is not checked.

Examples:
  voipctl call 1002 --as 1001 --duration 5s
  voipctl call '*43' --as 1001        the echo test
  voipctl call 1002 --as 1001 -o json")]
pub(crate) struct CallArgs {
    /// What to dial
    pub(crate) number: String,
    /// The user who calls
    #[arg(long = "as", value_name = "USER")]
    pub(crate) caller: String,
    /// How long to talk
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse_call)]
    pub(crate) duration: Duration,
    /// Print for machines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: shown, or with --wait ready. 1: not ready in time, or up does not
answer. 2: no up runs.

Examples:
  voipctl status
  voipctl status --wait 30s && voipctl call 1002 --as 1001")]
pub(crate) struct StatusArgs {
    /// Wait until calls are possible, at most this long; also for up to appear
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) wait: Option<Duration>,
    /// Print for machines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Works while up runs and afterwards.

Examples:
  voipctl cdrs
  voipctl cdrs --last 1 -o json")]
pub(crate) struct CdrsArgs {
    /// Only the newest N
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<u32>,
    /// Print for machines
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One JSON document on standard output, nothing else.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// One JSON document on standard output, a List of the objects.
    Json,
    /// A stream of YAML documents.
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// The signaling program
    SipNode(sip_node::Args),
    /// The media program
    MediaNode(media_node::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_narrow_terminal() {
        let mut root = Cli::command();
        root.build();
        for command in std::iter::once(&root).chain(root.get_subcommands()) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{}: {wide:?}", command.get_name());
        }
    }

    #[test]
    fn the_state_directory_may_stand_before_or_after_the_command() {
        for line in ["voipctl --state-dir /s status", "voipctl status --state-dir /s"] {
            let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
            assert_eq!(cli.state_dir, Some(PathBuf::from("/s")));
        }
    }
}
