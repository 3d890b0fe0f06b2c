//! The gRPC port with certificates: who is let in.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use voip_contract::node_admin::Role;
use voip_grpc::tls::Identity;
use voip_grpc::{Security, admin, media};

use crate::node::Place;

/// A CA, and the leaves that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key.
    fn leaf(&self, role: Role) -> (String, String) {
        let mut params = CertificateParams::new(vec![role.server_name().to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, directory: &Path) {
        let (certificate, key) = self.leaf(Role::SipNode);
        std::fs::create_dir_all(directory).unwrap();
        for (file, text) in [("tls.crt", certificate), ("tls.key", key), ("ca.crt", self.0.pem())] {
            std::fs::write(directory.join(file), text).unwrap();
        }
    }

    fn security(&self, role: Role) -> Security {
        let (certificate, key) = self.leaf(role);
        let authority = self.0.pem();
        Security::Fixed(
            Identity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes()).unwrap(),
        )
    }
}

#[tokio::test]
async fn each_service_is_for_its_role_and_for_certificates_of_this_cluster() {
    let place = Place::new();
    let (ours, foreign) = (Authority::new(), Authority::new());
    let directory = place.root.join("tls");
    ours.write(&directory);
    let _node = place.start_with(&["--tls", directory.to_str().unwrap()]);
    let session = async |security: Security| {
        let dialled = admin::connect(place.peers(), Role::SipNode, &security);
        tokio::time::timeout(Duration::from_secs(20), dialled).await.expect("in time")
    };
    let mut operator = session(ours.security(Role::Operator)).await.unwrap();
    assert_eq!(operator.reports.next().await.unwrap().unwrap().role, Role::SipNode);
    let refused = [Security::Plaintext, ours.security(Role::MediaNode), foreign.security(Role::Operator)];
    for security in refused {
        assert!(session(security).await.is_err());
    }
    assert!(media::connect(place.peers(), &ours.security(Role::MediaNode)).await.is_ok());
    assert!(media::connect(place.peers(), &ours.security(Role::Operator)).await.is_err());
}
