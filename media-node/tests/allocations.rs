//! A relayed packet costs no allocation: counted in the thread that runs the relay.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use media_core::latch::LatchPolicy;
use media_core::prompt::{OutgoingStream, Prompt};
use media_core::rtp::Header;
use media_node::engine::counters::{Counter, Published};
use media_node::engine::relay::{Connections, Ready, Relay};
use media_node::engine::{Batch, Command, Event, Work};
use voip_contract::{CallId, LegId};
use voip_telemetry::Health;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged; the counter is a plain cell of the calling thread, which needs no
// allocation and no destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SESSION: CallId = CallId(7);
const A: LegId = LegId(0);
const B: LegId = LegId(1);

struct Bench {
    relay: Relay,
    ready: Ready,
    commands: SyncSender<Batch>,
    events: tokio::sync::mpsc::Receiver<Event>,
    published: Arc<Published>,
    token: u64,
}

impl Bench {
    fn new() -> Self {
        let (commands, queue) = sync_channel(16);
        let (sender, events) = tokio::sync::mpsc::channel(64);
        let published = Arc::new(Published::default());
        let heartbeat = Health::new(&[]).heartbeat("relay", Duration::from_secs(5));
        let connections =
            Connections { commands: queue, events: sender, published: Arc::clone(&published), heartbeat };
        let relay = Relay::new(Instant::now(), "test".to_owned(), connections).unwrap();
        Self { relay, ready: Ready::default(), commands, events, published, token: 0 }
    }

    fn round(&mut self) {
        assert!(self.relay.round(&mut self.ready).unwrap());
    }

    fn apply(&mut self, commands: Vec<Command>) {
        self.token += 1;
        let work = Work::Commands(commands);
        self.commands.send(Batch { token: self.token, session: SESSION, work }).unwrap();
        rustix::io::write(&*self.relay.wake_handle(), &1_u64.to_ne_bytes()).unwrap();
        for _ in 0..10 {
            self.round();
            if matches!(self.events.try_recv(), Ok(Event::Applied { token, .. }) if token == self.token) {
                return;
            }
        }
        panic!("the relay has not applied its commands");
    }

    fn rounds_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        for _ in 0..1_000 {
            if done(self) {
                return;
            }
            self.round();
        }
        panic!("not done after 1,000 rounds");
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Opens a leg for `phone`; returns where the phone is to send.
fn open(commands: &mut Vec<Command>, leg: LegId, phone: &UdpSocket) -> SocketAddr {
    let (rtp, rtcp) = (socket(), socket());
    let ours = rtp.local_addr().unwrap();
    let signalled = phone.local_addr().unwrap();
    let policy = LatchPolicy { signalled, source: signalled.ip() };
    let stream = OutgoingStream { ssrc: 1, sequence: 1, timestamp: 1 };
    commands.push(Command::Open { leg, rtp, rtcp, stream });
    commands.push(Command::SetRemote { leg, rtp: policy, rtcp: policy, receives: true, clock_rate: 8_000 });
    ours
}

#[test]
fn packets_are_relayed_without_an_allocation() {
    let mut bench = Bench::new();
    let (phone_a, phone_b) = (socket(), socket());
    let mut commands = Vec::new();
    let to_a = open(&mut commands, A, &phone_a);
    let to_b = open(&mut commands, B, &phone_b);
    commands.push(Command::Route { from: A, to: B });
    commands.push(Command::Route { from: B, to: A });
    bench.apply(commands);

    let mut packet = [0; 172];
    let mut buffer = [0; 300];
    let mut before = 0;
    for n in 0..11_000_u16 {
        if n == 1_000 {
            // The first thousand warm up whatever the runtime makes once.
            before = ALLOCATIONS.with(Cell::get);
        }
        let header =
            Header { marker: false, payload_type: 0, sequence: n, timestamp: u32::from(n) * 160, ssrc: 9 };
        header.write(&[n.to_be_bytes()[1]; 160], &mut packet).unwrap();
        let (from, to, ours) =
            if n % 2 == 0 { (&phone_a, &phone_b, to_a) } else { (&phone_b, &phone_a, to_b) };
        from.send_to(&packet, ours).unwrap();
        bench.round();
        let bytes = to.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..bytes], packet, "bit for bit");
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(allocations, 0, "allocations in 10,000 packets");
    assert_eq!(bench.published.get(Counter::RelayedPackets), 11_000);
    assert_eq!(bench.published.get(Counter::RelayedBytes), 11_000 * 172);
}

#[test]
fn a_prompt_is_played_without_an_allocation() {
    let mut bench = Bench::new();
    let phone = socket();
    let mut commands = Vec::new();
    open(&mut commands, A, &phone);
    let prompt = Prompt::from_samples(&[1_000; 160 * 50]);
    let law = media_core::g711::Law::Alaw;
    commands.push(Command::Play { leg: A, prompt, law, payload_type: 8, repeat: 1, play: 1 });
    bench.apply(commands);
    bench.rounds_until(|bench| bench.published.get(Counter::PromptPackets) >= 5);
    let before = ALLOCATIONS.with(Cell::get);
    bench.rounds_until(|bench| bench.published.get(Counter::PromptPackets) >= 45);
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "allocations in 40 prompt packets");
}
