//! The gRPC port with certificates: who is let in.

use std::time::Duration;

use testkit::certificates::{Authority, Leaf, SecretVolume};
use voip_contract::node_admin::Role;
use voip_grpc::tls::Identity;
use voip_grpc::{Security, admin, media};

use crate::node::Place;

fn security(authority: &Authority, role: Role) -> Security {
    let Leaf { certificate, key } = authority.leaf(role.server_name());
    let authority = authority.pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.as_bytes());
    Security::Fixed(identity.unwrap())
}

#[tokio::test]
async fn each_service_is_for_its_role_and_for_certificates_of_this_cluster() {
    let place = Place::new();
    let (ours, foreign) = (Authority::new(), Authority::new());
    let volume = SecretVolume::new();
    volume.swap(&ours.leaf(Role::SipNode.server_name()), &ours.pem());
    let _node = place.start_with(&["--tls", volume.path().to_str().unwrap()]);
    let session = async |security: Security| {
        let dialled = admin::connect(place.peers(), Role::SipNode, &security);
        tokio::time::timeout(Duration::from_secs(20), dialled).await.expect("in time")
    };
    let mut operator = session(security(&ours, Role::Operator)).await.unwrap();
    assert_eq!(operator.reports.next().await.unwrap().unwrap().role, Role::SipNode);
    let refused = [Security::Plaintext, security(&ours, Role::MediaNode), security(&foreign, Role::Operator)];
    for security in refused {
        assert!(session(security).await.is_err());
    }
    assert!(media::connect(place.peers(), &security(&ours, Role::MediaNode)).await.is_ok());
    assert!(media::connect(place.peers(), &security(&ours, Role::Operator)).await.is_err());
}
