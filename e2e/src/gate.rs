//! Stands between an operator and the API server, lets it write a number of times, and then nothing: an operator that is
//! killed behind it did these writes, of the last of which it never heard, and no more.
//!
//! Speaks plain HTTP/1.1 (RFC 9112) to `kubectl proxy`, one request after the other on each connection.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// `kubectl proxy`: the API server over plain HTTP, with the administrator's rights.
#[derive(Debug)]
pub struct Upstream {
    proxy: Child,
    address: SocketAddr,
}

impl Upstream {
    /// Starts it on a port of its own.
    pub fn start() -> Self {
        let mut proxy = Command::new("kubectl")
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start kubectl");
        let mut line = String::new();
        BufReader::new(proxy.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("kubectl proxy speaks");
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        Self { proxy, address: address.unwrap_or_else(|| panic!("an address: {line}")) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.proxy.kill().ok();
        self.proxy.wait().ok();
    }
}

/// A gate for one life of one operator.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    passage: Arc<Passage>,
    closed: Receiver<()>,
}

#[derive(Debug)]
struct Passage {
    upstream: SocketAddr,
    /// Writes that still get through.
    left: AtomicI64,
    over: AtomicBool,
}

impl Gate {
    /// Lets `writes` of them through.
    pub fn open(upstream: &Upstream, writes: i64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let passage = Arc::new(Passage {
            upstream: upstream.address,
            left: AtomicI64::new(writes),
            over: AtomicBool::new(false),
        });
        let (last, closed) = channel();
        let shared = Arc::clone(&passage);
        std::thread::spawn(move || {
            for operator in listener.incoming().flatten() {
                if shared.over.load(Ordering::Acquire) {
                    break;
                }
                let (shared, last) = (Arc::clone(&shared), last.clone());
                std::thread::spawn(move || shared.pass(operator, &last));
            }
        });
        Self { address, passage, closed }
    }

    /// Where the operator finds the API server.
    pub fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether the last write was done, within `limit`.
    pub fn is_closed_within(&self, limit: Duration) -> bool {
        self.closed.recv_timeout(limit).is_ok()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.passage.over.store(true, Ordering::Release);
        // Wakes the listener, which then ends.
        TcpStream::connect(self.address).ok();
    }
}

impl Passage {
    /// One connection: ends when either side does, or with a write that may not pass.
    fn pass(&self, operator: TcpStream, last: &Sender<()>) {
        let Ok(server) = TcpStream::connect(self.upstream) else { return };
        let swallow = Arc::new(AtomicBool::new(false));
        let (Ok(answers), Ok(back)) = (server.try_clone(), operator.try_clone()) else { return };
        let (swallowing, last) = (Arc::clone(&swallow), last.clone());
        std::thread::spawn(move || answer(answers, back, &swallowing, &last));
        let mut requests = BufReader::new(operator);
        while let Some(request) = read(&mut requests) {
            if request.is_write {
                match self.left.fetch_sub(1, Ordering::AcqRel) {
                    1 => swallow.store(true, Ordering::Release),
                    left if left < 1 => break,
                    _ => {}
                }
            }
            if (&server).write_all(&request.bytes).is_err() {
                break;
            }
        }
        server.shutdown(Shutdown::Both).ok();
    }
}

/// Passes on what the server says; what it says to the last write it says to nobody.
fn answer(mut server: TcpStream, mut operator: TcpStream, swallow: &AtomicBool, last: &Sender<()>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if swallow.load(Ordering::Acquire) {
            // The test may have ended.
            last.send(()).ok();
            break;
        }
        if operator.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    operator.shutdown(Shutdown::Both).ok();
}

struct Request {
    bytes: Vec<u8>,
    is_write: bool,
}

/// None at the end of the connection.
fn read(from: &mut impl std::io::BufRead) -> Option<Request> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    loop {
        let start = bytes.len();
        if from.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&bytes[start..]).to_ascii_lowercase();
        match line.split_once(':') {
            _ if line.trim().is_empty() => break,
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(("transfer-encoding", _)) => panic!("the operator sends bodies of a known length"),
            _ => {}
        }
    }
    let head = String::from_utf8_lossy(&bytes);
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let is_write = !["GET", "HEAD"].contains(&method) && !target.contains("dryRun=All");
    let start = bytes.len();
    bytes.resize(start + length, 0);
    from.read_exact(&mut bytes[start..]).ok()?;
    Some(Request { bytes, is_write })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let text = b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /b?watch=true HTTP/1.1\r\n\r\nPOST /c?dryRun=All HTTP/1.1\r\n\r\n";
        let mut from = &text[..];
        let requests: Vec<Request> = std::iter::from_fn(|| read(&mut from)).collect();
        let writes: Vec<bool> = requests.iter().map(|request| request.is_write).collect();
        assert_eq!(writes, [true, false, false]);
        assert!(requests[0].bytes.ends_with(b"\r\n\r\nxy"));
    }
}
