//! Makes and checks certificates. It knows no clock and no API server: `now` is an argument.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};
use voip_contract::node_admin::Role;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// How long a CA is good for.
const AUTHORITY_LIFETIME: Duration = Duration::days(3652);
/// How long a program's leaf is good for.
pub(super) const LEAF_LIFETIME: Duration = Duration::days(90);
/// The age at which it is renewed.
pub(super) const LEAF_RENEWAL: Duration = Duration::days(60);
/// How long the operator's own leaf is good for.
pub(super) const OPERATOR_LIFETIME: Duration = Duration::hours(24);
/// Clocks of nodes may be behind by this much.
const CLOCK_SKEW: Duration = Duration::hours(1);

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("certificate: {0}")]
pub struct IssueError(#[from] rcgen::Error);

/// The CA of a VoipCluster.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A leaf with its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
    /// The certificate of the CA.
    pub trust: String,
}

impl fmt::Debug for Leaf {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one.
    pub fn new(cluster: &str, now: OffsetDateTime) -> Result<Self, IssueError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = lasting(now, AUTHORITY_LIFETIME);
        params.distinguished_name.push(DnType::CommonName, format!("{cluster} voip CA"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// One that was stored; none when it cannot sign what is believed at `now`.
    pub fn read(certificate: &str, key: &str, now: OffsetDateTime) -> Option<Self> {
        let pair = KeyPair::from_pem(key).ok()?;
        let fit = with_certificate(certificate, |parsed| {
            parsed.is_ca()
                && holds(parsed, &pair)
                && parsed.validity().not_after.timestamp() > now.unix_timestamp()
        })?;
        let issuer = Issuer::from_ca_cert_pem(certificate, pair).ok()?;
        fit.then(|| Self { certificate: certificate.to_owned(), issuer })
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its private key, PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A new leaf for a role, as server and as client.
    pub fn leaf(&self, role: Role, now: OffsetDateTime, lifetime: Duration) -> Result<Leaf, IssueError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = lasting(now, lifetime);
        params.subject_alt_names = CertificateParams::new([role.server_name().to_owned()])?.subject_alt_names;
        params.distinguished_name.push(DnType::CommonName, role.server_name());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { certificate, key: key.serialize_pem(), trust: self.certificate.clone() })
    }

    /// When a leaf of this CA ends; none when it is of another, for another role, or its key is not its own.
    pub fn vouches_until(&self, leaf: &Leaf, role: Role) -> Option<OffsetDateTime> {
        let pair = KeyPair::from_pem(&leaf.key).ok()?;
        let signed = with_certificate(&self.certificate, |ca| {
            with_certificate(&leaf.certificate, |parsed| {
                parsed.verify_signature(Some(ca.public_key())).is_ok()
                    && names(parsed, role)
                    && holds(parsed, &pair)
            })
        })??;
        let end = with_certificate(&leaf.certificate, |parsed| parsed.validity().not_after.timestamp())?;
        let end = OffsetDateTime::from_unix_timestamp(end).ok()?;
        (signed && leaf.trust == self.certificate).then_some(end)
    }
}

fn lasting(now: OffsetDateTime, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + lifetime;
    params
}

fn with_certificate<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).ok()?;
    let parsed = block.parse_x509().ok()?;
    Some(look(&parsed))
}

/// The key is the certificate's.
fn holds(certificate: &X509Certificate<'_>, pair: &KeyPair) -> bool {
    certificate.public_key().subject_public_key.data.as_ref() == pair.public_key_raw()
}

fn names(certificate: &X509Certificate<'_>, role: Role) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| *name == GeneralName::DNSName(role.server_name()))
}
