//! The images of `cargo xtask images`, unpacked and run as a container runtime would: as their user, in their own root
//! and as PID 1. Needs root. The archives are those of target/images.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// Images, and the program in each.
const IMAGES: [(&str, &str); 3] =
    [("operator", "voip-operator"), ("sip-node", "sip-node"), ("media-node", "media-node")];

fn archive(image: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/images/{image}.oci.tar"))
}

/// The file called `path` in the archive of `image`.
fn entry(image: &str, path: &str) -> Vec<u8> {
    let archive = std::fs::File::open(archive(image)).expect("cargo xtask images was run");
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("a tar").map(|entry| entry.expect("a tar"));
    let mut entry = entries
        .into_iter()
        .find(|entry| entry.path().is_ok_and(|found| found == Path::new(path)))
        .unwrap_or_else(|| panic!("no {path}"));
    let mut content = Vec::new();
    entry.read_to_end(&mut content).expect("a tar");
    content
}

fn json_entry(image: &str, path: &str) -> Value {
    serde_json::from_slice(&entry(image, path)).expect("JSON")
}

fn blob(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().expect("a digest").replace(':', "/"))
}

/// An unpacked image; gone when dropped.
struct Container {
    root: PathBuf,
    config: Value,
}

impl Container {
    fn unpack(image: &str, test: &str) -> Self {
        let index = json_entry(image, "index.json");
        let manifest = json_entry(image, &blob(&index["manifests"][0]));
        let config = json_entry(image, &blob(&manifest["config"]));
        let root = std::env::temp_dir().join(format!("voip-images-{}-{test}-{image}", std::process::id()));
        let layer = entry(image, &blob(&manifest["layers"][0]));
        tar::Archive::new(GzDecoder::new(layer.as_slice())).unpack(&root).expect("unpack the layer");
        Self { root, config: config["config"].clone() }
    }

    /// Its program as PID 1 of new namespaces, without a network, but for loopback, as the user of the image.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        let user = format!("--userspec={}", self.config["User"].as_str().expect("a user"));
        command.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c"]);
        // Every container has /dev/urandom of its runtime.
        command.arg(
            "ip link set lo up && mkdir -p \"$2/dev\" && mount --bind /dev \"$2/dev\" && exec chroot \"$@\"",
        );
        command.arg("sh").arg(&user).arg(&self.root);
        let entrypoint = self.config["Entrypoint"].as_array().expect("an entrypoint");
        command.args(entrypoint.iter().map(|part| part.as_str().expect("text")));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("start unshare")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.root).ok();
    }
}

#[test]
fn images_hold_one_static_program_that_runs_as_their_user() {
    for (image, program) in IMAGES {
        let container = Container::unpack(image, "one");
        assert_eq!(container.config["User"], "65532:65532");
        assert_eq!(container.config["Entrypoint"], json!([format!("/bin/{program}")]));
        let labels = &container.config["Labels"];
        assert_eq!(labels["org.opencontainers.image.title"], image);
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
        let names = |path: &Path| {
            let entries = std::fs::read_dir(path).expect("list the root");
            entries.map(|entry| entry.expect("list the root").file_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(&container.root), ["bin"]);
        assert_eq!(names(&container.root.join("bin")), [program]);
        let version = container.output(&["--version"]);
        assert_eq!(
            String::from_utf8_lossy(&version.stdout).trim(),
            format!("{program} {}", env!("CARGO_PKG_VERSION"))
        );
        assert!(container.output(&["--help"]).status.success());
    }
}

#[test]
fn images_are_small() {
    for (image, _) in IMAGES {
        let bytes = archive(image).metadata().expect("cargo xtask images was run").len();
        assert!(bytes <= 40 << 20, "{image}: {bytes} bytes");
    }
}

/// The only child of `child`, which is PID 1 of its own namespace, once it has its signal handlers.
fn first_process(child: &Child) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let sigterm = 1_u64 << 14;
    let handles = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & sigterm != 0).then_some(pid)
    };
    within(Duration::from_secs(30), "the program handles SIGTERM", || {
        handles(std::fs::read_to_string(&children).ok()?.trim().parse().ok()?)
    })
}

/// Asks until there is an answer. What is asked are other processes, which have no event to wait on.
fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The kernel drops signals to PID 1 that it has no handler for: without one, SIGTERM would do nothing at all.
#[test]
fn images_obey_sigterm_as_pid_1() {
    let container = Container::unpack("media-node", "term");
    std::fs::create_dir(container.root.join("config")).expect("make the config directory");
    let document = r#"{"version":1,"fingerprint":"0","cluster":"a/b","localCidrs":[],"orphanSeconds":60}"#;
    std::fs::write(container.root.join("config/media.json"), document).expect("write the document");
    let arguments = "--name m --config /config --bind 127.0.0.1 --ports 20000-20063 --calls 8 \
                     --sip-node 127.0.0.1:8081 --http 127.0.0.1:8080";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut child = container.command(&arguments).stderr(Stdio::piped()).spawn().expect("start unshare");
    let pid = i32::try_from(first_process(&child)).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::TERM).expect("send SIGTERM");
    let status = within(Duration::from_secs(30), "the program ends", || child.try_wait().expect("wait"));
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("read what it said");
    assert!(status.success(), "{status}: {said}");
}
