//! A wire between two programs on this machine that can be cut: TCP is passed on, whatever it carries.

use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The wire; no more connections are taken once it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    over: AtomicBool,
    /// Both ends of every connection that ever was.
    connections: Mutex<Vec<[TcpStream; 2]>>,
}

impl Wire {
    /// Leads to `to`.
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared { to, over: AtomicBool::new(false), connections: Mutex::default() });
        let taking = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if taking.over.load(Ordering::Acquire) {
                    break;
                }
                // Nobody listens there yet: the client asks again.
                let _ = taking.pass_on(stream);
            }
        });
        Self { address, shared }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections().len()
    }

    /// Breaks the connections that are open; new ones are passed on as before.
    pub fn cut(&self) {
        for stream in self.shared.connections().iter().flatten() {
            // One that is over already needs no cutting.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.cut();
        // Wakes the listener, which then ends.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn pass_on(&self, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(self.to)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        for (mut from, mut to) in
            [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
        {
            std::thread::spawn(move || {
                // Ends with either end, and takes the other along.
                let _ = copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        self.connections().push([client, server]);
        Ok(())
    }

    fn connections(&self) -> MutexGuard<'_, Vec<[TcpStream; 2]>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
