//! `voipctl`: runs a cluster on this machine (`up`) and shows what runs, here or in a Kubernetes (`kube`). One executable holds the programs too, so
//! that `up` has nothing to look for.

mod cli;
mod commands;
mod duration;
mod failure;
mod http;
mod kubernetes;
mod load;
mod planned;
mod show;
mod state;
mod supervise;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::kube::Plugin;
use cli::{Cli, Command, RunCommand};
use failure::Failure;
use state::StateDir;

fn main() -> ExitCode {
    if is_plugin() {
        return finish(commands::kube::run(&Plugin::parse().kube));
    }
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run { program: RunCommand::SipNode(args) } => return sip_node::run(&args),
        Command::Run { program: RunCommand::MediaNode(args) } => return media_node::run(&args),
        Command::Kube(args) => commands::kube::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Up(args) => state_dir(cli.state_dir).and_then(|state| commands::up::run(&state, &args)),
        Command::Call(args) => state_dir(cli.state_dir).and_then(|state| commands::call::run(&state, &args)),
        Command::Status(args) => {
            state_dir(cli.state_dir).and_then(|state| commands::status::run(&state, &args))
        }
        Command::Cdrs(args) => state_dir(cli.state_dir).and_then(|state| commands::cdrs::run(&state, &args)),
    };
    finish(result)
}

/// kubectl runs `kubectl-voip` for `kubectl voip`.
fn is_plugin() -> bool {
    let program = std::env::args_os().next();
    program.is_some_and(|program| Path::new(&program).file_stem().is_some_and(|name| name == "kubectl-voip"))
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error gone the exit code has to say it all.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}

fn state_dir(given: Option<std::path::PathBuf>) -> Result<StateDir, Failure> {
    StateDir::new(given).map_err(Failure::input)
}
