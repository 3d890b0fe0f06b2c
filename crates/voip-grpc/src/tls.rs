//! Who is at the other end: mutual TLS between the programs, or none on the loopback of a laptop.
//!
//! Every VoipCluster has a CA of its own. A leaf is valid for the DNS name of its role and for both directions, so that
//! one check serves servers and clients. This module must not know which role may ask for what.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use voip_contract::node_admin::Role;

mod reloading;

pub use reloading::Reloading;

/// The only protocol spoken (RFC 7301).
const ALPN: &[u8] = b"h2";

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there or not readable.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A text that should hold PEM does not.
    #[error("{part}: {source}")]
    Pem {
        /// Which of the three texts.
        part: Part,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A text holds no certificate.
    #[error("{0}: it holds no certificate")]
    Empty(Part),
    /// The certificates are no certificates, or the key is not that of the leaf.
    #[error("certificates: {0}")]
    Unusable(#[from] rustls::Error),
    /// The trust bundle cannot verify anything.
    #[error("{}: {source}", Part::Authority)]
    Authority {
        /// Why.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
}

/// One of the three texts; prints as its file in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The leaf, then its chain.
    Certificate,
    /// The leaf's key.
    Key,
    /// Whom to trust.
    Authority,
}

impl Part {
    /// Name of the file, as in a Secret of type `kubernetes.io/tls`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Certificate => "tls.crt",
            Self::Key => "tls.key",
            Self::Authority => "ca.crt",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.file_name())
    }
}

/// A leaf, its key and whom to trust. Cheap to clone; never prints the key.
#[derive(Clone)]
pub struct Identity {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// From PEM texts: the leaf and then its chain, its key (PKCS#8, SEC1 or PKCS#1), the trust bundle.
    pub fn from_pem(certificate: &[u8], key: &[u8], authority: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(Part::Certificate, certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { part: Part::Key, source })?;
        let mut roots = RootCertStore::empty();
        for root in certificates(Part::Authority, authority)? {
            roots.add(root)?;
        }
        let roots = Arc::new(roots);
        Ok(Self {
            client: Arc::new(client_config(&roots, chain.clone(), key.clone_key())?),
            server: Arc::new(server_config(&roots, chain, key)?),
        })
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn certificates(part: Part, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { part, source })?;
    if found.is_empty() { Err(TlsError::Empty(part)) } else { Ok(found) }
}

/// Passed on explicitly, so that no program depends on what another library has installed for the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Sessions are not resumed, in either direction: each connection is verified against the CA of now.
fn client_config(
    roots: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .map_err(|source| TlsError::Authority { source })?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn server_config(
    roots: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .map_err(|source| TlsError::Authority { source })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The role that a verified certificate speaks for.
pub(crate) fn role_of(certificate: &CertificateDer<'_>) -> Option<Role> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    [Role::Operator, Role::SipNode, Role::MediaNode]
        .into_iter()
        .find(|role| server_name(*role).is_some_and(|name| verify_server_name(&certificate, &name).is_ok()))
}

/// Under which name a server of that role is verified.
pub(crate) fn server_name(role: Role) -> Option<ServerName<'static>> {
    ServerName::try_from(role.server_name()).ok()
}

/// How a connection is secured.
#[derive(Debug, Clone)]
pub enum Security {
    /// Not at all: the other end may be anybody, so only on loopback.
    Plaintext,
    /// Mutual TLS with certificates held in memory.
    Fixed(Identity),
    /// Mutual TLS with certificates that are read again when their files change.
    Reloading(Arc<Reloading>),
}

impl Security {
    /// For a new connection; none: in plain text.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Plaintext => None,
            Self::Fixed(identity) => Some(identity.clone()),
            Self::Reloading(reloading) => Some(reloading.identity()),
        }
    }
}
