//! Opens everything that may be refused before anything runs: documents, state, ports, then the threads.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use call_core::Switch;
use call_core::config::{AdvertisedListener, Limits, SwitchConfig};
use call_core::event::Documents;
use sip_core::{Endpoint, EndpointConfig};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use voip_contract::Incarnation;
use voip_grpc::tls::{Reloading, TlsError};
use voip_grpc::{Security, Server};
use voip_telemetry::{Health, Registry};

use super::RunError;
use crate::admin::Admin;
use crate::args::Args;
use crate::cdr::{CDR_DATABASE, CdrWriter};
use crate::clock::Clock;
use crate::config::{self, Watch};
use crate::decide::{Board, Control, Decider, Parts, Post, Posts, Snapshot, inbox};
use crate::facts::FactLog;
use crate::http::{self, Token};
use crate::media::MediaInput;
use crate::metrics::{self, Totals};
use crate::sent_by::sent_by;
use crate::store::MemoryStore;
use crate::threads::Threads;
use crate::transport::{BindError, UdpListener};

/// What `Server` and `User-Agent` say.
const SERVER: &str = concat!("voip-operator/", env!("CARGO_PKG_VERSION"));
/// A decision thread that has not turned for this long is stuck.
const STUCK: Duration = Duration::from_secs(10);
/// Held while a sip-node runs on a state directory.
const LOCK: &str = "sip-node.lock";

/// Everything that runs, and what is still to be served.
pub(super) struct Opened {
    pub(super) incarnation: Incarnation,
    pub(super) health: Health,
    pub(super) router: axum::Router,
    pub(super) http: TcpListener,
    /// The gRPC port, for media-nodes and operators.
    pub(super) peers: Server,
    pub(super) admin: Admin,
    pub(super) watch: Watch,
    pub(super) control: Post<Control>,
    pub(super) media: Post<MediaInput>,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) cdrs: CdrWriter,
    pub(super) log: FactLog,
    pub(super) decider: JoinHandle<()>,
    /// Names of threads that have ended.
    pub(super) ended: mpsc::UnboundedReceiver<&'static str>,
    /// Unlocked when dropped.
    pub(super) _lock: File,
}

/// Must be called inside the runtime.
pub(super) fn open(args: &Args) -> Result<Opened, RunError> {
    let advertised = args.advertised().ok_or(RunError::NoAddress(args.bind))?;
    let loaded = config::load(&args.config)?;
    let security = security(args.tls.as_deref())?;
    let token = args.api_token.as_deref().map(Token::open).transpose()?;
    let lock = lock(&args.state)?;
    let listeners = bind_listeners(args.bind, &loaded.documents)?;
    let http = bind_tcp(args.http, "--http")?;
    let peers = Server::new(bind_tcp(args.peers, "--peers")?, security);
    let (seed, incarnation) = random()?;
    let endpoint = Endpoint::new(endpoint_config(advertised, &loaded.documents, seed, incarnation));
    let switch = Switch::new(
        switch_config(args.bind, advertised, &loaded.documents, seed, incarnation),
        &loaded.documents,
    )?;

    let (threads, ended) = Threads::new();
    let (cdrs, cdr_queue) = CdrWriter::start(&threads, &args.state.join(CDR_DATABASE), cdr_log(args))?;
    let registry = Registry::new();
    let start = |what| move |source| RunError::Start { what, source };
    let (log, facts) = FactLog::start(&threads, cdr_queue).map_err(start("the thread for facts"))?;
    let (posts, inbox) = inbox().map_err(start("the queues"))?;
    let Posts { media, control } = posts;
    let (board, snapshot) = Board::new();
    let watch = Watch::new(args.config.clone(), &loaded);
    let totals = Totals {
        snapshot: snapshot.clone(),
        config: watch.state(),
        cdrs: cdrs.counters(),
        facts_dropped: log.dropped(),
    };
    metrics::register(&registry, totals)?;

    let health = Health::new(&["decisions"]);
    let heartbeat = health.heartbeat("decisions", STUCK);
    let clock = Clock::start();
    let parts = Parts {
        clock,
        advertised,
        listeners,
        endpoint,
        switch,
        inbox,
        store: MemoryStore::default(),
        facts,
        board,
        fingerprints: loaded.fingerprints,
        heartbeat,
    };
    let decider =
        threads.spawn("decisions", || Decider::new(parts).run()).map_err(start("the decision thread"))?;
    let admin = Admin {
        name: args.name.to_string(),
        incarnation,
        snapshot: snapshot.clone(),
        config: watch.state(),
        control: control.clone(),
    };
    let sources =
        http::Sources { snapshot: snapshot.clone(), config: watch.state(), control: control.clone() };
    let router = http::router(health.clone(), registry, sources, token);
    Ok(Opened {
        incarnation,
        health,
        router,
        http,
        peers,
        admin,
        watch,
        control,
        media,
        snapshot,
        cdrs,
        log,
        decider,
        ended,
        _lock: lock,
    })
}

/// Makes the state directory and takes it for this process: two writers would close each other's calls as lost.
fn lock(directory: &Path) -> Result<File, RunError> {
    let failed = |source| RunError::State { path: directory.to_owned(), source };
    // CDRs say who called whom: nobody else's business.
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::StateTaken(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn bind_listeners(bind: IpAddr, documents: &Documents) -> Result<Vec<UdpListener>, BindError> {
    let listeners = documents.sip.listeners.iter();
    listeners
        .map(|listener| UdpListener::bind(SocketAddr::new(bind, listener.port), &listener.name))
        .collect()
}

fn bind_tcp(address: SocketAddr, option: &str) -> Result<TcpListener, BindError> {
    let failed = |source| BindError::new(address, format!("{option}, TCP"), source);
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(listener).map_err(failed)
}

/// Without certificates everybody is let in: that is for loopback.
fn security(directory: Option<&Path>) -> Result<Security, TlsError> {
    let Some(directory) = directory else { return Ok(Security::Plaintext) };
    Ok(Security::Reloading(Arc::new(Reloading::load(directory)?)))
}

/// Where final CDRs are printed, if anywhere.
fn cdr_log(args: &Args) -> Option<Box<dyn Write + Send>> {
    args.cdr_log.then(|| -> Box<dyn Write + Send> { Box::new(std::io::stdout()) })
}

/// All randomness of this run.
fn random() -> Result<([u8; 32], Incarnation), RunError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(RunError::Random)?;
    Ok((seed, Incarnation(getrandom::u64().map_err(RunError::Random)?)))
}

fn endpoint_config(
    advertised: IpAddr,
    documents: &Documents,
    seed: [u8; 32],
    incarnation: Incarnation,
) -> EndpointConfig {
    EndpointConfig {
        incarnation: incarnation.0,
        seed,
        sent_by: sent_by(advertised, &documents.sip.listeners),
        user_agent: SERVER.to_owned(),
        limits: sip_core::Limits::default(),
    }
}

fn switch_config(
    bind: IpAddr,
    advertised: IpAddr,
    documents: &Documents,
    seed: [u8; 32],
    incarnation: Incarnation,
) -> SwitchConfig {
    let inside = if bind.is_unspecified() { advertised } else { bind };
    let listeners = documents.sip.listeners.iter();
    SwitchConfig {
        incarnation,
        seed,
        listeners: listeners
            .map(|listener| AdvertisedListener {
                outside: (advertised, listener.port),
                inside: (inside, listener.port),
            })
            .collect(),
        limits: Limits::default(),
        server: SERVER.to_owned(),
    }
}
