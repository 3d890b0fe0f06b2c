//! etcd, the API server, and from tier b on the controllers and the scheduler.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::build::Programs;
use super::credentials::{self, User, kubeconfig_path};
use super::daemon::{Daemon, Running, until};
use super::instance::{Instance, State, Tier};
use super::network;

/// Ranges of the cluster's own addresses.
pub(crate) const SERVICES: &str = "10.101.0.0/16";
pub(crate) const PODS: &str = "10.100.0.0/16";
/// The Service `kubernetes`: the first address of [`SERVICES`].
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 101, 0, 1);

const AUDIT_POLICY: &str = include_str!("../../../e2e/kubernetes/audit-policy.yaml");
/// Three times what two busy cores were seen to need.
const PATIENCE: Duration = Duration::from_mins(1);

/// An instance together with the programs that it runs.
pub(crate) struct Cluster {
    pub(crate) instance: Instance,
    pub(crate) programs: Programs,
    pub(crate) state: State,
}

impl Cluster {
    /// Address of the API server.
    pub(crate) fn address(&self) -> IpAddr {
        match self.state.tier {
            Tier::A | Tier::B => Ipv4Addr::LOCALHOST.into(),
            Tier::C => network::CONTROL_PLANE_ADDRESS.into(),
        }
    }

    /// Network namespace of the API server; none on tiers that live on this machine's loopback.
    pub(crate) fn namespace(&self) -> Option<&'static str> {
        (self.state.tier == Tier::C).then_some(network::CONTROL_PLANE)
    }

    /// One of our programs, run where the API server runs.
    fn program(&self, name: &str) -> Command {
        network::inside(self.namespace(), &self.programs.program(name))
    }

    fn start(&self, name: &str, command: &Command) -> Result<Daemon> {
        Daemon::start(&self.instance, name, command)
    }

    /// Runs kubectl as admin with `input`; its standard output, or what it complains about.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.program("kubectl");
        command.arg("--kubeconfig").arg(kubeconfig_path(&self.instance, "admin")).args(arguments);
        network::run(&mut command, input)
    }

    /// Starts everything but nodes; returns when the API server answers and accounts are made for namespaces.
    pub(crate) fn start_control_plane(&self, users: &[User]) -> Result<()> {
        credentials::issue(&self.instance, self.address(), self.state.ports.api_server, users)?;
        std::fs::write(self.instance.path("audit-policy.yaml"), AUDIT_POLICY)
            .context("write the audit policy")?;
        let mut etcd = self.start("etcd", &self.etcd())?;
        let mut api_server = self.start("kube-apiserver", &self.api_server())?;
        self.answers(|| etcd.check().and_then(|()| api_server.check()))?;
        if self.state.tier == Tier::A {
            return Ok(());
        }
        let mut controllers = self.start("kube-controller-manager", &self.controller_manager())?;
        let mut scheduler = self.start("kube-scheduler", &self.scheduler())?;
        until(PATIENCE, "the controllers make a default service account", || {
            controllers.check().and_then(|()| scheduler.check())?;
            Ok(self.kubectl(&["get", "serviceaccount", "default"], "").is_ok())
        })
    }

    /// Ends the API server and starts it again with the same address, keys and data.
    pub(crate) fn restart_api_server(&self) -> Result<()> {
        if let Some(running) = Running::named(&self.instance, "kube-apiserver") {
            running.stop()?;
        }
        let mut api_server = self.start("kube-apiserver", &self.api_server())?;
        self.answers(|| api_server.check())
    }

    fn answers(&self, mut alive: impl FnMut() -> Result<()>) -> Result<()> {
        until(PATIENCE, "the API server is ready", || {
            alive()?;
            Ok(self.kubectl(&["get", "--raw", "/readyz"], "").is_ok())
        })
    }

    fn etcd(&self) -> Command {
        let client = format!("http://127.0.0.1:{}", self.state.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.state.ports.etcd_peer);
        let mut command = self.program("etcd");
        command.arg(format!("--data-dir={}", self.instance.path("etcd").display()));
        // Nothing in a test outlives the machine.
        command.args(["--unsafe-no-fsync", "--log-level=warn"]);
        command.args([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")]);
        command.args([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")]);
        command.arg(format!("--initial-cluster=default={peer}"));
        command
    }

    fn api_server(&self) -> Command {
        let pki = |name: &str| self.instance.path("pki").join(name).display().to_string();
        let address = self.address();
        let mut command = self.program("kube-apiserver");
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{}", self.state.ports.etcd),
            format!("--bind-address={address}"),
            format!("--advertise-address={address}"),
            format!("--secure-port={}", self.state.ports.api_server),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--tls-cert-file={}", pki("server.crt")),
            format!("--tls-private-key-file={}", pki("server.key")),
            format!("--cert-dir={}", pki("")),
            format!("--token-auth-file={}", pki("tokens.csv")),
            // Both authorities, or the controllers' delegated authentication finds no configuration to read.
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--requestheader-client-ca-file={}", pki("ca.crt")),
            format!("--service-account-key-file={}", pki("accounts.pub")),
            format!("--service-account-signing-key-file={}", pki("accounts.key")),
            format!("--audit-policy-file={}", self.instance.path("audit-policy.yaml").display()),
            format!("--audit-log-path={}", audit_log(&self.instance).display()),
        ]);
        command.args([
            "--requestheader-allowed-names=none",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--shutdown-delay-duration=0s",
            // One file that is never turned over, and an entry before each answer: tests count its lines.
            "--audit-log-maxsize=0",
            "--audit-log-mode=blocking",
        ]);
        // The Service `kubernetes` cannot point to loopback.
        command.arg(match self.state.tier {
            Tier::A | Tier::B => "--endpoint-reconciler-type=none",
            Tier::C => "--endpoint-reconciler-type=lease",
        });
        if self.state.tier == Tier::A {
            // Nobody makes the accounts that this plugin wants every pod to have.
            command.arg("--disable-admission-plugins=ServiceAccount");
        }
        command
    }

    fn controller_manager(&self) -> Command {
        let mut command = self.client_of_api_server("kube-controller-manager", "controller-manager");
        let pki = |name: &str| self.instance.path("pki").join(name).display().to_string();
        command.args([
            format!("--secure-port={}", self.state.ports.controller_manager),
            format!("--service-account-private-key-file={}", pki("accounts.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--flex-volume-plugin-dir={}", self.instance.path("plugins").display()),
            format!("--cluster-cidr={PODS}"),
            // Each controller with its own account and role, as in production.
            "--use-service-account-credentials".into(),
            "--allocate-node-cidrs=false".into(),
        ]);
        command.args(match self.state.tier {
            // A lost node is seen within seconds.
            Tier::C => ["--node-monitor-period=1s", "--node-monitor-grace-period=8s"],
            // Well above the heartbeats of a thousand simulated nodes.
            Tier::A | Tier::B => ["--node-monitor-period=5s", "--node-monitor-grace-period=120s"],
        });
        command
    }

    fn scheduler(&self) -> Command {
        let mut command = self.client_of_api_server("kube-scheduler", "scheduler");
        command.arg(format!("--secure-port={}", self.state.ports.scheduler));
        command
    }

    fn client_of_api_server(&self, program: &str, user: &str) -> Command {
        let kubeconfig = kubeconfig_path(&self.instance, user).display().to_string();
        let mut command = self.program(program);
        command.args([
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--cert-dir={}", self.instance.path("pki").display()),
        ]);
        // The default of 20 requests a second is too slow for a thousand nodes.
        let rates = ["--kube-api-qps=500", "--kube-api-burst=1000"];
        command.args(["--bind-address=127.0.0.1", "--leader-elect=false"]).args(rates);
        command
    }
}

/// The API server's record of requests: one JSON object a line.
pub(crate) fn audit_log(instance: &Instance) -> std::path::PathBuf {
    instance.path("log").join("audit.log")
}
