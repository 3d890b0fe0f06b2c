//! A phone as its user sees it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::agent::{Agent, Wiring};
use crate::call::{Call, CallShared};
use crate::config::{AnswerPolicy, CallOptions, PhoneConfig};
use crate::error::PhoneError;
use crate::mailbox::{Command, Mailbox};
use crate::wake;

/// Incoming calls that wait to be taken.
const INCOMING: usize = 64;
/// Least time that a question to the phone may take: several attempts after a glare (RFC 3261 section 14.1).
const LEAST_PATIENCE: Duration = Duration::from_secs(30);

/// Whether the server knows where we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// Never asked for, or removed.
    None,
    /// The server has our contact.
    Registered {
        /// For how long, at its last answer. The phone refreshes at half of it.
        expires: Duration,
    },
    /// The last attempt failed. A refresh is tried again every 5 s.
    Failed {
        /// Its status, if there was an answer.
        status: Option<u16>,
        /// What went wrong.
        reason: String,
    },
}

/// What the phone's thread tells besides calls.
#[derive(Debug)]
pub(crate) struct PhoneShared {
    registration: Mutex<RegistrationState>,
}

impl PhoneShared {
    pub(crate) fn set_registration(&self, state: RegistrationState) {
        *self.registration.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A phone. Dropping it ends its calls and its registration, waits at most 2 s for the far sides to say so, and leaves
/// no thread and no socket behind.
#[derive(Debug)]
pub struct Phone {
    mailbox: Mailbox,
    shared: Arc<PhoneShared>,
    address: SocketAddr,
    incoming: Mutex<Receiver<Arc<CallShared>>>,
    thread: Option<JoinHandle<()>>,
}

impl Phone {
    /// Opens the SIP socket and starts the phone. Nothing is sent yet.
    pub fn start(config: PhoneConfig) -> Result<Self, PhoneError> {
        let bind = config.bind;
        let failed = |source| PhoneError::Bind { address: bind, source };
        let socket = UdpSocket::bind(bind).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = visible_address(&socket, config.server).map_err(failed)?;
        let start = |source| PhoneError::Start { source };
        let (waker, woken) = wake::pair().map_err(start)?;
        let mut entropy = [0; 80];
        getrandom::fill(&mut entropy).map_err(|error| start(io::Error::other(error.to_string())))?;
        let (mailbox, commands) = Mailbox::new(waker, (config.patience * 4).max(LEAST_PATIENCE));
        let (ring, incoming) = sync_channel(INCOMING);
        let shared = Arc::new(PhoneShared { registration: Mutex::new(RegistrationState::None) });
        let wiring =
            Wiring { socket, address, commands, woken, incoming: ring, shared: Arc::clone(&shared), entropy };
        let agent = Agent::new(config, wiring);
        let thread =
            std::thread::Builder::new().name("softphone".into()).spawn(move || agent.run()).map_err(start)?;
        Ok(Self { mailbox, shared, address, incoming: Mutex::new(incoming), thread: Some(thread) })
    }

    /// Our SIP address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers, and stays registered while the phone lives. Returns for how long the server granted it.
    pub fn register(&self, expires: Duration) -> Result<Duration, PhoneError> {
        self.mailbox.ask(|reply| Command::Register { expires, reply })
    }

    /// Removes the registration.
    pub fn unregister(&self) -> Result<(), PhoneError> {
        self.mailbox.ask(|reply| Command::Unregister { reply })
    }

    /// Whether the server knows where we are.
    pub fn registration(&self) -> RegistrationState {
        self.shared.registration.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the server OPTIONS. Returns the final status.
    pub fn options(&self) -> Result<u16, PhoneError> {
        self.mailbox.ask(|reply| Command::Options { reply })
    }

    /// What happens to incoming calls from now on.
    pub fn set_answer(&self, policy: AnswerPolicy) -> Result<(), PhoneError> {
        self.mailbox.ask(|reply| Command::SetAnswer { policy, reply })
    }

    /// Calls a number or name in our domain, or a whole URI. Returns as soon as the INVITE is sent.
    pub fn call(&self, number: &str, options: CallOptions) -> Result<Call, PhoneError> {
        let (number, options) = (number.to_owned(), Box::new(options));
        let shared = self.mailbox.ask(|reply| Command::Call { number, options, reply })?;
        Ok(Call::new(shared, self.mailbox.clone()))
    }

    /// Takes the next incoming call, also one that the policy has answered or refused already.
    pub fn incoming(&self, timeout: Duration) -> Result<Call, PhoneError> {
        let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = |_| PhoneError::Waited { event: "incoming call", after: timeout };
        let shared = incoming.recv_timeout(timeout).map_err(waited)?;
        Ok(Call::new(shared, self.mailbox.clone()))
    }

    /// Is gone without a word, as after a power cut: no BYE, no unregistration.
    pub fn vanish(mut self) {
        self.end(Command::Vanish);
    }

    fn end(&mut self, last: Command) {
        if let Some(thread) = self.thread.take() {
            self.mailbox.tell_last(last);
            // A panic there has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.end(Command::Shutdown);
    }
}

/// The address of the socket, or where it is unspecified, the one that the route to the server takes.
fn visible_address(socket: &UdpSocket, server: SocketAddr) -> io::Result<SocketAddr> {
    let mut address = socket.local_addr()?;
    if address.ip().is_unspecified() {
        let probe = UdpSocket::bind((address.ip(), 0))?;
        // Sends nothing: it only picks a route.
        probe.connect(server)?;
        address.set_ip(probe.local_addr()?.ip());
    }
    Ok(address)
}
