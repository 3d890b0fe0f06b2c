//! The life of the process: client, health, leadership, work, shutdown.
//!
//! It must not know what is done for a VoipCluster.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{Stream, StreamExt as _, stream};
use kube::Client;
use kube::runtime::applier;
use kube::runtime::controller::{self, Action};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tower::timeout::TimeoutLayer;
use voip_api::VoipCluster;
use voip_plan::ReservedPorts;
use voip_plan::objects::Release;
use voip_telemetry::{Health, Registry, http, logs, shutdown};

use crate::args::Args;
use crate::context::{Context, Settings};
use crate::leader::{self, Leadership};
use crate::metrics::{Metrics, MetricsLayer};
use crate::node_admin::Sessions;
use crate::reconcile::{reconcile, unix_ms};
use crate::world::{Scope, watch_all};
use crate::{ClusterKey, FIELD_MANAGER, orphans};

/// How often ports of VoipClusters that are gone are looked for.
const COLLECT: Duration = Duration::from_secs(30);
/// VoipClusters of a scope that are looked at at once.
const AT_ONCE: u16 = 4;
/// A connection to the API server that brings nothing for so long was cut without a word. A watch of which nothing
/// changes hears a bookmark every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// How long looks that have begun may take once the process is told to end.
const LINGER: Duration = Duration::from_secs(10);
/// Longest wait for the API server to begin an answer: a connection that is half open would hold a VoipCluster for
/// minutes. The answer to a watch begins at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// VoipClusters of which something was heard that wait to be passed on.
const WAKES: usize = 64;
/// The part of readiness that is the API server.
const API: &str = "kubernetes";

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log filter is none.
    #[error("--log: {0}")]
    Log(#[from] logs::LogError),
    /// The process cannot have threads or signals.
    #[error("start: {0}")]
    Start(#[source] std::io::Error),
    /// The port for health and metrics is taken.
    #[error("--http {address}: {source}")]
    Http {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no API server to speak to.
    #[error("find the API server: {0}; run it in a pod, or set KUBECONFIG")]
    Kubernetes(#[from] kube::Error),
    /// There is no configuration of one.
    #[error("find the API server: {0}; run it in a pod, or set KUBECONFIG")]
    Config(#[from] kube::config::InferConfigError),
    /// Leadership cannot be asked for.
    #[error("leader election: {0}")]
    Leader(#[from] leader::LeaderError),
    /// A metric is registered twice.
    #[error(transparent)]
    Metrics(#[from] voip_telemetry::metrics::MetricsError),
}

/// Runs until it is told to end.
pub fn run(args: &Args) -> Result<(), RunError> {
    logs::init(&args.log, args.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &Args) -> Result<(), RunError> {
    let mut signals = shutdown::signals(false).map_err(RunError::Start)?;
    let (registry, health) = (Registry::new(), Health::new(&[API]));
    let metrics = Metrics::new(&registry)?;
    let mut config = kube::Config::infer().await?;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let namespace = config.default_namespace.clone();
    let client = kube::client::ClientBuilder::try_from(config)?
        .with_layer(&TimeoutLayer::new(PATIENCE))
        .with_layer(&MetricsLayer::new(metrics.clone()))
        .build();
    let refused = |source| RunError::Http { address: args.http, source };
    let listener = TcpListener::bind(args.http).await.map_err(refused)?;
    tracing::info!(address = %listener.local_addr().map_err(refused)?, "health and metrics are served");
    let (end, mut ended) = watch::channel(false);
    let web = http::serve(listener, http::router(health.clone(), registry), async move {
        drop(ended.wait_for(|over| *over).await);
    });
    let web = tokio::spawn(web);
    let work = lead(args, &namespace, client, metrics, health, end.subscribe());
    let mut work = std::pin::pin!(work);
    let result = tokio::select! {
        result = &mut work => result,
        cause = signals.next() => {
            tracing::info!(?cause, "ending");
            end.send_replace(true);
            tokio::time::timeout(LINGER, work).await.unwrap_or(Ok(()))
        }
    };
    end.send_replace(true);
    drop(web.await);
    result
}

/// Leads again and again, until `ending`.
async fn lead(
    args: &Args,
    namespace: &str,
    client: Client,
    metrics: Metrics,
    health: Health,
    mut ending: watch::Receiver<bool>,
) -> Result<(), RunError> {
    client.apiserver_version().await?;
    health.ready(API);
    let mut leadership = Leadership::new(args, namespace, &client).await?;
    loop {
        let epoch = tokio::select! {
            epoch = leadership.gained() => epoch?,
            _ = ending.wait_for(|over| *over) => break,
        };
        tracing::info!(epoch = epoch.0, "leading");
        metrics.leads(true);
        let settings = Settings {
            release: Release {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                signaling_image: args.signaling_image.clone(),
                media_image: args.media_image.clone(),
            },
            reserved: ReservedPorts {
                node_ports: Some(args.node_ports.0),
                ephemeral: Some(args.ephemeral_ports.0),
            },
            resync: args.resync(),
            epoch,
        };
        let over = tokio::select! {
            over = work(&client, &args.watch_namespaces, &settings, &metrics, ending.clone()) => over,
            () = leadership.lost() => {
                tracing::warn!("leadership was lost");
                false
            }
        };
        metrics.leads(false);
        if over {
            break;
        }
    }
    leadership.release().await;
    Ok(())
}

/// Does everything until `ending`; looks that have begun are finished. False: it is to begin anew.
async fn work(
    client: &Client,
    namespaces: &[String],
    settings: &Settings,
    metrics: &Metrics,
    ending: watch::Receiver<bool>,
) -> bool {
    let (shared, scopes, watching) = watch_all(client, namespaces);
    let recorder = Recorder::new(
        client.clone(),
        Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("HOSTNAME").ok() },
    );
    let (woken, wakes) = mpsc::channel(WAKES);
    let sessions = Sessions::new(woken);
    let heard = pass_on(wakes, scopes.clone());
    let runs = scopes.into_iter().map(|scope| {
        let context = Context {
            client: client.clone(),
            shared: shared.clone(),
            scope,
            settings: settings.clone(),
            answers: Arc::default(),
            sessions: sessions.clone(),
            recorder: recorder.clone(),
            metrics: metrics.clone(),
            memories: std::sync::Mutex::default(),
        };
        run_scope(Arc::new(context), ending.clone())
    });
    tokio::select! {
        _ = join_all(runs) => true,
        () = watching => false,
        () = heard => true,
    }
}

/// Looks again at VoipClusters whose programs said something new.
async fn pass_on(mut heard: mpsc::Receiver<ClusterKey>, scopes: Vec<Scope>) {
    while let Some(cluster) = heard.recv().await {
        for scope in scopes.iter().filter(|scope| scope.serves(&cluster.namespace)) {
            scope.wakes.wake(cluster.clone());
        }
    }
}

async fn run_scope(context: Arc<Context>, mut ending: watch::Receiver<bool>) {
    let wakes = context.scope.wakes.clone();
    let woken = stream::unfold(wakes, |wakes| async move {
        let woken = wakes.next().await;
        Some((stream::iter(woken), wakes))
    });
    let metrics = context.metrics.clone();
    let woken = woken.flatten().map(move |key| {
        metrics.waits(&key);
        Ok::<_, Infallible>(reference(&key))
    });
    let woken = woken.take_until(async move { drop(ending.wait_for(|over| *over).await) });
    let looks = applier(
        |cluster, context| Box::pin(reconcile(cluster, context)),
        |_, error: &Infallible, _| -> Action { match *error {} },
        Arc::clone(&context),
        context.scope.clusters.store(),
        woken.boxed(),
        controller::Config::default().concurrency(AT_ONCE),
    );
    // Beside each other: many ports to give back, or a server that is slow to take them, hold up no look.
    let gone = Notify::new();
    tokio::select! {
        () = follow(looks, &context, &gone) => {}
        () = collect(&gone, || orphans::collect(&context, unix_ms(OffsetDateTime::now_utc()))) => {}
    }
}

/// Gives back ports of VoipClusters that are gone: now and then, and when one went.
async fn collect<F: Future<Output = ()>>(gone: &Notify, give_back: impl Fn() -> F) {
    let mut now_and_then = tokio::time::interval(COLLECT);
    now_and_then.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = now_and_then.tick() => {}
            () = gone.notified() => now_and_then.reset(),
        }
        give_back().await;
    }
}

type Look = Result<(ObjectRef<VoipCluster>, Action), controller::Error<Infallible, Infallible>>;

async fn follow(looks: impl Stream<Item = Look>, context: &Context, went: &Notify) {
    let mut looks = std::pin::pin!(looks);
    while let Some(look) = looks.next().await {
        if let Err(controller::Error::ObjectNotFound(gone)) = look {
            went.notify_one();
            context.forget(&ClusterKey { namespace: gone.namespace.unwrap_or_default(), name: gone.name });
        }
        let leases = context.shared.leases.all();
        context.metrics.leases.set(leases.iter().map(|object| object.spec.leases.len() as u64).sum());
    }
}

fn reference(key: &ClusterKey) -> ObjectRef<VoipCluster> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ports_are_given_back_at_once_when_a_cluster_went_and_else_every_thirty_seconds() {
        let (gone, times, began) = (Notify::new(), Cell::new(0), tokio::time::Instant::now());
        let seen = async {
            for (at, expected) in [(1, 1), (29, 1), (31, 2), (41, 3), (69, 3), (72, 4)] {
                tokio::time::sleep_until(began + Duration::from_secs(at)).await;
                assert_eq!(times.get(), expected, "after {at} s");
                if at == 31 {
                    tokio::time::sleep_until(began + Duration::from_secs(40)).await;
                    gone.notify_one();
                }
            }
        };
        let give_back = || async { times.set(times.get() + 1) };
        tokio::select! {
            () = seen => {}
            () = collect(&gone, give_back) => unreachable!("it never ends"),
        }
    }
}
