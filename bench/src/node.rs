//! media-node with its calls set up: this program plays the sip-node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::mpsc;
use voip_contract::media::{FromMediaNode, LegSpec, MediaOperation, MediaOutcome, MediaRequest, ToMediaNode};
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId};
use voip_grpc::media::NodeStream;
use voip_grpc::{Security, Server};

use crate::phones::Phones;
use crate::process::{Relay, pin_to};

/// An address of its own, so that the range is free.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 99, 0, 1);

/// Starts `program` on CPU 0 with one relay thread and joins the phones two by two.
pub(crate) fn start(program: &Path, phones: &Phones) -> Result<Relay> {
    let directory = std::env::temp_dir().join(format!("voip-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let document =
        r#"{"version":1,"fingerprint":"0","cluster":"bench/bench","localCidrs":[],"orphanSeconds":60}"#;
    std::fs::write(directory.join("media.json"), document)?;
    pin_to(1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind((ADDRESS, 0)))?;
    let calls = phones.sockets.len() / 2;
    pin_to(0)?;
    let child = Command::new(program)
        .args(["--name", "bench", "--workers", "1", "--log", "error", "--exit-with-stdin", "--config"])
        .arg(&directory)
        .args(["--bind", &ADDRESS.to_string(), "--ports", "20000-29999", "--calls", &calls.to_string()])
        .args(["--sip-node", &listener.local_addr()?.to_string(), "--http", &format!("{ADDRESS}:0")])
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    pin_to(1)?;
    let mut relay = Relay { child, ports: Vec::new(), keep: None };
    relay.ports = runtime.block_on(join_all(listener, phones))?;
    relay.keep = Some(runtime);
    std::fs::remove_dir_all(&directory)?;
    Ok(relay)
}

async fn join_all(listener: tokio::net::TcpListener, phones: &Phones) -> Result<Vec<SocketAddr>> {
    let (sender, mut streams) = mpsc::channel(1);
    let server = Server::new(listener, Security::Plaintext).media_nodes(sender);
    tokio::spawn(server.run(std::future::pending()));
    let mut stream = streams.recv().await.context("media-node dials")?;
    stream.outbound.send(ToMediaNode::Welcome { incarnation: Incarnation(1) }).await?;
    let mut ports = Vec::new();
    for (call, pair) in phones.sockets.chunks(2).enumerate() {
        let [caller, callee] = pair else { bail!("an odd phone") };
        let spec = |leg| LegSpec { leg: LegId(leg), source: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let offer = MediaOperation::Offer { from: spec(0), to: spec(1), sdp: sdp(caller.local_addr()?) };
        let answer = MediaOperation::Answer {
            from: spec(1),
            to: spec(0),
            sdp: sdp(callee.local_addr()?),
            provisional: false,
        };
        let for_callee = ask(&mut stream, call, 2 * call, offer).await?;
        let for_caller = ask(&mut stream, call, 2 * call + 1, answer).await?;
        ports.extend([media_address(&for_caller)?, media_address(&for_callee)?]);
    }
    // Read on, so that media-node keeps its stream.
    tokio::spawn(async move { while let Some(Ok(_)) = stream.inbound.next().await {} });
    Ok(ports)
}

async fn ask(
    stream: &mut NodeStream,
    call: usize,
    ticket: usize,
    operation: MediaOperation,
) -> Result<MediaOutcome> {
    let (session, ticket) = (CallId(call as u128), ticket as u64);
    let request =
        MediaRequest { ticket, session, epoch: Epoch(1), generation: Generation(1), operation, record: None };
    stream.outbound.send(ToMediaNode::Request(request)).await?;
    loop {
        match stream.inbound.next().await.context("media-node answers")?? {
            FromMediaNode::Reply(reply) if reply.ticket == ticket => {
                return reply.result.map_err(|refusal| anyhow!("media-node refuses: {refusal:?}"));
            }
            _ => {}
        }
    }
}

fn sdp(phone: SocketAddr) -> Vec<u8> {
    let (ip, port) = (phone.ip(), phone.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
    .into_bytes()
}

fn media_address(outcome: &MediaOutcome) -> Result<SocketAddr> {
    let sdp = String::from_utf8(outcome.sdp.clone().context("a body")?)?;
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).context("audio")?;
    let port = line.split(' ').next().context("a port")?.parse()?;
    Ok(SocketAddr::new(IpAddr::V4(ADDRESS), port))
}
