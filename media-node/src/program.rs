//! The program from its arguments to its end: what is started in which order, and the loop that feeds control.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use media_core::session::Addresses;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use voip_contract::Incarnation;
use voip_contract::config::MediaDocument;
use voip_contract::node_admin::NodeOrder;
use voip_grpc::tls::{Reloading, TlsError};
use voip_grpc::{Security, Server};
use voip_telemetry::shutdown::{self, Signals};
use voip_telemetry::{Health, Registry};

use crate::args::Args;
use crate::control::link::{LinkEvent, keep_dialling};
use crate::control::{Control, Identity, PAIRS_PER_CALL, PORTS_PART, Parts, SIP_NODE_PART};
use crate::document::{DocumentError, DocumentFile};
use crate::engine::{Engine, Event};
use crate::metrics::{self, Figures};
use crate::ports::BoundPorts;
use crate::prompts::Prompts;
use crate::report::{DocumentState, Reports};
use crate::{cpu, files};

/// Announcements, orphans and the document are looked at this often.
const TICK: Duration = Duration::from_secs(1);
/// Events from streams that wait for control; a full queue stops reading from sip-nodes.
const LINK_QUEUE: usize = 1024;
/// Events from relay threads that wait for control; they keep what finds no room.
const ENGINE_QUEUE: usize = 4096;
/// Orders that wait for control.
const ORDER_QUEUE: usize = 4;
/// How long sip-nodes may take to read the last that they were told.
const LINGER: Duration = Duration::from_secs(2);
/// Events taken in one go before others have their turn.
const BURST: usize = 64;

/// Why media-node cannot start or go on.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// The document at start cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The log filter is none.
    #[error(transparent)]
    Logs(#[from] voip_telemetry::logs::LogError),
    /// RTP cannot be bound there.
    #[error("--bind {address}: {source}")]
    Bind {
        /// The address.
        address: IpAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The health endpoint's port is taken or not ours.
    #[error("--http {address}: {source}")]
    Http {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The port for operators is taken or not ours.
    #[error("--admin {address}: {source}")]
    Admin {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates at start cannot be used.
    #[error("--tls {}: {source}", directory.display())]
    Tls {
        /// Where they are.
        directory: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// The system refused threads, signals or randomness.
    #[error("{action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A metric of ours is malformed.
    #[error(transparent)]
    Metrics(#[from] voip_telemetry::metrics::MetricsError),
    /// A relay thread has ended; its calls are silent, so others must take over.
    #[error("a relay thread has died")]
    RelayDied,
}

impl ProgramError {
    /// 2 for what the user can mend in arguments or documents, else 1.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Document(_)
            | Self::Logs(_)
            | Self::Bind { .. }
            | Self::Http { .. }
            | Self::Admin { .. }
            | Self::Tls { .. } => ExitCode::from(2),
            Self::System { .. } | Self::Metrics(_) | Self::RelayDied => ExitCode::FAILURE,
        }
    }
}

/// Runs media-node until it is told to end. Errors go to stderr, as one line.
pub fn run(args: &Args) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("media-node: {error}");
            error.exit_code()
        }
    }
}

fn try_run(args: &Args) -> Result<(), ProgramError> {
    voip_telemetry::logs::init(&args.log, args.log_format)?;
    // One thread: control, streams and health are little work, and waking a second thread costs more than it saves.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(system("start the control threads"))?;
    let result = runtime.block_on(serve(args));
    // Look-ups of names cannot be cancelled; they must not hold the end.
    runtime.shutdown_background();
    result
}

fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> ProgramError {
    move |source| ProgramError::System { action, source }
}

async fn serve(args: &Args) -> Result<(), ProgramError> {
    let (file, document) = DocumentFile::load(&args.config)?;
    let http = TcpListener::bind(args.http).await;
    let http = http.map_err(|source| ProgramError::Http { address: args.http, source })?;
    let security = security(args)?;
    let mut signals = shutdown::signals(args.exit_with_stdin).map_err(system("install signal handlers"))?;
    let (health, registry) = (Health::new(&[PORTS_PART, SIP_NODE_PART]), Registry::new());
    let (events, engine_events) = mpsc::channel(ENGINE_QUEUE);
    let control = start(args, &document, &events, &health, &registry)?;
    let (links, link_events) = mpsc::channel(LINK_QUEUE);
    for peer in &args.sip_nodes {
        tokio::spawn(keep_dialling(peer.clone(), security.clone(), links.clone()));
    }
    let document = DocumentState { fingerprint: document.fingerprint, rejected: None };
    let reports = Reports::new(&control, &document);
    let orders = serve_operators(args, &security, &reports).await?;
    let (stop_http, http_stopped) = oneshot::channel::<()>();
    let router = voip_telemetry::http::router(health.clone(), registry);
    let server = tokio::spawn(voip_telemetry::http::serve(http, router, async {
        let _ = http_stopped.await;
    }));
    let mut running = Running { control, args, file, document, reports, engine_events, link_events, orders };
    let result = running.until_told(&mut signals).await;
    drop(stop_http);
    let _ = server.await;
    result
}

fn security(args: &Args) -> Result<Security, ProgramError> {
    let Some(directory) = &args.tls else { return Ok(Security::Plaintext) };
    let reloading = Reloading::load(directory)
        .map_err(|source| ProgramError::Tls { directory: directory.clone(), source })?;
    Ok(Security::Reloading(Arc::new(reloading)))
}

/// What operators order; without `--admin` nobody can.
async fn serve_operators(
    args: &Args,
    security: &Security,
    reports: &Reports,
) -> Result<mpsc::Receiver<NodeOrder>, ProgramError> {
    let (given, orders) = mpsc::channel(ORDER_QUEUE);
    let Some(address) = args.admin else { return Ok(orders) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ProgramError::Admin { address, source })?;
    let server = Server::new(listener, security.clone()).operators(reports.subscribe(), given);
    tokio::spawn(async move {
        if let Err(error) = server.run(std::future::pending()).await {
            tracing::error!(%error, "operators are no longer served");
        }
    });
    Ok(orders)
}

fn start(
    args: &Args,
    document: &MediaDocument,
    events: &mpsc::Sender<Event>,
    health: &Health,
    registry: &Registry,
) -> Result<Control, ProgramError> {
    let figures = Figures::register(registry)?;
    let (prompts, errors) = Prompts::load(args.prompts.as_deref());
    for error in errors {
        tracing::warn!(%error, "a prompt cannot be played");
    }
    let calls_by_files = files::raise_limit().saturating_sub(files::OTHERS) / (PAIRS_PER_CALL as u64 * 2);
    let ports = BoundPorts::probe(args.bind, args.ports)
        .map_err(|source| ProgramError::Bind { address: args.bind, source })?;
    let workers = args.workers.map_or_else(cpu::relay_threads, usize::from);
    let engine = Engine::start(workers, args.name.as_str(), events, health)
        .map_err(system("start the relay threads"))?;
    metrics::register_relays(registry, engine.counters())?;
    let incarnation = getrandom::u64().map_err(|error| std::io::Error::other(error.to_string()));
    let identity = Identity {
        node: args.name.clone(),
        incarnation: Incarnation(incarnation.map_err(system("choose an incarnation"))?),
        pool: args.pool.clone(),
        ports: (args.ports.first, args.ports.last),
        calls: args.calls,
        calls_by_files: u32::try_from(calls_by_files).unwrap_or(u32::MAX),
    };
    tracing::info!(node = %identity.node, incarnation = %identity.incarnation, workers, "media-node starts");
    Ok(Control::new(Parts {
        identity,
        engine,
        ports,
        prompts: Arc::new(prompts),
        addresses: addresses(args, document),
        orphan_after: orphan_after(document),
        health: health.clone(),
        figures,
    }))
}

/// The inside address is that of the sockets, where it is a particular one.
fn addresses(args: &Args, document: &MediaDocument) -> Addresses {
    let inside = if args.bind.is_unspecified() { Vec::new() } else { vec![args.bind] };
    Addresses { outside: vec![args.advertised()], inside, local: document.local_cidrs.clone() }
}

fn orphan_after(document: &MediaDocument) -> Duration {
    Duration::from_secs(u64::from(document.orphan_seconds))
}

/// Waits for ever when there is nothing to wait for.
async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nobody has asked for it.
    No,
    /// When the last call has ended or the time is over.
    WithTheCalls,
    /// When the streams have ended.
    Lingering {
        /// Or then.
        until: Instant,
    },
}

impl Ending {
    fn is_over(self, alone: bool) -> bool {
        matches!(self, Self::Lingering { until } if alone || Instant::now() >= until)
    }
}

/// The program while it runs.
struct Running<'a> {
    control: Control,
    args: &'a Args,
    file: DocumentFile,
    document: DocumentState,
    reports: Reports,
    engine_events: mpsc::Receiver<Event>,
    link_events: mpsc::Receiver<LinkEvent>,
    orders: mpsc::Receiver<NodeOrder>,
}

impl Running<'_> {
    /// Feeds control until a signal, and then until the calls have ended or the time for that is over. A second
    /// signal ends at once.
    async fn until_told(&mut self, signals: &mut Signals) -> Result<(), ProgramError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = Ending::No;
        loop {
            tokio::select! {
                cause = signals.next() => {
                    tracing::info!(?cause, sessions = self.control.sessions(), "told to end");
                    if ending != Ending::No {
                        return Ok(());
                    }
                    self.control.end_within(Duration::from_secs(self.args.drain));
                    ending = Ending::WithTheCalls;
                }
                () = passed(self.control.drain_ends_in()), if !self.control.is_over() => {
                    self.control.end_drained();
                }
                Some(event) = self.engine_events.recv() => self.engine_burst(event)?,
                Some(event) = self.link_events.recv() => self.link_burst(event),
                Some(order) = self.orders.recv() => self.control.order(order),
                _ = tick.tick() => self.tick(),
            }
            self.control.announce_changes();
            self.reports.publish_changes(&self.control, &self.document);
            ending = self.next(ending);
            if ending.is_over(self.control.is_alone()) {
                tracing::info!("ends");
                return Ok(());
            }
        }
    }

    fn tick(&mut self) {
        self.poll_document();
        self.control.on_tick();
        self.reports.publish(&self.control, &self.document);
    }

    /// Once there is nothing left to wait for, the sip-nodes are given the time to read what they were told last.
    fn next(&mut self, ending: Ending) -> Ending {
        if ending == Ending::WithTheCalls && (self.control.is_idle() || self.control.is_over()) {
            self.control.hang_up();
            return Ending::Lingering { until: Instant::now() + LINGER };
        }
        ending
    }

    fn engine_burst(&mut self, first: Event) -> Result<(), ProgramError> {
        let mut next = Some(first);
        for _ in 0..BURST {
            let Some(event) = next else { break };
            if !self.control.on_engine(event) {
                return Err(ProgramError::RelayDied);
            }
            next = self.engine_events.try_recv().ok();
        }
        match next.map(|event| self.control.on_engine(event)) {
            Some(false) => Err(ProgramError::RelayDied),
            _ => Ok(()),
        }
    }

    fn link_burst(&mut self, first: LinkEvent) {
        self.control.on_link(first);
        for _ in 0..BURST {
            let Ok(event) = self.link_events.try_recv() else { return };
            self.control.on_link(event);
        }
    }

    fn poll_document(&mut self) {
        match self.file.poll() {
            None => {}
            Some(Ok(document)) => {
                tracing::info!(fingerprint = %document.fingerprint, "a new document runs");
                self.control.set_document(addresses(self.args, &document), orphan_after(&document));
                self.document = DocumentState { fingerprint: document.fingerprint, rejected: None };
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the new document is refused; the last good one stays");
                self.control.document_rejected();
                self.document.rejected = Some(error.to_string());
            }
        }
    }
}
