//! Mutual TLS with sip-nodes and operators.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use voip_contract::CallId;
use voip_contract::node_admin::Role;
use voip_grpc::tls::Identity;
use voip_grpc::{Security, admin};

use super::harness::*;

/// The CA of a cluster.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A leaf of `role` and its key, in PEM.
    fn leaf(&self, role: Role) -> (String, String) {
        let mut params = CertificateParams::new(vec![role.server_name().to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn security(&self, role: Role) -> Security {
        let (certificate, key) = self.leaf(role);
        let authority = self.0.pem();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes());
        Security::Fixed(identity.unwrap())
    }

    fn write(&self, role: Role, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let (certificate, key) = self.leaf(role);
        for (file, content) in [("tls.crt", certificate), ("tls.key", key), ("ca.crt", self.0.pem())] {
            std::fs::write(directory.join(file), content).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_roles_of_its_cluster_are_talked_to() {
    let authority = Authority::new();
    let directory = std::env::temp_dir().join(format!("media-node-test-tls-{}", std::process::id()));
    authority.write(Role::MediaNode, &directory);
    let extra = vec!["--tls".to_owned(), directory.display().to_string()];
    let node = Node::start(&Setup { extra, ..Setup::default() });
    let mut sip_node = SipNode::start_with(&node, 1, authority.security(Role::SipNode)).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;

    let address = (node.address, ADMIN_PORT).into();
    let connect = async |security: Security| admin::connect(address, Role::MediaNode, &security).await;
    let mut operator = connect(authority.security(Role::Operator)).await.unwrap();
    soon("a report", operator.reports.next()).await.unwrap().unwrap();
    assert!(connect(authority.security(Role::SipNode)).await.is_err(), "another role");
    assert!(connect(Authority::new().security(Role::Operator)).await.is_err(), "another cluster");
    assert!(connect(Security::Plaintext).await.is_err(), "nobody in particular");
    std::fs::remove_dir_all(directory).unwrap();
}
