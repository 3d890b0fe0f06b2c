//! Starts media-node.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    media_node::run(&media_node::Args::parse())
}
