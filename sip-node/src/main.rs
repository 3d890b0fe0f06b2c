//! Starts sip-node.

use std::process::ExitCode;

use clap::Parser;

/// Registrar and B2BUA of a VoipCluster.
#[derive(Parser)]
#[command(name = "sip-node", version)]
struct Cli {
    #[command(flatten)]
    args: sip_node::Args,
}

fn main() -> ExitCode {
    sip_node::run(&Cli::parse().args)
}
