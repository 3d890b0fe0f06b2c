//! What a cluster's CA makes of a program.

use testkit::certificates::{Authority, Leaf};
use voip_contract::node_admin::Role;
use voip_grpc::Security;
use voip_grpc::tls::Identity;

/// A program of that role.
pub(crate) fn security(authority: &Authority, role: Role) -> Security {
    security_for(authority, role.server_name())
}

/// Somebody of that name.
pub(crate) fn security_for(authority: &Authority, name: &str) -> Security {
    let Leaf { certificate, key } = authority.leaf(name);
    let identity =
        Identity::from_pem(certificate.as_bytes(), key.as_bytes(), authority.pem().as_bytes()).unwrap();
    Security::Fixed(identity)
}
