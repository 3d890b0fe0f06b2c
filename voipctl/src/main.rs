//! `voipctl`: runs a cluster on this machine (`up`) and shows what runs. One executable holds the programs too, so
//! that `up` has nothing to look for.

mod cli;
mod commands;
mod duration;
mod failure;
mod http;
mod load;
mod planned;
mod show;
mod state;
mod supervise;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, RunCommand};
use failure::Failure;
use state::StateDir;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run { program: RunCommand::SipNode(args) } => return sip_node::run(&args),
        Command::Run { program: RunCommand::MediaNode(args) } => return media_node::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Up(args) => state_dir(cli.state_dir).and_then(|state| commands::up::run(&state, &args)),
        Command::Call(args) => state_dir(cli.state_dir).and_then(|state| commands::call::run(&state, &args)),
        Command::Status(args) => {
            state_dir(cli.state_dir).and_then(|state| commands::status::run(&state, &args))
        }
        Command::Cdrs(args) => state_dir(cli.state_dir).and_then(|state| commands::cdrs::run(&state, &args)),
    };
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
