//! The program from its arguments to its exit code: opens everything, starts the threads, waits, ends in order.

mod end;
mod open;

use std::process::ExitCode;

use voip_telemetry::{logs, shutdown};

use crate::args::Args;
use crate::cdr::CdrError;
use crate::config::ConfigError;
use crate::files;
use crate::http::TokenError;
use crate::transport::BindError;

/// Why the program ended by itself.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Logs(#[from] logs::LogError),
    #[error("--bind {0} names no address that phones could be told: add --advertise IP")]
    NoAddress(std::net::IpAddr),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Documents(#[from] call_core::config::ConfigError),
    #[error("--tls: {0}")]
    Tls(#[from] voip_grpc::tls::TlsError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("--state {}: {source}", path.display())]
    State { path: std::path::PathBuf, source: std::io::Error },
    #[error("--state {}: another sip-node runs on it", .0.display())]
    StateTaken(std::path::PathBuf),
    #[error(transparent)]
    Cdr(#[from] CdrError),
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Metrics(#[from] voip_telemetry::metrics::MetricsError),
    #[error("cannot start {what}: {source}")]
    Start { what: &'static str, source: std::io::Error },
    #[error("{0}: ended unexpectedly")]
    Died(&'static str),
}

impl RunError {
    /// Whether the user can mend it: arguments, documents, ports, the state directory.
    fn is_users(&self) -> bool {
        !matches!(self, Self::Random(_) | Self::Metrics(_) | Self::Start { .. } | Self::Died(_))
    }
}

/// Runs until SIGTERM or SIGINT. 0 then; 2 when arguments, documents, ports or the state directory cannot be used,
/// with one line on stderr; 1 for anything else.
pub fn run(args: &Args) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sip-node: {error}");
            ExitCode::from(if error.is_users() { 2 } else { 1 })
        }
    }
}

fn try_run(args: &Args) -> Result<(), RunError> {
    logs::init(&args.log, args.log_format)?;
    files::raise_limit();
    // One thread: streams, HTTP and reloads are little work, and waking a second thread costs more than it saves.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|source| RunError::Start { what: "the runtime", source })?;
    let result = runtime.block_on(async {
        let signals = shutdown::signals(args.exit_with_stdin)
            .map_err(|source| RunError::Start { what: "the signal handlers", source })?;
        end::serve(open::open(args)?, signals, args).await
    });
    // A task that hangs on a slow client must not hold up the end.
    runtime.shutdown_background();
    result
}
