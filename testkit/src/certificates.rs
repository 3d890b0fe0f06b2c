//! A CA for tests, the leaves that it signs, and a directory of them that is renewed as kubelet does it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// A CA.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody else trusts.
    ///
    /// # Panics
    /// Where there is no randomness.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a test cluster");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A leaf for the DNS name `name`, as server and as client.
    ///
    /// # Panics
    /// When that is no DNS name.
    pub fn leaf(&self, name: &str) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Leaf { certificate, key: key.serialize_pem() }
    }
}

/// A directory as kubelet makes it of a Secret: the files are links into `..data`, which is a link that is swapped. Gone
/// when dropped.
#[derive(Debug)]
pub struct SecretVolume {
    path: PathBuf,
    version: AtomicU32,
}

impl Default for SecretVolume {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretVolume {
    /// One without content.
    ///
    /// # Panics
    /// When the temporary directory is not writable.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("voip-test-secret-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        let volume = Self { path, version: AtomicU32::new(0) };
        for file in ["tls.crt", "tls.key", "ca.crt"] {
            let link = volume.path.join(file);
            std::os::unix::fs::symlink(Path::new("..data").join(file), link).expect("a link");
        }
        volume
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next content, all files at once: `tls.crt` and `tls.key` of `leaf`, and `authority` as `ca.crt`.
    ///
    /// # Panics
    /// When the directory is not writable.
    pub fn swap(&self, leaf: &Leaf, authority: &str) {
        let version = format!("..{}", self.version.fetch_add(1, Ordering::Relaxed));
        let directory = self.path.join(&version);
        std::fs::create_dir(&directory).expect("a directory for this version");
        let files = [("tls.crt", leaf.certificate.as_str()), ("tls.key", &leaf.key), ("ca.crt", authority)];
        for (file, content) in files {
            std::fs::write(directory.join(file), content).expect("a file of this version");
        }
        let fresh = self.path.join("..data_tmp");
        std::os::unix::fs::symlink(version, &fresh).expect("a link");
        std::fs::rename(fresh, self.path.join("..data")).expect("the link takes the place of the old one");
    }
}

impl Drop for SecretVolume {
    fn drop(&mut self) {
        // What is left is in a directory for such things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
