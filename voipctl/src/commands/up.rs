//! `voipctl up`: one cluster on this machine, from FILE to the last process gone.

mod documents;
mod edits;
mod follow;
mod instructions;
mod programs;
mod ready;
mod sockets;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use voip_telemetry::shutdown::{Signals, signals};

use crate::cli::UpArgs;
use crate::commands::plan;
use crate::failure::Failure;
use crate::planned::{Generated, Planned, World, plan_file};
use crate::show;
use crate::state::{RunFile, StateDir};
use crate::supervise::{Event, Supervisor};

use edits::{Edits, Outcome};
use programs::{SIP_NODE, Sockets};
use ready::Missing;

pub(crate) use sockets::check_address;

/// From the start of the programs to the first call.
const START: Duration = Duration::from_secs(15);
/// From a written document to one that runs: the programs look once a second.
const APPLY: Duration = Duration::from_secs(5);
/// More calls than can be up at once.
const MOST_CALLS: u32 = 100_000;

/// Runs the command.
pub(crate) fn run(state: &StateDir, args: &UpArgs) -> Result<(), Failure> {
    voip_telemetry::logs::init("warn", voip_telemetry::LogFormat::Text).map_err(Failure::failed)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(up(state, args))
}

async fn up(state: &StateDir, args: &UpArgs) -> Result<(), Failure> {
    let address = args.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    check_address(address).map_err(Failure::input)?;
    state.create().map_err(Failure::input)?;
    let _lock = state.lock().map_err(Failure::input)?;
    // Before the file is read, so that no edit after that is missed.
    let edits = Edits::new(&args.file);
    let planned = plan_file(&args.file, World::Laptop(Some(address)), Generated::Kept(state))
        .map_err(Failure::input)?;
    show::print(&plan::text(&planned));
    let sockets = Sockets::of(&planned).map_err(Failure::input)?;
    sockets.check(&planned).map_err(Failure::input)?;
    documents::write(state, &planned.plan.documents).map_err(Failure::failed)?;
    let mut signals = signals(false).map_err(Failure::failed)?;

    let mut running = Running { state, sockets, planned, edits, address, supervisor: Supervisor::new() };
    let result = match running.start(args, &mut signals).await {
        Ok(Start::Ready) => running.serve(&mut signals).await,
        Ok(Start::Interrupted) => Ok(()),
        Err(failure) => Err(failure),
    };
    running.stop(&mut signals).await;
    result
}

/// How the start ended when it did not fail.
enum Start {
    Ready,
    Interrupted,
}

/// A cluster from its first process to its last.
struct Running<'a> {
    state: &'a StateDir,
    sockets: Sockets,
    planned: Planned,
    edits: Edits,
    address: IpAddr,
    supervisor: Supervisor,
}

impl Running<'_> {
    /// Starts the programs and waits until calls are possible.
    async fn start(&mut self, args: &UpArgs, signals: &mut Signals) -> Result<Start, Failure> {
        for program in programs::programs(self.state, &self.planned, &self.sockets, args.log.as_deref())? {
            if args.log.is_some() {
                tokio::spawn(follow::follow(program.name.clone(), program.log.clone()));
            }
            self.supervisor.keep(program).map_err(Failure::failed)?;
        }
        let pods = self.planned.plan.media.iter();
        let nodes: BTreeMap<String, u32> = pods.map(|pod| (pod.name.to_string(), pod.capacity)).collect();
        tokio::select! {
            ready = ready::wait(self.sockets.http, &nodes, START) => {
                ready.map_err(|missing| self.not_ready(missing))?;
            }
            event = self.supervisor.next() => return Err(self.died_at_start(event)),
            _ = signals.next() => return Ok(Start::Interrupted),
        }
        self.state.write_run_file(&self.run_file()).map_err(Failure::failed)?;
        show::print(&instructions::text(&self.planned, &self.sockets, self.state));
        Ok(Start::Ready)
    }

    /// Until a signal comes.
    async fn serve(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        loop {
            tokio::select! {
                _ = signals.next() => return Ok(()),
                event = self.supervisor.next() => show::print(&self.tell(&event)),
                () = self.edits.changed() => self.apply().await?,
            }
        }
    }

    /// Takes over what FILE says now, or says why not.
    async fn apply(&mut self) -> Result<(), Failure> {
        let file = self.edits.file().display().to_string();
        let wanted = match plan_file(
            self.edits.file(),
            World::Laptop(Some(self.address)),
            Generated::Kept(self.state),
        ) {
            Ok(wanted) => wanted,
            Err(error) => {
                show::complain(&format!(
                    "error: {error}\n{file} is not applied, the last good one keeps running"
                ));
                return Ok(());
            }
        };
        match edits::compare(&self.planned, &wanted) {
            Outcome::Same => return Ok(()),
            Outcome::Restart(fields) => {
                let fields = fields.join(", ");
                show::complain(&format!("{file} is not applied: restart up to apply {fields}"));
                return Ok(());
            }
            Outcome::Hot(changes) => {
                documents::write(self.state, &wanted.plan.documents).map_err(Failure::failed)?;
                let documents = &wanted.plan.documents;
                let fingerprints = [documents.sip.fingerprint.as_str(), documents.users.fingerprint.as_str()];
                match ready::wait_applied(self.sockets.http, &fingerprints, APPLY).await {
                    Ok(()) => {
                        show::print(&format!("\n{file} is applied: {}\n", changes.join(", ")));
                        show::print(&instructions::new_users(&self.planned, &wanted));
                    }
                    Err(reason) => {
                        show::complain(&format!("{file} is written, but does not run yet: {reason}"));
                    }
                }
            }
        }
        self.planned = wanted;
        self.state.write_run_file(&self.run_file()).map_err(Failure::failed)
    }

    /// Ends everything, within 5 s; at once on a second signal.
    async fn stop(self, signals: &mut Signals) {
        let from = unix_ms();
        let hurry = async {
            signals.next().await;
        };
        self.supervisor.stop(SIP_NODE, hurry).await;
        self.state.remove_run_file();
        show::print(&format!("stopped: {} ended\n", show::count(calls_ended(self.state, from), "call")));
    }

    fn not_ready(&self, missing: Missing) -> Failure {
        let logs = self.state.logs();
        Failure::input(match missing {
            Missing::Yet(what) => {
                format!("not ready after {} s: {what}; the logs are in {}", START.as_secs(), logs.display())
            }
            Missing::Ports { node, ports, room, planned } => format!(
                "media-node {node} has room for {room} of {planned} calls: other programs have taken ports in {ports}: \
                 stop them, or change {}",
                programs::place(&self.planned, "spec.network.portRange")
            ),
        })
    }

    fn died_at_start(&self, event: Event) -> Failure {
        match event {
            Event::Ended { name, how, last_words, .. } => {
                let reason = last_words.unwrap_or_else(|| "it did not say why".to_owned());
                let log = programs::log_file(self.state, &name);
                Failure::input(format!(
                    "{name} ended at its start ({how}): {reason}\nits log is {}",
                    log.display()
                ))
            }
            Event::Restarted { name } => Failure::failed(format!("{name} was started twice")),
            Event::NotRestarted { reason, .. } => Failure::failed(reason),
        }
    }

    fn tell(&self, event: &Event) -> String {
        match event {
            Event::Ended { name, how, last_words, pause } => {
                let words =
                    last_words.as_ref().map(|words| format!("\n  it said last: {words}")).unwrap_or_default();
                let log = programs::log_file(self.state, name);
                let pause = pause.as_secs_f32();
                format!(
                    "{name} died ({how}), starts again in {pause} s; its log is {}{words}\n",
                    log.display()
                )
            }
            Event::Restarted { name } => format!("{name} is started again\n"),
            Event::NotRestarted { reason, pause } => {
                format!("{reason}; next try in {} s\n", pause.as_secs_f32())
            }
        }
    }

    fn run_file(&self) -> RunFile {
        instructions::run_file(&self.planned, &self.sockets, self.state)
    }
}

/// Calls that ended at Unix time `from`, in milliseconds, or later. Counted from their records, which are exact, while
/// the status is a moment old.
fn calls_ended(state: &StateDir, from: u64) -> u32 {
    let records = sip_node::cdr::read(&state.cdrs(), MOST_CALLS).unwrap_or_default();
    let ended = records.iter().filter(|record| record.ended_at_ms.is_some_and(|ended| ended >= from)).count();
    u32::try_from(ended).unwrap_or(u32::MAX)
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Nothing to wait for.
async fn never() {
    pending::<()>().await;
}

/// The executable that is running, also when its file has been replaced since.
fn executable() -> std::io::Result<PathBuf> {
    let image = PathBuf::from("/proc/self/exe");
    if image.exists() { Ok(image) } else { std::env::current_exe() }
}
