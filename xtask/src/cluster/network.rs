//! The network of tier c: which namespaces there are, who has which address.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// Namespace of the control plane.
pub(crate) const CONTROL_PLANE: &str = "voip-e2e-cp";
/// Address of the API server.
pub(crate) const CONTROL_PLANE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 10);

/// `program`, run in network namespace `namespace`, or here when there is none.
pub(crate) fn inside(namespace: Option<&str>, program: &Path) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(program);
    command
}
