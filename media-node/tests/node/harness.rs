//! Starts the real program, plays its sip-node, and holds the phones.
//!
//! Each node has a loopback address of its own, so that tests share no port.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use voip_contract::media::{
    Announcement, FromMediaNode, LegSpec, MediaNotice, MediaOperation, MediaOutcome, MediaRefusal,
    MediaRequest, ToMediaNode,
};
use voip_contract::{CallId, Epoch, Generation, Incarnation, LegId};
use voip_grpc::media::NodeStream;
use voip_grpc::{Security, Server};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const FIRST_PORT: u16 = 20_000;
pub(crate) const ADMIN_PORT: u16 = 7001;
pub(crate) const CALLER: LegId = LegId(0);
pub(crate) const CALLEE: LegId = LegId(1);

/// Fails the test when `work` takes longer than anything should.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, 100 + high % 100, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How a node is started.
pub(crate) struct Setup {
    pub(crate) ports: u16,
    pub(crate) calls: u32,
    pub(crate) orphan_seconds: u32,
    pub(crate) extra: Vec<String>,
    /// Ports that another program has when the node starts.
    pub(crate) foreign: Vec<u16>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { ports: 64, calls: 8, orphan_seconds: 60, extra: Vec::new(), foreign: Vec::new() }
    }
}

/// A running media-node and the address where its sip-node is expected.
pub(crate) struct Node {
    pub(crate) address: Ipv4Addr,
    pub(crate) directory: PathBuf,
    child: Child,
    _foreign: Vec<std::net::UdpSocket>,
}

impl Node {
    pub(crate) fn start(setup: &Setup) -> Self {
        let address = fresh_address();
        let directory = std::env::temp_dir().join(format!("media-node-test-{address}"));
        std::fs::create_dir_all(&directory).unwrap();
        write_document(&directory, setup.orphan_seconds);
        let foreign =
            setup.foreign.iter().map(|port| std::net::UdpSocket::bind((address, *port)).unwrap()).collect();
        let last = FIRST_PORT + setup.ports - 1;
        let child = Command::new(env!("CARGO_BIN_EXE_media-node"))
            .args(["--name", "default-0", "--pool", "default", "--config"])
            .arg(&directory)
            .args(["--bind", &address.to_string(), "--ports", &format!("{FIRST_PORT}-{last}")])
            .args(["--calls", &setup.calls.to_string(), "--sip-node", &format!("{address}:7000")])
            .args(["--admin", &format!("{address}:{ADMIN_PORT}")])
            .args(["--http", &format!("{address}:8080"), "--exit-with-stdin", "--log", "warn"])
            .args(&setup.extra)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { address, directory, child, _foreign: foreign }
    }

    pub(crate) fn write_document(&self, orphan_seconds: u32) {
        write_document(&self.directory, orphan_seconds);
    }

    /// Body of a GET, and whether the status was 200.
    pub(crate) async fn get(&self, path: &str) -> Option<(bool, String)> {
        let mut stream = TcpStream::connect((self.address, 8080)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.starts_with("HTTP/1.1 200"), body.to_owned()))
    }

    pub(crate) async fn wait_for(&self, path: &str, what: &str, good: impl Fn(bool, &str) -> bool) {
        soon(what, async {
            while !self.get(path).await.is_some_and(|(ok, body)| good(ok, &body)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> Option<u64> {
        let (_, text) = self.get("/metrics").await?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    pub(crate) async fn wait_for_metric(&self, name: &str, value: u64) {
        soon(name, async {
            while self.metric(name).await != Some(value) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The end of its standard input.
    pub(crate) fn close_input(&mut self) {
        self.child.stdin.take();
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) async fn exit(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = soon("the end of media-node", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        (status, began.elapsed())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn write_document(directory: &std::path::Path, orphan_seconds: u32) {
    let document = format!(
        r#"{{"version":1,"fingerprint":"00","cluster":"voip/test","localCidrs":[],"orphanSeconds":{orphan_seconds}}}"#
    );
    // Renamed into place, so that no half of it is read.
    let fresh = directory.join("media.json.new");
    std::fs::write(&fresh, document).unwrap();
    std::fs::rename(fresh, directory.join("media.json")).unwrap();
}

/// The sip-node that the node dials.
pub(crate) struct SipNode {
    pub(crate) incarnation: Incarnation,
    stream: NodeStream,
    streams: mpsc::Receiver<NodeStream>,
    _serving: oneshot::Sender<()>,
    next_ticket: u64,
    notices: VecDeque<MediaNotice>,
}

impl SipNode {
    /// Listens where `node` dials, waits for it, and says who it is.
    pub(crate) async fn start(node: &Node, incarnation: u64) -> Self {
        Self::start_with(node, incarnation, Security::Plaintext).await
    }

    pub(crate) async fn start_with(node: &Node, incarnation: u64, security: Security) -> Self {
        let listener = soon("the port of the sip-node", async {
            loop {
                match TcpListener::bind((node.address, 7000)).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await;
        let (sender, mut streams) = mpsc::channel(4);
        let (serving, ended) = oneshot::channel::<()>();
        let server = Server::new(listener, security).media_nodes(sender);
        tokio::spawn(server.run(async {
            let _ = ended.await;
        }));
        let stream = soon("media-node", streams.recv()).await.unwrap();
        let incarnation = Incarnation(incarnation);
        let sip_node = Self {
            incarnation,
            stream,
            streams,
            _serving: serving,
            next_ticket: 1,
            notices: VecDeque::new(),
        };
        sip_node.send(ToMediaNode::Welcome { incarnation }).await;
        sip_node
    }

    /// Drops the stream. What media-node dials next waits for [`SipNode::reconnect`].
    pub(crate) fn disconnect(&mut self) {
        self.stream.outbound = mpsc::channel(1).0;
    }

    /// Drops the stream and takes the next one that media-node opens.
    pub(crate) async fn reconnect(&mut self) {
        self.disconnect();
        self.stream = soon("media-node to dial again", self.streams.recv()).await.unwrap();
        self.send(ToMediaNode::Welcome { incarnation: self.incarnation }).await;
    }

    pub(crate) async fn send(&self, message: ToMediaNode) {
        self.stream.outbound.send(message).await.unwrap();
    }

    pub(crate) async fn claim(&self, sessions: &[CallId]) {
        self.send(ToMediaNode::Claim { sessions: sessions.to_vec() }).await;
    }

    async fn receive(&mut self) -> FromMediaNode {
        soon("a message of media-node", self.stream.inbound.next()).await.expect("an open stream").unwrap()
    }

    pub(crate) async fn ask(
        &mut self,
        session: CallId,
        generation: u32,
        operation: MediaOperation,
    ) -> Result<MediaOutcome, MediaRefusal> {
        self.ask_with(session, generation, operation, None).await
    }

    /// Asks, and leaves the record of the call.
    pub(crate) async fn ask_with(
        &mut self,
        session: CallId,
        generation: u32,
        operation: MediaOperation,
        record: Option<&[u8]>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let generation = Generation(generation);
        self.send(ToMediaNode::Request(MediaRequest {
            ticket,
            session,
            epoch: Epoch(1),
            generation,
            operation,
            record: record.map(<[u8]>::to_vec),
        }))
        .await;
        loop {
            match self.receive().await {
                FromMediaNode::Reply(reply) if reply.ticket == ticket => return reply.result,
                FromMediaNode::Reply(reply) => panic!("a reply nobody waits for: {reply:?}"),
                FromMediaNode::Notice(notice) => self.notices.push_back(notice),
                FromMediaNode::Announce(_) => {}
            }
        }
    }

    pub(crate) async fn notice(&mut self) -> MediaNotice {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return notice;
            }
            if let FromMediaNode::Notice(notice) = self.receive().await {
                return notice;
            }
        }
    }

    /// The next announcement for which `wanted` holds.
    pub(crate) async fn announcement(&mut self, wanted: impl Fn(&Announcement) -> bool) -> Announcement {
        loop {
            match self.receive().await {
                FromMediaNode::Announce(announcement) if wanted(&announcement) => return announcement,
                FromMediaNode::Notice(notice) => self.notices.push_back(notice),
                _ => {}
            }
        }
    }

    /// Answers the phone's offer and leaves `record`.
    pub(crate) async fn answer_with(&mut self, session: CallId, phone: &Phone, record: &[u8]) {
        let operation = MediaOperation::AnswerLocally { leg: phone.spec(CALLER), sdp: phone.sdp() };
        self.ask_with(session, 1, operation, Some(record)).await.unwrap();
    }

    /// Joins two phones; returns where each is to send.
    pub(crate) async fn join(
        &mut self,
        session: CallId,
        caller: &Phone,
        callee: &Phone,
    ) -> (SocketAddr, SocketAddr) {
        let offer =
            MediaOperation::Offer { from: caller.spec(CALLER), to: callee.spec(CALLEE), sdp: caller.sdp() };
        let offer = self.ask(session, 1, offer).await.unwrap();
        let answer = MediaOperation::Answer {
            from: callee.spec(CALLEE),
            to: caller.spec(CALLER),
            sdp: callee.sdp(),
            provisional: false,
        };
        let answer = self.ask(session, 1, answer).await.unwrap();
        (media_address(&answer), media_address(&offer))
    }

    /// Answers a phone; returns where it is to send.
    pub(crate) async fn answer(&mut self, session: CallId, phone: &Phone) -> SocketAddr {
        let operation = MediaOperation::AnswerLocally { leg: phone.spec(CALLER), sdp: phone.sdp() };
        media_address(&self.ask(session, 1, operation).await.unwrap())
    }
}

/// Where a body asks to send to.
pub(crate) fn media_address(outcome: &MediaOutcome) -> SocketAddr {
    let sdp = String::from_utf8(outcome.sdp.clone().unwrap()).unwrap();
    let value = |start: &str| {
        sdp.lines().find_map(|line| line.strip_prefix(start)?.split(' ').next().map(str::to_owned)).unwrap()
    };
    SocketAddr::new(value("c=IN IP4 ").parse().unwrap(), value("m=audio ").parse().unwrap())
}

/// A phone's RTP and RTCP sockets, and what its SDP says.
pub(crate) struct Phone {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    /// Where its SDP says it is.
    pub(crate) signalled: SocketAddr,
    /// Where its SIP comes from.
    pub(crate) source: IpAddr,
}

impl Phone {
    pub(crate) async fn new() -> Self {
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let rtcp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let signalled = rtp.local_addr().unwrap();
        Self { rtp, rtcp, source: signalled.ip(), signalled }
    }

    pub(crate) fn spec(&self, leg: LegId) -> LegSpec {
        LegSpec { leg, source: self.source }
    }

    pub(crate) fn sdp(&self) -> Vec<u8> {
        let (ip, port) = (self.signalled.ip(), self.signalled.port());
        let rtcp = self.rtcp.local_addr().unwrap().port();
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtcp:{rtcp}\r\na=sendrecv\r\n"
        );
        body.into_bytes()
    }

    pub(crate) async fn send(&self, packet: &[u8], to: SocketAddr) {
        self.rtp.send_to(packet, to).await.unwrap();
    }

    pub(crate) async fn receive(&self) -> Vec<u8> {
        receive(&self.rtp).await
    }
}

pub(crate) async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let bytes = soon("a packet", socket.recv(&mut buffer)).await.unwrap();
    buffer[..bytes].to_vec()
}

/// An RTP packet whose payload says which one it is.
pub(crate) fn packet(n: u16) -> Vec<u8> {
    let header = media_core::rtp::Header {
        marker: n == 0,
        payload_type: 0,
        sequence: n.wrapping_add(65_000),
        timestamp: u32::from(n) * 160,
        ssrc: 0xcafe,
    };
    let mut packet = header.to_bytes().to_vec();
    packet.extend((0..160_u16).map(|i| (i * 7 + n).to_le_bytes()[0]));
    packet
}
