//! Mutual TLS with sip-nodes and operators.

use testkit::certificates::{Authority, Leaf, SecretVolume};
use voip_contract::CallId;
use voip_contract::node_admin::Role;
use voip_grpc::tls::Identity;
use voip_grpc::{Security, admin};

use super::harness::*;

fn security(authority: &Authority, role: Role) -> Security {
    let Leaf { certificate, key } = authority.leaf(role.server_name());
    let authority = authority.pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes());
    Security::Fixed(identity.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_roles_of_its_cluster_are_talked_to() {
    let authority = Authority::new();
    let volume = SecretVolume::new();
    volume.swap(&authority.leaf(Role::MediaNode.server_name()), &authority.pem());
    let extra = vec!["--tls".to_owned(), volume.path().display().to_string()];
    let node = Node::start(&Setup { extra, ..Setup::default() });
    let mut sip_node = SipNode::start_with(&node, 1, security(&authority, Role::SipNode)).await;
    let phone = Phone::new().await;
    sip_node.answer(CallId(1), &phone).await;

    let address = (node.address, ADMIN_PORT).into();
    let connect = async |security: Security| admin::connect(address, Role::MediaNode, &security).await;
    let mut operator = connect(security(&authority, Role::Operator)).await.unwrap();
    soon("a report", operator.reports.next()).await.unwrap().unwrap();
    assert!(connect(security(&authority, Role::SipNode)).await.is_err(), "another role");
    assert!(connect(security(&Authority::new(), Role::Operator)).await.is_err(), "another cluster");
    assert!(connect(Security::Plaintext).await.is_err(), "nobody in particular");
}
