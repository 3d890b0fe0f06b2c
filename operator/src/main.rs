//! Starts the operator.

use std::process::ExitCode;

use clap::Parser as _;
use voip_operator::args::Args;
use voip_operator::run::run;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
