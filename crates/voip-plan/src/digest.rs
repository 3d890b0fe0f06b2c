//! HA1 of HTTP digest (RFC 7616 section 3.4.2), so that no password leaves the plan.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use voip_contract::config::DigestAlgorithm;

/// H(username:realm:password) in lower-case hexadecimal.
pub(crate) fn ha1(algorithm: DigestAlgorithm, username: &str, realm: &str, password: &[u8]) -> String {
    match algorithm {
        DigestAlgorithm::Md5 => hash::<Md5>(username, realm, password),
        DigestAlgorithm::Sha256 => hash::<Sha256>(username, realm, password),
        DigestAlgorithm::Sha512_256 => hash::<Sha512_256>(username, realm, password),
    }
}

/// Length of an HA1 in hexadecimal digits.
pub(crate) fn digits(algorithm: DigestAlgorithm) -> usize {
    match algorithm {
        DigestAlgorithm::Md5 => 32,
        DigestAlgorithm::Sha256 | DigestAlgorithm::Sha512_256 => 64,
    }
}

/// Names a document's content: the first 16 hexadecimal digits of its SHA-256.
pub(crate) fn fingerprint(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content)).chars().take(16).collect()
}

fn hash<D: Digest>(username: &str, realm: &str, password: &[u8]) -> String {
    let hash = D::new().chain_update(username).chain_update(b":").chain_update(realm).chain_update(b":");
    hexadecimal(&hash.chain_update(password).finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1 gives user, realm and password; the HA1s are those of coreutils and OpenSSL.
    #[test]
    fn rfc_7616_example() {
        let ha1 = |algorithm| ha1(algorithm, "Mufasa", "http-auth@example.org", b"Circle of Life");
        assert_eq!(ha1(DigestAlgorithm::Md5), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            ha1(DigestAlgorithm::Sha256),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
        assert_eq!(
            ha1(DigestAlgorithm::Sha512_256),
            "fb174f5c3c7802721517cae13b98e2b8dae2e0118cb705d94ee29946319204ce"
        );
    }
}
