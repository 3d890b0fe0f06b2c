//! Certificates that are renewed while streams are open.

use std::sync::Arc;
use std::time::Duration;

use testkit::certificates::{Authority, SecretVolume};
use voip_contract::CallId;
use voip_contract::media::ToMediaNode;
use voip_contract::node_admin::Role;
use voip_grpc::tls::{Reloading, TlsError};
use voip_grpc::{Security, media};

use super::admin::soon;
use super::authority::security;
use super::roles::SipNode;
use super::stream::announcement;

fn reloading(volume: &SecretVolume) -> Security {
    Security::Reloading(Arc::new(Reloading::load(volume.path()).unwrap()))
}

/// Until `security` is accepted or refused as wanted; files are looked at once a second.
async fn until(sip_node: &SipNode, security: &Security, accepted: bool) {
    soon(async {
        while media::connect(sip_node.address, security).await.is_ok() != accepted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn new_certificates_serve_the_next_connection_and_open_streams_live_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let volume = SecretVolume::new();
    volume.swap(&before.leaf(Role::SipNode.server_name()), &before.pem());
    let mut sip_node = SipNode::start(reloading(&volume)).await;
    let old = security(&before, Role::MediaNode);
    let mut open = media::connect(sip_node.address, &old).await.unwrap();
    let mut accepted = soon(sip_node.streams.recv()).await.unwrap();

    // Another CA altogether, so that it shows which certificates a connection was made with.
    volume.swap(&after.leaf(Role::SipNode.server_name()), &after.pem());
    until(&sip_node, &security(&after, Role::MediaNode), true).await;
    until(&sip_node, &old, false).await;

    open.outbound.send(announcement()).await.unwrap();
    assert_eq!(soon(accepted.inbound.next()).await.unwrap().unwrap(), announcement());
    let claim = ToMediaNode::Claim { sessions: vec![CallId(1)] };
    accepted.outbound.send(claim.clone()).await.unwrap();
    assert_eq!(soon(open.inbound.next()).await.unwrap().unwrap(), claim);
}

#[tokio::test]
async fn a_client_dials_with_its_renewed_certificate() {
    let (before, after) = (Authority::new(), Authority::new());
    let volume = SecretVolume::new();
    volume.swap(&before.leaf(Role::MediaNode.server_name()), &before.pem());
    let client = reloading(&volume);
    let sip_node = SipNode::start(security(&after, Role::SipNode)).await;
    assert!(media::connect(sip_node.address, &client).await.is_err());
    volume.swap(&after.leaf(Role::MediaNode.server_name()), &after.pem());
    until(&sip_node, &client, true).await;
}

#[tokio::test]
async fn bad_new_files_leave_the_old_ones_and_good_ones_come_after_them() {
    let (before, after) = (Authority::new(), Authority::new());
    let volume = SecretVolume::new();
    let leaf = before.leaf(Role::SipNode.server_name());
    volume.swap(&leaf, &before.pem());
    let sip_node = SipNode::start(reloading(&volume)).await;
    let client = security(&before, Role::MediaNode);
    let mut other_key = before.leaf(Role::SipNode.server_name());
    other_key.key = before.leaf("other").key;
    for (leaf, authority) in [(&other_key, before.pem()), (&leaf, "no PEM at all".to_owned())] {
        volume.swap(leaf, &authority);
        let written = std::time::Instant::now();
        while written.elapsed() < Duration::from_secs(2) {
            assert!(media::connect(sip_node.address, &client).await.is_ok(), "the old ones stay");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    volume.swap(&after.leaf(Role::SipNode.server_name()), &after.pem());
    until(&sip_node, &security(&after, Role::MediaNode), true).await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let volume = SecretVolume::new();
    let load = || Reloading::load(volume.path()).unwrap_err();
    assert!(matches!(load(), TlsError::Read { path, .. } if path.ends_with("tls.crt")));
    let mut leaf = authority.leaf("a");
    let key = std::mem::replace(&mut leaf.key, "nothing".to_owned());
    volume.swap(&leaf, &authority.pem());
    assert!(load().to_string().starts_with("tls.key"), "{}", load());
    leaf.key = key;
    volume.swap(&leaf, "");
    assert!(load().to_string().starts_with("ca.crt"), "{}", load());
    leaf.key = authority.leaf("b").key;
    volume.swap(&leaf, &authority.pem());
    assert!(matches!(load(), TlsError::Unusable(_)), "{}", load());
    assert!(!format!("{:?}", security(&authority, Role::SipNode)).contains("PRIVATE"));
}
