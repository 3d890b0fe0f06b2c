//! Who may speak to the API server: a certificate authority, the server's certificate, a random token per program.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::instance::Instance;

/// Longer than any test run, short enough to be of no use to anybody later.
const DAYS: &str = "7";

/// A user that the API server knows by a token.
pub(crate) struct User {
    /// Also the name of its kubeconfig.
    pub(crate) short: String,
    /// What the API server calls it.
    name: String,
    group: Option<&'static str>,
}

impl User {
    fn new(short: &str, name: &str, group: Option<&'static str>) -> Self {
        Self { short: short.into(), name: name.into(), group }
    }

    /// The person at the keyboard, who may do anything.
    pub(crate) fn admin() -> Self {
        Self::new("admin", "admin", Some("system:masters"))
    }

    /// The programs beside the API server, with the rights that Kubernetes gives them.
    pub(crate) fn programs() -> Vec<Self> {
        vec![
            Self::new("controller-manager", "system:kube-controller-manager", None),
            Self::new("scheduler", "system:kube-scheduler", None),
            Self::new("proxy", "system:kube-proxy", None),
            // It plays every node, which no role of Kubernetes allows.
            Self::new("kwok", "kwok", Some("system:masters")),
        ]
    }

    /// The kubelet of node `name`.
    pub(crate) fn node(name: &str) -> Self {
        Self::new(name, &format!("system:node:{name}"), Some("system:nodes"))
    }
}

/// Makes keys, certificates, tokens and one kubeconfig per user for a server at `address` and `port`.
pub(crate) fn issue(instance: &Instance, address: IpAddr, port: u16, users: &[User]) -> Result<()> {
    let directory = instance.path("pki");
    certificates(&directory, address)?;
    let mut tokens = String::new();
    for user in users {
        let token = token()?;
        let groups = user.group.map(|group| format!(",{group}")).unwrap_or_default();
        writeln!(tokens, "{token},{},{}{groups}", user.name, user.short)?;
        let server = format!("https://{address}:{port}");
        let text = kubeconfig(&server, &directory.join("ca.crt"), &token).to_string();
        private(&kubeconfig_path(instance, &user.short), &text)?;
    }
    private(&directory.join("tokens.csv"), &tokens)
}

/// Where the kubeconfig of the user called `short` lies.
pub(crate) fn kubeconfig_path(instance: &Instance, short: &str) -> PathBuf {
    instance.path("kubeconfig").join(short)
}

/// A kubeconfig; JSON is YAML.
fn kubeconfig(server: &str, ca: &Path, token: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "voip-e2e", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "voip-e2e", "context": {"cluster": "voip-e2e", "user": "user"}}],
        "current-context": "voip-e2e",
    })
}

fn certificates(directory: &Path, address: IpAddr) -> Result<()> {
    let names = format!(
        "subjectAltName=IP:127.0.0.1,IP:{address},IP:{},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,\
         DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local",
        super::control_plane::API_SERVICE
    );
    private(&directory.join("server.ext"), &names)?;
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = ["-subj", "/CN=voip-e2e", "-keyout", "ca.key", "-out", "ca.crt", "-days", DAYS];
    openssl(directory, &[&["req", "-x509"][..], &key, &ca].concat())?;
    let request = ["-subj", "/CN=kube-apiserver", "-keyout", "server.key", "-out", "server.csr"];
    openssl(directory, &[&["req", "-new"][..], &key, &request].concat())?;
    let signed = ["-CAcreateserial", "-days", DAYS, "-extfile", "server.ext", "-out", "server.crt"];
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key"];
    openssl(directory, &[&sign[..], &signed].concat())?;
    openssl(directory, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "accounts.key"])?;
    openssl(directory, &["ec", "-in", "accounts.key", "-pubout", "-out", "accounts.pub"])
}

fn openssl(directory: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .context("start openssl")?;
    if output.status.success() {
        return Ok(());
    }
    bail!("openssl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())
}

/// 128 random bits.
fn token() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("draw a token")?;
    Ok(random.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// Writes a file that only its owner can read.
fn private(path: &Path, text: &str) -> Result<()> {
    let open = |path| -> std::io::Result<File> {
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
    };
    open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}
