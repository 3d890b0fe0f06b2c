//! A registrar and call refuser of a few lines, with real digest checks.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip_core::digest::{DigestAlgorithm, ha1};
use sip_core::{
    Authenticator, Endpoint, EndpointConfig, Flow, Header, Host, Limits, ListenerId, Message, Method, Now,
    SentBy, SipCommand, SipEvent, SipOutput, StatusCode, Transport, Verdict, WallTime,
};

pub(crate) const REALM: &str = "phones.test";
pub(crate) const PASSWORD: &str = "correct horse";

/// What a registrar saw and should do.
#[derive(Default)]
pub(crate) struct Shared {
    stop: AtomicBool,
    /// Requests that were let in.
    pub(crate) accepted: AtomicU32,
    /// Challenges sent.
    pub(crate) challenges: AtomicU32,
    /// Forget all nonces before the next request.
    pub(crate) forget: AtomicBool,
    /// Expires of the accepted REGISTERs, in order.
    pub(crate) expires: Mutex<Vec<u32>>,
    registered: Condvar,
}

/// A running registrar; ends when dropped.
pub(crate) struct Registrar {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Registrar {
    /// Grants at most `most` and at least `least` seconds.
    pub(crate) fn start(algorithms: &'static [DigestAlgorithm], least: u32, most: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let mut worker = Worker::new(socket, Arc::clone(&shared), algorithms, (least, most));
        let thread = Some(std::thread::spawn(move || worker.run()));
        Self { address, shared, thread }
    }

    pub(crate) fn challenges(&self) -> u32 {
        self.shared.challenges.load(Ordering::SeqCst)
    }

    /// Waits until so many REGISTERs were accepted.
    pub(crate) fn wait_registered(&self, times: usize, timeout: Duration) {
        let expires = self.shared.expires.lock().unwrap();
        let few = |expires: &mut Vec<u32>| expires.len() < times;
        let (expires, waited) = self.shared.registered.wait_timeout_while(expires, timeout, few).unwrap();
        assert!(!waited.timed_out(), "{expires:?}");
    }

    pub(crate) fn accepted(&self) -> u32 {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let done = self.thread.take().unwrap().join();
        assert!(done.is_ok() || std::thread::panicking(), "the registrar panicked");
    }
}

struct Worker {
    socket: UdpSocket,
    shared: Arc<Shared>,
    endpoint: Endpoint,
    authenticator: Authenticator,
    algorithms: &'static [DigestAlgorithm],
    bounds: (u32, u32),
    start: Instant,
    seeds: u8,
}

impl Worker {
    fn new(
        socket: UdpSocket,
        shared: Arc<Shared>,
        algorithms: &'static [DigestAlgorithm],
        bounds: (u32, u32),
    ) -> Self {
        let address = socket.local_addr().unwrap();
        let sent_by =
            vec![SentBy { listener: ListenerId(0), host: Host::from(address.ip()), port: address.port() }];
        let endpoint = Endpoint::new(EndpointConfig {
            incarnation: 1,
            seed: [1; 32],
            sent_by,
            user_agent: String::new(),
            limits: Limits::default(),
        });
        let authenticator = Authenticator::new([2; 32], 1);
        Self { socket, shared, endpoint, authenticator, algorithms, bounds, start: Instant::now(), seeds: 2 }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Now {
            instant: sip_core::Instant::from_start(self.start.elapsed()),
            wall: WallTime(u64::try_from(wall).unwrap()),
        }
    }

    fn run(&mut self) {
        let mut buffer = vec![0; 65_535];
        while !self.shared.stop.load(Ordering::SeqCst) {
            if let Ok((length, remote)) = self.socket.recv_from(&mut buffer) {
                let flow = Flow { listener: ListenerId(0), transport: Transport::Udp, remote, connection: 0 };
                let now = self.now();
                self.endpoint.receive(now, flow, buffer[..length].to_vec());
            }
            while let Some(output) = self.endpoint.poll(self.now()) {
                match output {
                    SipOutput::Transmit { flow, bytes } => {
                        self.socket.send_to(&bytes, flow.remote).unwrap();
                    }
                    SipOutput::Event(SipEvent::Request { key, message, .. }) => {
                        let message = self.answer(&message);
                        let now = self.now();
                        self.endpoint.command(now, SipCommand::Respond { key, message });
                    }
                    SipOutput::Event(_) => {}
                }
            }
        }
    }

    fn answer(&mut self, request: &Message) -> Message {
        if self.shared.forget.swap(false, Ordering::SeqCst) {
            self.seeds += 1;
            self.authenticator = Authenticator::new([self.seeds; 32], 1);
        }
        let now = self.now();
        let secret = |user: &str, algorithm| (user == "1001").then(|| ha1(algorithm, user, REALM, PASSWORD));
        let verdict = self.authenticator.verify(now, request, REALM, secret);
        match verdict {
            Verdict::Accepted { .. } => self.accept(request),
            Verdict::Stale => self.challenge(request, true),
            _ => self.challenge(request, false),
        }
    }

    fn challenge(&mut self, request: &Message, stale: bool) -> Message {
        self.shared.challenges.fetch_add(1, Ordering::SeqCst);
        let values = self.authenticator.challenges(self.now(), REALM, self.algorithms, stale);
        let (status, header) = match request.method() {
            Method::Invite => (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Header::ProxyAuthenticate),
            _ => (StatusCode::UNAUTHORIZED, Header::WwwAuthenticate),
        };
        let mut builder = Message::response_to(request, status).to_tag("registrar");
        for value in values {
            builder = builder.header(header, value);
        }
        builder.build()
    }

    fn accept(&mut self, request: &Message) -> Message {
        self.shared.accepted.fetch_add(1, Ordering::SeqCst);
        if request.method() != Method::Register {
            return Message::response_to(request, StatusCode::NOT_FOUND).to_tag("registrar").build();
        }
        let asked = request.expires().unwrap();
        let (least, most) = self.bounds;
        if asked != 0 && asked < least {
            let builder = Message::response_to(request, StatusCode::INTERVAL_TOO_BRIEF).to_tag("registrar");
            return builder.header(Header::MinExpires, least).build();
        }
        let granted = asked.min(most);
        self.shared.expires.lock().unwrap().push(granted);
        self.shared.registered.notify_all();
        let contact = request.text(Header::Contact).unwrap().into_owned();
        let builder = Message::response_to(request, StatusCode::OK).to_tag("registrar");
        if granted == 0 {
            builder.build()
        } else {
            builder.header(Header::Contact, format!("{contact};expires={granted}")).build()
        }
    }
}
