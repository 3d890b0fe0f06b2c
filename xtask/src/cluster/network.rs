//! The network of tier c: a switch without an uplink, and on it the control plane, the nodes and the world outside,
//! each a network namespace.
//!
//! It knows addresses and routes, not what runs behind them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::control_plane::{PODS, SERVICES};
use super::instance::PodNetwork;

/// Begins the name of every network namespace and cgroup, so that taking down can meet nothing foreign.
pub(crate) const PREFIX: &str = "voip-e2e-";
/// Namespace of the control plane.
pub(crate) const CONTROL_PLANE: &str = "voip-e2e-cp";
/// Namespace of hosts and phones outside the nodes.
pub(crate) const OUTSIDE: &str = "voip-e2e-ext";
/// Address of the API server.
pub(crate) const CONTROL_PLANE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 10);
/// As many nodes as there are last digits in the plan below.
pub(crate) const MOST_NODES: u16 = 9;

/// The switch; it also plays the router that every namespace's default route asks for.
const FABRIC: &str = "voip-e2e-fab";
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Two, so that two phones can use the same port.
const OUTSIDE_ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 0, 200), Ipv4Addr::new(10, 99, 0, 201)];
/// The half of the switch's range that holds the cluster's own hosts.
const CLUSTER_HOSTS: &str = "10.99.0.0/25";
/// Pods, services, load balancers and hosts lie in here.
const EVERYTHING: &str = "10.96.0.0/13";
/// Marks our route in this machine's table.
const ROUTE_PROTOCOL: &str = "86";

/// A node's place in the address plan: `n1` is 10.99.0.11 with pods in 10.100.1.0/24.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node(pub(crate) u16);

impl Node {
    /// All nodes of a cluster of `count`.
    pub(crate) fn all(count: u16) -> impl Iterator<Item = Self> {
        (1..=count).map(Self)
    }

    pub(crate) fn name(self) -> String {
        format!("n{}", self.0)
    }

    pub(crate) fn namespace(self) -> String {
        format!("{PREFIX}n{}", self.0)
    }

    pub(crate) fn address(self) -> String {
        format!("10.99.0.{}", 10 + self.0)
    }

    pub(crate) fn pods(self) -> String {
        format!("10.100.{}.0/24", self.0)
    }
}

/// `program`, run in network namespace `namespace`, or here when there is none.
pub(crate) fn inside(namespace: Option<&str>, program: &Path) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", place(namespace).display())).arg("--").arg(program);
    command
}

/// Makes the switch, the control plane's namespace and the outside.
pub(crate) fn create() -> Result<()> {
    guard()?;
    ip(&format!("netns add {FABRIC}"))?;
    ip(&format!("-n {FABRIC} link set lo up"))?;
    ip(&format!("-n {FABRIC} link add br0 type bridge"))?;
    ip(&format!("-n {FABRIC} link set br0 up"))?;
    ip(&format!("-n {FABRIC} addr add {ROUTER}/24 dev br0"))?;
    attach(CONTROL_PLANE, "cp", &CONTROL_PLANE_ADDRESS.to_string())?;
    let [first, second] = OUTSIDE_ADDRESSES;
    attach(OUTSIDE, "ext", &first.to_string())?;
    ip(&format!("-n {OUTSIDE} addr add {second}/24 dev eth0"))
}

/// Makes the namespace of `node`, one of `count`, as after a boot.
pub(crate) fn attach_node(node: Node, count: u16, mode: PodNetwork) -> Result<()> {
    let namespace = node.namespace();
    detach_node(node)?;
    attach(&namespace, &node.name(), &node.address())?;
    for other in Node::all(count).filter(|other| *other != node) {
        ip(&format!("-n {namespace} route add {} via {}", other.pods(), other.address()))?;
    }
    ip(&format!("-n {CONTROL_PLANE} route replace {} via {}", node.pods(), node.address()))?;
    set_pod_network(node, mode)
}

/// Removes the namespace of `node` with all that was configured in it, if it is there.
pub(crate) fn detach_node(node: Node) -> Result<()> {
    if !place(&node.namespace()).exists() {
        return Ok(());
    }
    // The kernel clears a namespace some time after its end; the wire is wanted again at once. A boot that was cut
    // short may have made no wire.
    let _ = ip(&format!("-n {FABRIC} link delete {}", node.name()));
    ip(&format!("netns delete {}", node.namespace()))
}

/// Cuts the wire of `node`, or mends it.
pub(crate) fn set_link(node: Node, up: bool) -> Result<()> {
    ip(&format!("-n {FABRIC} link set {} {}", node.name(), if up { "up" } else { "down" }))
}

/// Sends what the outside has for `address` to `node`, as a load balancer would have announced it.
pub(crate) fn route(address: Ipv4Addr, node: Node) -> Result<()> {
    ip(&format!("-n {OUTSIDE} route replace {address}/32 via {}", node.address()))
}

/// Lets packets of `node`'s pods leave the cluster in the way of `mode`.
pub(crate) fn set_pod_network(node: Node, mode: PodNetwork) -> Result<()> {
    let namespace = node.namespace();
    nft(&namespace, &rules(mode))?;
    // Flows that began before keep the translation that they began with. Those of TCP may: they are connections to
    // Services, whose clients would go on waiting. That there are none to delete counts as a failure to conntrack.
    let _ = run(inside(Some(&namespace), Path::new("conntrack")).args(["-D", "-p", "udp"]), "");
    let reach = match mode {
        PodNetwork::Routable => format!("route replace {} via {}", node.pods(), node.address()),
        PodNetwork::Masquerade => format!("route replace unreachable {}", node.pods()),
    };
    ip(&format!("-n {OUTSIDE} {reach}"))
}

/// Rules for nftables: masquerading keeps a free source port, or there are none.
fn rules(mode: PodNetwork) -> String {
    // Declared first: a table that is not there cannot be deleted.
    let fresh = "table ip voip_e2e\ndelete table ip voip_e2e\n";
    match mode {
        PodNetwork::Routable => fresh.into(),
        PodNetwork::Masquerade => format!(
            "{fresh}table ip voip_e2e {{\n chain leave {{\n  type nat hook postrouting priority srcnat;\n  \
             ip saddr {PODS} ip daddr != {{ {PODS}, {SERVICES}, {CLUSTER_HOSTS} }} masquerade\n }}\n}}\n"
        ),
    }
}

/// Removes every namespace of ours; nothing of them need be there.
pub(crate) fn remove() -> Result<()> {
    for namespace in namespaces()? {
        ip(&format!("netns delete {namespace}"))?;
    }
    Ok(())
}

/// Removes the route that keeps cluster addresses off the machine's networks, if it is there.
pub(crate) fn unguard() -> Result<()> {
    if guarded()? {
        return ip(&format!("route delete unreachable {EVERYTHING} proto {ROUTE_PROTOCOL}"));
    }
    Ok(())
}

/// What there is of this network, in words.
pub(crate) fn leftovers() -> Result<Vec<String>> {
    Ok(namespaces()?.into_iter().map(|namespace| format!("network namespace {namespace}")).collect())
}

/// A route that leads nowhere: no packet for a cluster address ever takes this machine's default route. Refuses to
/// shadow a network that the machine really has.
pub(crate) fn guard() -> Result<()> {
    let routes = machine_routes()?;
    if let Some(foreign) = routes.lines().find(|line| !is_guard(line)) {
        bail!(
            "tiers b and c cannot run here: they use {EVERYTHING}, and this machine has the route {foreign:?}"
        );
    }
    ip(&format!("route replace unreachable {EVERYTHING} proto {ROUTE_PROTOCOL}"))
}

fn guarded() -> Result<bool> {
    Ok(machine_routes()?.lines().any(is_guard))
}

fn is_guard(route: &str) -> bool {
    route.starts_with("unreachable") && route.contains(&format!("proto {ROUTE_PROTOCOL}"))
}

fn machine_routes() -> Result<String> {
    run(Command::new("ip").args(["-4", "route", "show", "root", EVERYTHING]), "")
}

/// A namespace with one wire to the switch.
fn attach(namespace: &str, port: &str, address: &str) -> Result<()> {
    ip(&format!("netns add {namespace}"))?;
    ip(&format!("-n {namespace} link set lo up"))?;
    // The same hardware address after a reboot: the neighbours' tables stay right.
    let mac = hardware_address(address)?;
    ip(&format!("-n {namespace} link add eth0 address {mac} type veth peer name {port} netns {FABRIC}"))?;
    ip(&format!("-n {FABRIC} link set {port} master br0"))?;
    ip(&format!("-n {FABRIC} link set {port} up"))?;
    ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
    ip(&format!("-n {namespace} link set eth0 up"))?;
    ip(&format!("-n {namespace} route add default via {ROUTER}"))
}

/// A locally administered address made from an IPv4 address.
fn hardware_address(address: &str) -> Result<String> {
    let address: Ipv4Addr = address.parse().context("read an address of the plan")?;
    let [a, b, c, d] = address.octets();
    Ok(format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

/// Our namespaces that exist.
fn namespaces() -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(place("")) else { return Ok(Vec::new()) };
    let names =
        entries.map(|entry| Ok(entry.context("list namespaces")?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| name.as_ref().map_or(true, |name: &String| name.starts_with(PREFIX))).collect()
}

/// Where iproute2 keeps a namespace.
fn place(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

fn nft(namespace: &str, rules: &str) -> Result<()> {
    run(inside(Some(namespace), Path::new("nft")).args(["-f", "-"]), rules).map(drop)
}

fn ip(arguments: &str) -> Result<()> {
    run(Command::new("ip").args(arguments.split_whitespace()), "").map(drop)
}

/// Runs `command` with `input`; its standard output, or what it complains about.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String> {
    let words = || format!("{command:?}").replace('"', "");
    let words = words();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {words}"))?;
    let mut stdin = child.stdin.take().context("a child has a standard input")?;
    // It may end without reading; then its complaint says more than the broken pipe.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("wait for {words}"))?;
    if !output.status.success() {
        bail!("{words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_plan() {
        let node = Node(3);
        assert_eq!((node.name(), node.namespace()), ("n3".into(), "voip-e2e-n3".into()));
        assert_eq!((node.address(), node.pods()), ("10.99.0.13".into(), "10.100.3.0/24".into()));
        assert_eq!(hardware_address(&node.address()).unwrap(), "02:00:0a:63:00:0d");
    }

    #[test]
    fn nobody_outside_is_taken_for_a_host_of_the_cluster() {
        let last = Node(MOST_NODES).address().parse::<Ipv4Addr>().unwrap().octets()[3];
        assert!(CONTROL_PLANE_ADDRESS.octets()[3] < 128 && last < 128, "{CLUSTER_HOSTS}");
        assert!(OUTSIDE_ADDRESSES.iter().all(|address| address.octets()[3] >= 128), "{CLUSTER_HOSTS}");
    }

    #[test]
    fn only_our_own_route_counts_as_the_guard() {
        assert!(is_guard("unreachable 10.96.0.0/13 proto 86 "));
        assert!(!is_guard("unreachable 10.96.0.0/13 "));
        assert!(!is_guard("10.99.0.0/24 dev eth0 proto 86"));
    }

    #[test]
    fn routable_pods_are_not_translated() {
        assert!(rules(PodNetwork::Masquerade).contains("masquerade"));
        assert!(!rules(PodNetwork::Routable).contains("masquerade"));
    }
}
