//! A cluster's CA and the certificates that it gives out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use voip_contract::node_admin::Role;
use voip_grpc::Security;
use voip_grpc::tls::Identity;

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A leaf and its key, in PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a test cluster");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn leaf(&self, name: &str) -> Leaf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Leaf { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn security(&self, role: Role) -> Security {
        self.security_for(role.server_name())
    }

    pub(crate) fn security_for(&self, name: &str) -> Security {
        let Leaf { certificate, key } = self.leaf(name);
        let identity =
            Identity::from_pem(certificate.as_bytes(), key.as_bytes(), self.pem().as_bytes()).unwrap();
        Security::Fixed(identity)
    }
}

/// A directory as kubelet makes it: the files are links into `..data`, which is a link that is swapped.
pub(crate) struct SecretVolume {
    path: PathBuf,
    version: AtomicU32,
}

impl SecretVolume {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("voip-grpc-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let volume = Self { path, version: AtomicU32::new(0) };
        for file in ["tls.crt", "tls.key", "ca.crt"] {
            std::os::unix::fs::symlink(Path::new("..data").join(file), volume.path.join(file)).unwrap();
        }
        volume
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next content, all files at once.
    pub(crate) fn swap(&self, leaf: &Leaf, authority: &str) {
        let version = format!("..{}", self.version.fetch_add(1, Ordering::Relaxed));
        let directory = self.path.join(&version);
        std::fs::create_dir(&directory).unwrap();
        for (file, content) in
            [("tls.crt", leaf.certificate.as_str()), ("tls.key", leaf.key.as_str()), ("ca.crt", authority)]
        {
            std::fs::write(directory.join(file), content).unwrap();
        }
        let fresh = self.path.join("..data_tmp");
        std::os::unix::fs::symlink(version, &fresh).unwrap();
        std::fs::rename(fresh, self.path.join("..data")).unwrap();
    }
}

impl Drop for SecretVolume {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
