//! The programs of a plan: their arguments, sockets and logs.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use voip_plan::{MediaPod, SignalingPod};

use crate::failure::Failure;
use crate::load::ObjectId;
use crate::planned::Planned;
use crate::state::StateDir;
use crate::supervise::Program;

use super::sockets::{SocketError, check_tcp, check_udp};

/// Name of the signaling program in messages; it is stopped first.
pub(super) const SIP_NODE: &str = "sip-node";

/// Where the signaling program is reached.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    /// Its pod in the plan.
    signaling: SignalingPod,
    /// The first listener.
    pub(super) sip: SocketAddr,
    /// For media-nodes.
    peers: SocketAddr,
    /// For questions.
    pub(super) http: SocketAddr,
}

impl Sockets {
    /// Those of a plan. A laptop's plan has one sip-node with an address for each listener.
    pub(super) fn of(planned: &Planned) -> Result<Self, String> {
        let none = || "the plan has no sip-node".to_owned();
        let signaling = planned.plan.signaling.first().ok_or_else(none)?.clone();
        let first = signaling.addresses.first().ok_or_else(none)?;
        let sip = SocketAddr::new(first.address, first.port);
        let control = control_address(sip.ip());
        Ok(Self {
            sip,
            peers: SocketAddr::new(control, signaling.control.grpc),
            http: SocketAddr::new(control, signaling.control.http),
            signaling,
        })
    }

    /// Whether all listeners and control ports are free. RTP ports are media-node's to judge: it does with fewer.
    pub(super) fn check(&self, planned: &Planned) -> Result<(), SocketError> {
        for (index, listener) in self.signaling.listeners.iter().enumerate() {
            let field = format!("spec.signaling.listeners[{index}].port");
            check_udp(SocketAddr::new(self.sip.ip(), listener.port), &place(planned, &field))?;
        }
        let field = place(planned, "spec.network.portRange");
        let media = planned.plan.media.iter().map(|pod| SocketAddr::new(self.http.ip(), pod.control.http));
        for socket in [self.peers, self.http].into_iter().chain(media) {
            check_tcp(socket, &field)?;
        }
        Ok(())
    }
}

/// Control ports are for programs of this machine: never open them to the network that phones come from.
fn control_address(sip: IpAddr) -> IpAddr {
    if sip.is_loopback() { sip } else { IpAddr::V4(Ipv4Addr::LOCALHOST) }
}

/// A field of the `VoipCluster`, and its place in the file.
pub(super) fn place(planned: &Planned, field: &str) -> String {
    let metadata = &planned.loaded.cluster.metadata;
    let cluster = ObjectId {
        kind: "VoipCluster".to_owned(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    };
    format!("{field} ({})", planned.loaded.place(&cluster, field))
}

/// Everything that is to be started.
pub(super) fn programs(
    state: &StateDir,
    planned: &Planned,
    sockets: &Sockets,
    log: Option<&str>,
) -> Result<Vec<Program>, Failure> {
    let executable = super::executable().map_err(Failure::failed)?;
    let program = |name: String, mut arguments: Vec<OsString>| {
        arguments.push("--exit-with-stdin".into());
        arguments.extend(["--log".into(), log.unwrap_or("info").into()]);
        let log = log_file(state, &name);
        // What an earlier up left there would be mistaken for the last words of this one.
        drop(std::fs::remove_file(&log));
        Program { name, executable: executable.clone(), arguments, log }
    };
    let mut programs = vec![program(SIP_NODE.to_owned(), sip_node(state, sockets))];
    for pod in &planned.plan.media {
        programs.push(program(format!("media-node {}", pod.name), media_node(state, sockets, pod)));
    }
    Ok(programs)
}

/// Where the log of the program called `name` is.
pub(super) fn log_file(state: &StateDir, name: &str) -> PathBuf {
    state.logs().join(format!("{}.log", name.replace(' ', "-")))
}

fn sip_node(state: &StateDir, sockets: &Sockets) -> Vec<OsString> {
    let bind = sockets.signaling.bind.unwrap_or(sockets.sip.ip());
    arguments(
        "sip-node",
        [
            ("--config", state.sip_config().into()),
            ("--bind", text(&bind)),
            ("--advertise", text(&sockets.sip.ip())),
            ("--peers", text(&sockets.peers)),
            ("--http", text(&sockets.http)),
            ("--state", state.root().into()),
        ],
    )
}

fn media_node(state: &StateDir, sockets: &Sockets, pod: &MediaPod) -> Vec<OsString> {
    let advertise = pod.address.map_or(sockets.sip.ip(), |address| address.address);
    arguments(
        "media-node",
        [
            ("--name", text(&pod.name)),
            ("--pool", text(&pod.pool)),
            ("--config", state.media_config().into()),
            ("--bind", text(&pod.bind.unwrap_or(advertise))),
            ("--advertise", text(&advertise)),
            ("--ports", text(&pod.rtp)),
            ("--calls", text(&pod.capacity)),
            ("--sip-node", text(&sockets.peers)),
            ("--http", text(&SocketAddr::new(sockets.http.ip(), pod.control.http))),
        ],
    )
}

fn arguments<const N: usize>(program: &str, options: [(&str, OsString); N]) -> Vec<OsString> {
    let head = ["run".into(), program.into()];
    head.into_iter().chain(options.into_iter().flat_map(|(name, value)| [name.into(), value])).collect()
}

fn text(value: &impl ToString) -> OsString {
    value.to_string().into()
}
