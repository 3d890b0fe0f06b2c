//! Measures what a relayed RTP packet costs: media-node beside a relay that does nothing but receive and send.
//!
//! The relay runs on CPU 0, the phones on CPU 1. Its CPU time is read from the scheduler while calls of 2 x 50
//! packets a second pass, and divided by the packets that came out. Runs of both are interleaved; medians are
//! printed. Loopback figures compare programs with each other and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod floor;
mod node;
mod phones;
mod process;

use phones::{Outcome, Phones};
use process::Relay;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the table
    Relay {
        /// The program to measure
        #[arg(long, default_value = "target/release/media-node")]
        node: PathBuf,
        /// Calls at a time, one row each
        #[arg(long, value_delimiter = ',', default_value = "100,500")]
        calls: Vec<u16>,
        /// Length of a run
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Runs per figure
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// The cheapest relay: started by the other command, told its sockets on standard input
    Floor,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Floor => floor::run(),
        Command::Relay { node, calls, seconds, runs } => {
            println!("| calls | relay | CPU per packet | of the floor | lost | p50 | p99 |");
            println!("|---|---|---|---|---|---|---|");
            for calls in calls {
                row(&node, calls, Duration::from_secs(seconds), runs)?;
            }
            Ok(())
        }
    }
}

fn row(node: &std::path::Path, calls: u16, length: Duration, runs: usize) -> Result<()> {
    let (mut ours, mut cheapest) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let phones = Phones::bind(calls)?;
        let started = node::start(node, &phones)?;
        ours.push(measure(&started, phones, length)?);
        let phones = Phones::bind(calls)?;
        let started = floor::start(&phones)?;
        cheapest.push(measure(&started, phones, length)?);
    }
    let (ours, cheapest) = (median(ours), median(cheapest));
    let share = ours.cpu_us_per_packet / cheapest.cpu_us_per_packet;
    print(calls, "media-node", &ours, share);
    print(calls, "floor", &cheapest, 1.0);
    Ok(())
}

/// Lets calls run for a second, then counts for `length`.
fn measure(relay: &Relay, mut phones: Phones, length: Duration) -> Result<Measured> {
    process::pin_to(1)?;
    phones.connect(&relay.ports)?;
    phones.run(Duration::from_secs(1))?;
    let before = relay.cpu()?;
    let outcome = phones.run(length)?;
    let cpu = relay.cpu()?.saturating_sub(before);
    let packets = outcome.received.max(1) as f64;
    Ok(Measured { cpu_us_per_packet: cpu.as_secs_f64() * 1e6 / packets, outcome })
}

struct Measured {
    cpu_us_per_packet: f64,
    outcome: Outcome,
}

fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.cpu_us_per_packet.total_cmp(&b.cpu_us_per_packet));
    runs.swap_remove(runs.len() / 2)
}

fn print(calls: u16, relay: &str, measured: &Measured, share: f64) {
    let Outcome { sent, received, .. } = measured.outcome;
    let lost = sent.saturating_sub(received) as f64 * 100.0 / sent.max(1) as f64;
    let (p50, p99) = (measured.outcome.latency(50), measured.outcome.latency(99));
    let cost = measured.cpu_us_per_packet;
    println!("| {calls} | {relay} | {cost:.2} us | {share:.2} | {lost:.3} % | {p50:.0?} | {p99:.0?} |");
}
