//! A phone at home, behind a router that lets in only what comes from where something was sent to. What the cluster's
//! nodes remember of the phone they forget as any node does: after 30 s without a packet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use softphone::{CallOptions, Expect, Phone, seed_of};

use super::nodes::OUTSIDE;
use super::office::Office;
use super::operator::Operator;
use super::phones::{SOON, config, registered};

/// Longer than a node remembers a UDP flow, and shorter than the phone takes to refresh its registration.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest that is granted: refreshed after a minute.
const REGISTERED_FOR: Duration = Duration::from_mins(2);
/// How often the router looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Passes datagrams between one phone and one server.
struct Router {
    /// Where the phone sends to.
    inside: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Router {
    fn between(phone: SocketAddr, host: IpAddr, server: SocketAddr) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((host, 0)).expect("the host has a free port");
            socket.set_read_timeout(Some(LOOK)).expect("a timeout that is not zero");
            socket
        };
        let (near, far) = (socket(), socket());
        let inside = near.local_addr().expect("it is bound");
        near.connect(phone).expect("a phone on a host beside this one");
        // From here on the kernel drops what comes from any other address.
        far.connect(server).expect("a route to the server");
        let (near, far, stop) = (Arc::new(near), Arc::new(far), Arc::new(AtomicBool::new(false)));
        let threads = [(&near, &far), (&far, &near)].map(|(from, to)| {
            let (from, to, stop) = (Arc::clone(from), Arc::clone(to), Arc::clone(&stop));
            std::thread::spawn(move || pass_on(&from, &to, &stop))
        });
        Self { inside, stop, threads: threads.into() }
    }
}

fn pass_on(from: &UdpSocket, to: &UdpSocket, stop: &AtomicBool) {
    let mut datagram = vec![0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        // Errors are of what was sent before, and of nobody sending anything: a router goes on.
        if let Ok(length) = from.recv(&mut datagram) {
            let _ = to.send(&datagram[..length]);
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn cluster_c_a_phone_at_home_that_was_silent_is_called_from_the_address_at_which_it_registered() {
    let operator = Operator::take();
    let mut office = Office::new(&operator, "home", &[]);
    let address = Ipv4Addr::new(10, 98, 0, 4);
    office.apply(&office.balanced_spec(&json!({"mode": "HostNetwork"})));
    office.balance(address);
    office.route(address);
    office.await_ready();
    let [home, elsewhere] = OUTSIDE;

    let mut at_home = config(&office, "1002", "1001", home);
    at_home.bind = UdpSocket::bind((home, 0)).and_then(|free| free.local_addr()).expect("a free port");
    let router = Router::between(at_home.bind, elsewhere, office.server());
    at_home.server = router.inside;
    let callee = registered(&at_home, REGISTERED_FOR);
    std::thread::sleep(SILENCE);

    let caller = Phone::start(config(&office, "1001", "1002", elsewhere)).expect("a phone");
    let options = CallOptions { expect: Expect::Known(seed_of("1002")), ..CallOptions::default() };
    let call = caller.call("1002", options).expect("a line");
    call.wait_answered(SOON).expect("the INVITE passes the router");
    let answered = callee.incoming(SOON).expect("a call");
    call.hangup().expect("a call that is up");
    answered.wait_ended(SOON).expect("BYE passes the router");
    office.records.await_answered(1, SOON);
}
