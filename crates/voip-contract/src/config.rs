//! Config documents: what `voip-plan` renders and the programs load.
//!
//! One directory holds `sip.json` and `users.json` (or `users-00.json` and so on: the users are those of all of them)
//! for sip-node, another `media.json` for media-node. Each has a version; unknown fields are refused; a bad document
//! leaves the last good one running. Nothing in them is particular to one node: that is said by the program's
//! arguments.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The version of the documents that this release writes and reads.
pub const DOCUMENT_VERSION: u32 = 1;
/// File name of [`SipDocument`] in the config directory.
pub const SIP_DOCUMENT: &str = "sip.json";
/// File name of [`UsersDocument`] in the config directory.
pub const USERS_DOCUMENT: &str = "users.json";
/// What the name of a [`UsersDocument`] begins with, when the users of a cluster are spread over several.
pub const USERS_PREFIX: &str = "users-";
/// File name of [`MediaDocument`] in the config directory.
pub const MEDIA_DOCUMENT: &str = "media.json";

/// A digest algorithm of RFC 8760 (and RFC 3261 for MD5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// SHA-512/256.
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// MD5, for phones that know nothing better.
    #[serde(rename = "MD5")]
    Md5,
}

/// The transport of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// RFC 3261 over UDP.
    Udp,
}

/// Where sip-node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Name, unique in the document.
    pub name: String,
    /// Transport.
    pub protocol: Protocol,
    /// Port, 1 to 65535.
    pub port: u16,
    /// What callers are told of it in new dialogs and in Via, where that is another address or port than the program was started
    /// with. It may change while the program runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertised: Option<SocketAddr>,
}

impl Listener {
    /// Whether both are the same socket, whatever callers are told of it.
    pub fn is_same_socket(&self, other: &Self) -> bool {
        (&self.name, self.protocol, self.port) == (&other.name, other.protocol, other.port)
    }
}

/// What every sip-node of a cluster must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SipDocument {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Fingerprint of the content (hexadecimal), reported back once the document runs.
    pub fingerprint: String,
    /// `namespace/name` of the VoipCluster.
    pub cluster: String,
    /// SIP domains that are ours; empty: any host is.
    pub domains: Vec<String>,
    /// Digest realm.
    pub realm: String,
    /// Algorithms in the order in which they are offered.
    pub digest_algorithms: Vec<DigestAlgorithm>,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Addresses that reach us: a request for one of them is for us, whatever the domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Sources in these networks are spoken to from the inside address.
    pub local_cidrs: Vec<IpNet>,
    /// The dialplans in order of precedence.
    pub dialplans: Vec<DialplanDocument>,
}

/// The users of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsersDocument {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Fingerprint of the content (hexadecimal), reported back once the document runs.
    pub fingerprint: String,
    /// The users, by name.
    pub users: Vec<UserDocument>,
}

/// One user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserDocument {
    /// User part of the AoR and digest user name.
    pub username: String,
    /// H(username:realm:password) per algorithm, lower-case hexadecimal. A secret: never printed.
    pub ha1: BTreeMap<DigestAlgorithm, String>,
    /// Shown to callees.
    pub display_name: String,
    /// Other numbers that ring this user.
    pub numbers: Vec<String>,
    /// Dialplan context of the user's calls.
    pub context: String,
    /// Number shown to callees instead of the user name; empty: the user name.
    pub caller_id: String,
    /// Calls at a time, both directions together.
    pub max_calls: u32,
    /// Contacts registered at a time.
    pub max_contacts: u32,
    /// A user who is not may neither register nor call.
    pub enabled: bool,
}

impl std::fmt::Debug for UserDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserDocument").field("username", &self.username).finish_non_exhaustive()
    }
}

/// One Dialplan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DialplanDocument {
    /// Name of the Dialplan, for messages.
    pub name: String,
    /// Contexts it serves.
    pub contexts: Vec<String>,
    /// Lowest first, across Dialplans; ties: name.
    pub priority: i32,
    /// Its routes.
    pub routes: Vec<RouteDocument>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteDocument {
    /// Unique in its Dialplan.
    pub id: String,
    /// `exact`, `prefix*`, `*suffix` or `*`. A leading or trailing star that is meant literally is written `\*`.
    pub pattern: String,
    /// Lowest first, in its Dialplan; ties: the more specific pattern, then the id.
    pub priority: i32,
    /// A route that is not takes no call.
    pub enabled: bool,
    /// What to do, in order.
    pub actions: Vec<ActionDocument>,
}

/// One step of a route, with exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ActionDocument {
    /// Answers the call if nothing has yet.
    Answer {},
    /// Plays a prompt to its end; answers first if nothing has.
    #[serde(rename_all = "camelCase")]
    PlayAudio {
        /// Name of a prompt, without directory or ending.
        prompt: String,
        /// How often, 1 to 100.
        #[serde(default = "once")]
        repeat: u32,
    },
    /// Calls somebody and joins both until one hangs up. When nobody answers the next action follows; after the
    /// last one the caller gets the callee's final response.
    #[serde(rename_all = "camelCase")]
    Dial {
        /// `user/NAME`; `${destination}` stands for the number that was dialled.
        target: String,
        /// How long it may ring, 1 to 300 s.
        #[serde(default = "ring")]
        timeout_seconds: u32,
    },
    /// Sends the caller's audio back until the caller hangs up; answers first if nothing has.
    Echo {},
    /// Ends the call: BYE when answered, else the status.
    #[serde(rename_all = "camelCase")]
    Hangup {
        /// SIP status 400 to 699 for a call that is not answered.
        #[serde(default = "declined")]
        status: u16,
    },
}

fn once() -> u32 {
    1
}

fn ring() -> u32 {
    30
}

fn declined() -> u16 {
    603
}

/// Name of the prompt that every media-node has. There is no field yet that brings others.
pub const BUILT_IN_PROMPT: &str = "welcome";

/// What every media-node of a cluster must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaDocument {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Fingerprint of the content (hexadecimal), reported back once the document runs.
    pub fingerprint: String,
    /// `namespace/name` of the VoipCluster.
    pub cluster: String,
    /// Callers in these networks are given the inside address.
    pub local_cidrs: Vec<IpNet>,
    /// How long a session without an owner is kept, seconds.
    pub orphan_seconds: u32,
}
