//! What a switch is started with, and the documents in the form that decisions need: users by name and by number,
//! compiled dialplan, domains. It must not know how documents are loaded.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dialplan::{Dialplan, RouteError};
use ipnet::IpNet;
use sip_core::ListenerId;
use voip_contract::Incarnation;
use voip_contract::config::{DigestAlgorithm, UserDocument};

use crate::event::Documents;

/// Users that one sip-node holds in memory.
pub const MAX_USERS: usize = 100_000;

/// What a switch is started with.
#[derive(Debug, Clone)]
pub struct SwitchConfig {
    /// This run of the process: it is named in every tag, so that any other sip-node can tell the owner.
    pub incarnation: Incarnation,
    /// Secret and random: tags, call ids and digest nonces come from it.
    pub seed: [u8; 32],
    /// How peers reach each listener, in the order of the listeners.
    pub listeners: Vec<AdvertisedListener>,
    /// Limits.
    pub limits: Limits,
    /// Value of `Server` and `User-Agent`.
    pub server: String,
}

/// How peers reach one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvertisedListener {
    /// For peers outside `localCidrs`.
    pub outside: (IpAddr, u16),
    /// For peers in `localCidrs`.
    pub inside: (IpAddr, u16),
}

/// What one sip-node takes on; more is refused with 503 and Retry-After.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time.
    pub calls: usize,
    /// REGISTERs that wait for the store.
    pub registrations_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 20_000, registrations_in_flight: 20_000 }
    }
}

/// Documents or a configuration that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No listener is advertised.
    #[error("sip-node has no listener to advertise")]
    NoListener,
    /// No digest algorithm: nobody could be challenged.
    #[error("sip.json: digestAlgorithms is empty")]
    NoAlgorithm,
    /// More users than one sip-node holds.
    #[error("users*.json: {0} users, more than {MAX_USERS}")]
    TooManyUsers(usize),
    /// Two users share a name or number. Names one of them.
    #[error("users*.json: {0:?} is the name or number of two users")]
    DuplicateUser(String),
    /// The dialplans do not compile.
    #[error("sip.json: dialplans: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Dialplan(Vec<RouteError>),
}

/// The documents that run, in the form that decisions need.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) realm: String,
    pub(crate) algorithms: Vec<DigestAlgorithm>,
    pub(crate) dialplan: Dialplan,
    domains: HashSet<String>,
    /// What callers are told of each listener, where the documents say it.
    advertised: Vec<Option<SocketAddr>>,
    addresses: Vec<IpAddr>,
    local_cidrs: Vec<IpNet>,
    users: HashMap<String, Arc<UserDocument>>,
    /// Names and numbers, to the name of the user.
    numbers: HashMap<String, String>,
}

impl Directory {
    /// Indexes and compiles; refuses what cannot be run.
    pub(crate) fn new(documents: &Documents) -> Result<Self, ConfigError> {
        let sip = &documents.sip;
        if sip.digest_algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        let (users, numbers) = index_users(&documents.users)?;
        Ok(Self {
            realm: sip.realm.clone(),
            algorithms: sip.digest_algorithms.clone(),
            dialplan: compile(documents)?,
            domains: sip.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            advertised: sip.listeners.iter().map(|listener| listener.advertised).collect(),
            addresses: sip.addresses.clone(),
            local_cidrs: sip.local_cidrs.clone(),
            users,
            numbers,
        })
    }

    /// The user of that name.
    pub(crate) fn user(&self, name: &str) -> Option<&Arc<UserDocument>> {
        self.users.get(name)
    }

    /// The user of that name or number.
    pub(crate) fn user_by_number(&self, number: &str) -> Option<&Arc<UserDocument>> {
        self.user(self.numbers.get(number)?)
    }

    /// Whether `host` is one of our domains. With none configured, any is.
    pub(crate) fn is_our_domain(&self, host: &str) -> bool {
        self.domains.is_empty() || self.domains.contains(host.to_ascii_lowercase().as_str())
    }

    /// What callers are told of a listener, where the documents say it.
    pub(crate) fn advertised(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.advertised.get(usize::from(listener.0)).copied().flatten()
    }

    /// Whether this address reaches us, by the documents.
    pub(crate) fn is_advertised(&self, address: IpAddr) -> bool {
        let mut advertised = self.advertised.iter().flatten().map(SocketAddr::ip);
        advertised.any(|known| known == address) || self.addresses.contains(&address)
    }

    /// Whether a peer is spoken to from the inside address.
    pub(crate) fn is_inside(&self, peer: IpAddr) -> bool {
        self.local_cidrs.iter().any(|net| net.contains(&peer))
    }
}

fn compile(documents: &Documents) -> Result<Dialplan, ConfigError> {
    let compiled = if documents.sip.dialplans.is_empty() {
        dialplan::compile(&[dialplan::built_in()])
    } else {
        dialplan::compile(&documents.sip.dialplans)
    };
    compiled.map_err(ConfigError::Dialplan)
}

type Users = (HashMap<String, Arc<UserDocument>>, HashMap<String, String>);

fn index_users(documents: &[UserDocument]) -> Result<Users, ConfigError> {
    if documents.len() > MAX_USERS {
        return Err(ConfigError::TooManyUsers(documents.len()));
    }
    let mut users = HashMap::with_capacity(documents.len());
    let mut numbers = HashMap::with_capacity(documents.len());
    for user in documents {
        let mut names: Vec<&String> = user.numbers.iter().chain([&user.username]).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            if numbers.insert(name.clone(), user.username.clone()).is_some() {
                return Err(ConfigError::DuplicateUser(name.clone()));
            }
        }
        users.insert(user.username.clone(), Arc::new(user.clone()));
    }
    Ok((users, numbers))
}
