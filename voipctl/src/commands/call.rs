//! `voipctl call`: a call through the cluster that runs, its audio checked at both ends.

mod parties;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use softphone::{Call, CallOptions, EndReason, Phone, PhoneError};

use crate::cli::{CallArgs, Output};
use crate::failure::Failure;
use crate::show;
use crate::state::StateDir;

use parties::{FarEnd, Parties};
use report::Report;

/// How long phones register for: longer than any step here, short enough to be forgotten soon after a crash.
const REGISTER: Duration = Duration::from_mins(1);
/// How long it may ring. Dialplans ring for 30 s unless they say otherwise.
const RING: Duration = Duration::from_mins(1);
/// From hanging up to the end of the call.
const HANG_UP: Duration = Duration::from_secs(5);
/// Between looks at Ctrl-C while something else is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs the command.
pub(crate) fn run(state: &StateDir, args: &CallArgs) -> Result<(), Failure> {
    let run = state.read_run_file().map_err(Failure::input)?;
    let parties = Parties::find(state, &run, args)?;
    let interrupted = interrupted()?;
    let report = make(&parties, args, &interrupted).map_err(Failure::failed)?;
    match args.output {
        Some(Output::Json) => show::print(&show::json(&report)),
        None => show::print(&report.text(args, &parties)),
    }
    report.verdict().map_or(Ok(()), |problem| Err(Failure::failed(problem)))
}

/// Registers, calls, talks, hangs up. An error when it did not come to a call.
fn make(parties: &Parties, args: &CallArgs, interrupted: &AtomicBool) -> Result<Report, PhoneError> {
    let callee = match &parties.far_end {
        FarEnd::Ours(config) => Some(start(config.as_ref().clone())?),
        FarEnd::Foreign | FarEnd::Echo | FarEnd::Announcement => None,
    };
    let caller = start(parties.caller.clone())?;
    let options =
        CallOptions { ring_timeout: Some(RING), expect: parties.caller_expects(), ..CallOptions::default() };
    let call = caller.call(&args.number, options)?;
    if let Err(error) = wait_answered(&call, interrupted) {
        return Ok(Report::failed(&call, &error));
    }
    // The callee's phone has answered already, or somebody else has.
    let answered = callee.as_ref().and_then(|phone| phone.incoming(Duration::from_secs(1)).ok());
    let ended = talk(&call, args.duration, interrupted);
    // Fails when the far side was faster: over is over.
    let _ = call.hangup();
    let _ = call.wait_ended(HANG_UP);
    if let Some(answered) = &answered {
        let _ = answered.wait_ended(HANG_UP);
    }
    let problem = match ended.filter(|_| parties.last_until_we_hang_up()) {
        Some(reason) => Some(format!("the call ended before it was hung up: {reason}")),
        None => interrupted.load(Ordering::Relaxed).then(|| "interrupted".to_owned()),
    };
    Ok(Report::finished(&call, answered.as_ref(), problem))
}

fn start(config: softphone::PhoneConfig) -> Result<Phone, PhoneError> {
    let phone = Phone::start(config)?;
    phone.register(REGISTER)?;
    Ok(phone)
}

fn wait_answered(call: &Call, interrupted: &AtomicBool) -> Result<(), PhoneError> {
    let deadline = Instant::now() + RING + HANG_UP;
    loop {
        match call.wait_answered(LOOK_EVERY) {
            Err(PhoneError::Waited { .. }) if Instant::now() < deadline => {}
            result => return result,
        }
        if interrupted.load(Ordering::Relaxed) {
            call.hangup()?;
            call.wait_ended(HANG_UP)?;
        }
    }
}

/// Until `duration` is over, Ctrl-C, or the call ends: why it does.
fn talk(call: &Call, duration: Duration, interrupted: &AtomicBool) -> Option<EndReason> {
    let deadline = Instant::now() + duration;
    while !interrupted.load(Ordering::Relaxed) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        if let Ok(reason) = call.wait_ended(left.min(LOOK_EVERY)) {
            return Some(reason);
        }
    }
    None
}

/// Set by the first Ctrl-C or SIGTERM; the call is hung up then. A second one ends the process.
fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&flag);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let mut signals = {
        let _guard = runtime.enter();
        voip_telemetry::shutdown::signals(false).map_err(Failure::failed)?
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                signals.next().await;
                shared.store(true, Ordering::Relaxed);
                signals.next().await;
                std::process::exit(1);
            });
        })
        .map_err(Failure::failed)?;
    Ok(flag)
}
