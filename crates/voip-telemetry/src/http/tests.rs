use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

async fn start(
    health: &Health,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let registry = Registry::new();
    registry.counter("voip_test_total", "Test").unwrap().add(3);
    let shutdown = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(listener, router(health.clone(), registry), shutdown));
    (address, stop, server)
}

async fn get_text(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let health = Health::new(&["listeners", "documents"]);
    let (address, _stop, _server) = start(&health).await;
    health.ready("documents");
    health.not_ready("listeners", "port taken");
    let text = get_text(address, "/readyz").await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.ends_with(r#"{"listeners":"port taken"}"#), "{text}");
    health.ready("listeners");
    assert!(get_text(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(health.is_ready());
}

#[tokio::test]
async fn a_loop_that_stands_still_is_a_dead_process() {
    let health = Health::new(&[]);
    let _turning = health.heartbeat("facts", Duration::from_mins(10));
    let (address, _stop, _server) = start(&health).await;
    assert!(get_text(address, "/healthz").await.ends_with("ok"));
    let heart = health.heartbeat("decisions", Duration::from_millis(20));
    while health.stuck().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(get_text(address, "/healthz").await.ends_with("stuck: decisions"));
    while !health.stuck().is_empty() {
        heart.beat();
    }
}

#[tokio::test]
async fn metrics_are_served() {
    let (address, _stop, _server) = start(&Health::new(&[])).await;
    let text = get_text(address, "/metrics").await;
    assert!(text.contains("voip_test_total 3"), "{text}");
}

#[tokio::test]
async fn the_server_ends_although_a_client_stays_connected() {
    let (address, stop, server) = start(&Health::new(&[])).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap().unwrap();
}
