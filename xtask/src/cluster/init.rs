//! Process 1 of a node: hides what the machine has, starts containerd, kubelet and kube-proxy, and buries orphans.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{WaitOptions, wait};
use rustix::system::sethostname;

use super::build::PAUSE_IMAGE;
use super::cgroup;
use super::control_plane::{Cluster, PODS};
use super::credentials::kubeconfig_path;
use super::daemon::until;
use super::network::{self, Node};

/// Configuration files of a node, with `@WORDS@` to fill in.
const FILES: &[(&str, &str)] = &[
    ("containerd-1.toml", include_str!("../../../e2e/kubernetes/node/containerd-1.toml")),
    ("containerd-2.toml", include_str!("../../../e2e/kubernetes/node/containerd-2.toml")),
    ("kubelet.yaml", include_str!("../../../e2e/kubernetes/node/kubelet.yaml")),
    ("kube-proxy.yaml", include_str!("../../../e2e/kubernetes/node/kube-proxy.yaml")),
    ("cni/10-pods.conflist", include_str!("../../../e2e/kubernetes/node/cni.conflist")),
];
/// Machine-wide settings that a kubelet insists on writing; each node gets a file of its own instead.
const SYSCTLS: &[(&str, &str)] =
    &[("kernel/panic", "10"), ("kernel/panic_on_oops", "1"), ("vm/overcommit_memory", "1")];
/// Where distributions put the network plug-ins.
const PLUGINS: &[&str] = &["/usr/lib/cni", "/opt/cni/bin"];
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the node until its last process ends, which is when something ends this one.
pub(crate) fn run(cluster: &Cluster, node: Node) -> Result<()> {
    cgroup::join(node)?;
    let host = Host { cluster, node, directory: cluster.instance.path(node.name()) };
    host.hide_machine()?;
    host.configure()?;
    host.start_containerd()?;
    let (pause, others) = images(cluster)?;
    host.import(&pause)?;
    host.start_kubelet()?;
    host.import_all(&others)?;
    // Fails when there is no process left, and a node without any is of no use.
    loop {
        wait(WaitOptions::empty()).context("wait for the node's processes")?;
    }
}

/// The network plug-ins' directory, if they are installed.
pub(crate) fn plugins() -> Option<&'static str> {
    PLUGINS.iter().copied().find(|directory| Path::new(directory).join("bridge").exists())
}

/// Whether the present images are on `node`.
pub(crate) fn has_images(cluster: &Cluster, node: Node) -> bool {
    fs::read_to_string(marker(cluster, node)).is_ok_and(|have| {
        images(cluster).and_then(|(_, others)| fingerprint(&others)).is_ok_and(|wanted| wanted == have)
    })
}

fn marker(cluster: &Cluster, node: Node) -> PathBuf {
    cluster.instance.path(node.name()).join("images")
}

/// The pause image, and the archives of all others: Kubernetes' and those of the product.
fn images(cluster: &Cluster) -> Result<(PathBuf, Vec<PathBuf>)> {
    let pause = cluster.programs.images().join("pause.oci.tar");
    let mut others = Vec::new();
    for directory in [Some(cluster.programs.images()), cluster.state.images.clone()].into_iter().flatten() {
        let entries = fs::read_dir(&directory).with_context(|| format!("list {}", directory.display()))?;
        for entry in entries {
            let path = entry.context("list images")?.path();
            if path != pause && path.to_string_lossy().ends_with(".oci.tar") {
                others.push(path);
            }
        }
    }
    others.sort();
    Ok((pause, others))
}

/// Tells apart what was imported from what was built since.
fn fingerprint(archives: &[PathBuf]) -> Result<String> {
    let line = |path: &PathBuf| -> Result<String> {
        let about = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH).context("a file from after 1970")?;
        Ok(format!("{} {} {}\n", path.display(), about.len(), modified.as_nanos()))
    };
    archives.iter().map(line).collect()
}

struct Host<'a> {
    cluster: &'a Cluster,
    node: Node,
    /// Everything that outlives a loss of power.
    directory: PathBuf,
}

impl Host<'_> {
    /// Lays this node's files over those of the machine, in this mount namespace only.
    fn hide_machine(&self) -> Result<()> {
        sethostname(self.node.name().as_bytes()).context("set the host's name")?;
        // What containers mount must reach the kubelet; nothing of it reaches the machine.
        let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
        mount_change("/", shared).context("share mounts within the node")?;
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None).context("mount /run")?;
        for (own, over) in [("lib", "/var/lib"), ("log", "/var/log")] {
            let own = self.make(own)?;
            mount_bind(&own, over).with_context(|| format!("mount {over}"))?;
        }
        for directory in
            ["/run/netns", "/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/pods"]
        {
            fs::create_dir_all(directory).with_context(|| format!("create {directory}"))?;
        }
        let values = self.make("sysctl")?;
        for (name, value) in SYSCTLS {
            let file = values.join(name.replace('/', "."));
            fs::write(&file, value).with_context(|| format!("write {}", file.display()))?;
            mount_bind(&file, Path::new("/proc/sys").join(name)).with_context(|| format!("hide {name}"))?;
        }
        Ok(())
    }

    fn make(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }

    fn configure(&self) -> Result<()> {
        let plugins = plugins().context("the network plug-ins are installed")?;
        let directory = self.make("etc/cni")?;
        let etc = directory.parent().context("a directory has a parent")?;
        let words = [
            ("@DIRECTORY@", self.directory.display().to_string()),
            ("@PLUGINS@", plugins.to_owned()),
            ("@PAUSE@", PAUSE_IMAGE.to_owned()),
            ("@CGROUP@", cgroup::path(self.node)),
            ("@PODS@", self.node.pods()),
            ("@ALL_PODS@", PODS.to_owned()),
            ("@KUBECONFIG@", kubeconfig_path(&self.cluster.instance, "proxy").display().to_string()),
        ];
        for (name, text) in FILES {
            let text = words.iter().fold((*text).to_owned(), |text, (word, value)| text.replace(word, value));
            fs::write(etc.join(name), text).with_context(|| format!("write {name}"))?;
        }
        // Pods get the cluster's DNS and nothing of this machine's.
        fs::write(etc.join("resolv.conf"), "").context("write resolv.conf")
    }

    fn start_containerd(&self) -> Result<()> {
        let version = network::run(Command::new("containerd").arg("--version"), "")?;
        let file = if version.contains("containerd/v2") { "containerd-2.toml" } else { "containerd-1.toml" };
        let mut command = Command::new("containerd");
        command.arg("--config").arg(self.directory.join("etc").join(file));
        self.start("containerd", &mut command)?;
        until(PATIENCE, "containerd answers", || {
            Ok(self.ctr().arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
        })
    }

    fn start_kubelet(&self) -> Result<()> {
        let (etc, name) = (self.directory.join("etc"), self.node.name());
        let mut kubelet = Command::new(self.cluster.programs.program("kubelet"));
        kubelet.args([
            format!("--config={}", etc.join("kubelet.yaml").display()),
            format!("--kubeconfig={}", kubeconfig_path(&self.cluster.instance, &name).display()),
            format!("--cert-dir={}", etc.display()),
            format!("--hostname-override={name}"),
            format!("--node-ip={}", self.node.address()),
        ]);
        self.start("kubelet", &mut kubelet)?;
        let mut proxy = Command::new(self.cluster.programs.program("kube-proxy"));
        proxy.args([
            format!("--config={}", etc.join("kube-proxy.yaml").display()),
            format!("--hostname-override={name}"),
        ]);
        self.start("kube-proxy", &mut proxy)
    }

    /// Imports `archives` unless a loss of power left them there.
    fn import_all(&self, archives: &[PathBuf]) -> Result<()> {
        if has_images(self.cluster, self.node) {
            return Ok(());
        }
        archives.iter().try_for_each(|archive| self.import(archive))?;
        fs::write(marker(self.cluster, self.node), fingerprint(archives)?).context("write down the images")
    }

    fn import(&self, archive: &Path) -> Result<()> {
        let output = self.ctr().args(["images", "import"]).arg(archive).output().context("start ctr")?;
        if !output.status.success() {
            bail!("import {}: {}", archive.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.directory.join("containerd.sock")).args(["--namespace", "k8s.io"]);
        command.stdin(Stdio::null());
        command
    }

    fn start(&self, name: &str, command: &mut Command) -> Result<()> {
        let path = self.cluster.instance.path("log").join(format!("{}-{name}.log", self.node.name()));
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("open {}", path.display()))?;
        let output = log.try_clone().context("share the log")?;
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(())
    }
}
