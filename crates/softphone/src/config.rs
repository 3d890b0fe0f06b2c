//! What a phone is and how it behaves, said once at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media_core::g711::Law;
use voip_contract::config::DigestAlgorithm;

use crate::audio::KnownAudio;

/// How the user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Password(String),
    /// H(user:realm:password) per algorithm, lower-case hexadecimal: good for one realm only.
    Ha1(BTreeMap<DigestAlgorithm, String>),
    /// None: a challenge ends the request.
    None,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Ha1(_) => "Ha1(..)",
            Self::None => "None",
        })
    }
}

/// What a phone does with an incoming call. In every case the caller's CANCEL and BYE are obeyed, and the holder of
/// the [`Call`](crate::Call) may step in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerPolicy {
    /// Nothing by itself: the holder of the call rings, answers or rejects.
    Manual,
    /// 180 and after `ringing` 200; with none 200 at once, without 180.
    AnswerAfter {
        /// How long it rings.
        ringing: Option<Duration>,
    },
    /// 486 Busy Here.
    Busy,
    /// 180, then this final status (300 to 699).
    Decline(u16),
    /// 180 and nothing more.
    RingForever,
    /// 183 with an answer and audio, and after `early` what `then` says.
    EarlyMediaThen {
        /// How long the early media lasts.
        early: Duration,
        /// What follows.
        then: Box<AnswerPolicy>,
    },
}

/// What a phone sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// [`KnownAudio`](crate::KnownAudio) of this seed.
    Known(u64),
    /// Every received payload goes back as it came.
    Echo,
    /// Nothing, though the session is sendrecv.
    Silent,
}

/// What a phone expects to hear; decides [`MediaReport::matches`](crate::MediaReport).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything: nothing is checked.
    Anything,
    /// The known audio of this seed.
    Known(u64),
    /// The known audio that it sends itself.
    Own,
}

/// The audio that should come.
pub(crate) fn expected(expect: Expect, audio: Audio) -> Option<KnownAudio> {
    match (expect, audio) {
        (Expect::Known(seed), _) | (Expect::Own, Audio::Known(seed)) => Some(KnownAudio::new(seed)),
        _ => None,
    }
}

/// Changes the RTP address that goes into SDP. Gets the true one.
pub type Advertise = Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>;

/// A phone: who it is, where its server is, and how it behaves.
#[derive(Clone)]
pub struct PhoneConfig {
    /// Local address of SIP, and of RTP with its host. Port 0: a free one. An unspecified host: the one that the route
    /// to the server takes.
    pub bind: SocketAddr,
    /// Where requests outside a dialog go.
    pub server: SocketAddr,
    /// Host of the address of record.
    pub domain: String,
    /// User part of the address of record, and digest user name.
    pub user: String,
    /// Digest secret.
    pub secret: Secret,
    /// Display name in From; may be empty.
    pub display_name: String,
    /// What happens to incoming calls.
    pub answer: AnswerPolicy,
    /// What incoming calls are sent.
    pub audio: Audio,
    /// What incoming calls should bring.
    pub expect: Expect,
    /// Codecs in order of preference.
    pub codecs: Vec<Law>,
    /// Calls at a time; beyond it 486.
    pub max_calls: usize,
    /// How long an answer to a request of ours is waited for before the server is said to be silent. At most the 32 s
    /// of RFC 3261 Timer F count.
    pub patience: Duration,
    /// Raw RTP packets kept per call for tests; 0: none.
    pub capture: usize,
    /// What SDP says of our RTP address, if not the truth: NAT, or a relay in between.
    pub advertise: Option<Advertise>,
}

impl PhoneConfig {
    /// A phone of `user` at `server`, on 127.0.0.1 when the server is there too, that rings for 100 ms and answers.
    pub fn new(
        server: SocketAddr,
        domain: impl Into<String>,
        user: impl Into<String>,
        secret: Secret,
    ) -> Self {
        let host = if server.ip().is_loopback() { server.ip() } else { unspecified_like(server.ip()) };
        let user = user.into();
        let seed = seed_of(&user);
        Self {
            bind: SocketAddr::new(host, 0),
            server,
            domain: domain.into(),
            user,
            secret,
            display_name: String::new(),
            answer: AnswerPolicy::AnswerAfter { ringing: Some(Duration::from_millis(100)) },
            audio: Audio::Known(seed),
            expect: Expect::Anything,
            codecs: vec![Law::Ulaw, Law::Alaw],
            max_calls: 64,
            patience: Duration::from_secs(8),
            capture: 0,
            advertise: None,
        }
    }
}

impl fmt::Debug for PhoneConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneConfig")
            .field("bind", &self.bind)
            .field("server", &self.server)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// The seed of the known audio of `user` unless another is set: both ends of a call can name it (FNV-1a).
pub fn seed_of(user: &str) -> u64 {
    user.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn unspecified_like(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// How one outgoing call is made.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// Hang up this long after the answer.
    pub duration: Option<Duration>,
    /// CANCEL when nobody has answered after this long.
    pub ring_timeout: Option<Duration>,
    /// INVITE without SDP: the far side offers, the ACK answers.
    pub late_offer: bool,
    /// What is sent, if not what the phone usually sends.
    pub audio: Option<Audio>,
    /// What is expected.
    pub expect: Expect,
    /// User part of From, when it should not be the phone's own.
    pub from_user: Option<String>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            duration: None,
            ring_timeout: None,
            late_offer: false,
            audio: None,
            expect: Expect::Anything,
            from_user: None,
        }
    }
}
