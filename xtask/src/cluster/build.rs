//! The programs of a Kubernetes, built from their published Go modules and kept outside the checkout.
//!
//! What is built depends on nothing but the files in `e2e/kubernetes` and [`MODULES`]; a hash over both names the
//! directory that holds the result, so that another version never mixes with this one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::oci;

/// Programs that are built together: one Go module, since the versions that different projects want clash.
#[derive(Debug)]
struct Module {
    /// Directory below `e2e/kubernetes`; also the program's name when there is one package only.
    directory: &'static str,
    packages: &'static [&'static str],
    /// Whether the programs must be told the version that they report: clients refuse a server without one.
    versioned: bool,
}

const MODULES: &[Module] = &[
    Module { directory: "mod/etcd", packages: &["go.etcd.io/etcd/server/v3"], versioned: false },
    Module {
        directory: "mod/k8s",
        packages: &[
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubelet",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kubectl",
        ],
        versioned: true,
    },
    Module { directory: "mod/kwok", packages: &["sigs.k8s.io/kwok/cmd/kwok"], versioned: false },
    Module { directory: "mod/coredns", packages: &["github.com/coredns/coredns"], versioned: false },
    Module { directory: "mod/helm", packages: &["helm.sh/helm/v4/cmd/helm"], versioned: false },
    Module { directory: "pause", packages: &["."], versioned: false },
];

/// Files of each module that say what is built.
const SOURCES: &[&str] = &["go.mod", "go.sum", "main.go"];
/// How a simulated node and its pods behave, in kwok's module.
const STAGES: &[&str] = &["node/fast", "node/heartbeat-with-lease", "pod/fast"];
/// Raised when what is kept beside the programs changes.
const LAYOUT: u32 = 1;
/// Image of the process that holds a pod's namespaces.
pub(crate) const PAUSE_IMAGE: &str = "voip-e2e.local/pause:1";
/// Image of the cluster's DNS server.
pub(crate) const DNS_IMAGE: &str = "voip-e2e.local/coredns:1";

/// Where the built programs lie.
#[derive(Clone)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Directory of the executables.
    pub(crate) fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// One executable.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// Directory of the images that every node needs.
    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// Configuration of kwok.
    pub(crate) fn stages(&self) -> PathBuf {
        self.0.join("stages.yaml")
    }

    /// The programs that belong to the checkout at `root`, where they lie or would lie.
    pub(crate) fn locate(root: &Path) -> Result<Self> {
        Ok(Self(cache()?.join(key(&root.join("e2e/kubernetes"))?)))
    }

    /// Whether they are built; they appear all at once.
    pub(crate) fn is_built(&self) -> bool {
        self.0.is_dir()
    }
}

/// The programs of the checkout at `root`; builds them when they are not there yet.
pub(crate) fn ensure(root: &Path) -> Result<Programs> {
    let programs = Programs::locate(root)?;
    if programs.is_built() {
        return Ok(programs);
    }
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).context("open the build's lock")?;
    if lock.try_lock().is_err() {
        println!("waiting for another build of the Kubernetes programs");
        lock.lock().context("wait for the build's lock")?;
    }
    if !programs.is_built() {
        build(&root.join("e2e/kubernetes"), &programs)?;
    }
    Ok(programs)
}

/// Builds beside the final place and renames, so that a build that was cut short is never taken for one.
fn build(sources: &Path, programs: &Programs) -> Result<()> {
    println!("building Kubernetes: 6 to 10 minutes from an empty Go cache on two cores");
    let unfinished = Programs(programs.0.with_extension("unfinished"));
    for directory in [unfinished.bin(), unfinished.images()] {
        fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    }
    for module in MODULES {
        compile(&sources.join(module.directory), module, &unfinished.bin())?;
    }
    fs::write(unfinished.stages(), stages(&sources.join("mod/kwok"))?).context("write kwok's stages")?;
    pack(&unfinished, "pause", PAUSE_IMAGE)?;
    pack(&unfinished, "coredns", DNS_IMAGE)?;
    fs::rename(&unfinished.0, &programs.0).with_context(|| format!("keep {}", programs.0.display()))
}

fn compile(directory: &Path, module: &Module, bin: &Path) -> Result<()> {
    let started = Instant::now();
    let mut output = bin.to_owned();
    if let [_] = module.packages {
        output.push(Path::new(module.directory).file_name().context("a module has a name")?);
    }
    let mut flags = String::from("-s -w");
    if module.versioned {
        flags += &version_flags(&go(directory, &["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"])?);
    }
    let output = output.to_str().context("the cache's path is UTF-8")?;
    let mut arguments = vec!["build", "-o", output, "-ldflags", &flags];
    arguments.extend(module.packages);
    go(directory, &arguments)?;
    println!("  {:4.0} s  {}", started.elapsed().as_secs_f64(), module.directory);
    Ok(())
}

/// Linker flags that set the version `v1.MINOR.PATCH` in the two packages that report it.
fn version_flags(version: &str) -> String {
    let minor = version.split('.').nth(1).unwrap_or_default();
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .map(|package| {
            format!(
                " -X {package}.gitVersion={version} -X {package}.gitMajor=1 -X {package}.gitMinor={minor} \
                 -X {package}.gitTreeState=clean -X {package}.buildDate=1970-01-01T00:00:00Z"
            )
        })
        .concat()
}

/// The stages that come with kwok, as one configuration.
fn stages(module: &Path) -> Result<String> {
    let source = PathBuf::from(go(module, &["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"])?);
    let mut documents = Vec::new();
    for stage in STAGES {
        let directory = source.join("kustomize/stage").join(stage);
        for entry in fs::read_dir(&directory).with_context(|| format!("list {}", directory.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("kustomization.yaml") {
                documents
                    .push(fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?);
            }
        }
    }
    Ok(documents.join("\n---\n"))
}

/// Makes the image `name` of one static program.
fn pack(programs: &Programs, program: &str, name: &str) -> Result<()> {
    let path = programs.program(program);
    let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let config = oci::Config { entrypoint: vec![format!("/{program}")], ..oci::Config::default() };
    let file = oci::File { path: program.into(), content, mode: 0o755 };
    oci::write(&programs.images().join(format!("{program}.oci.tar")), name, &config, &[file])
}

/// Runs Go in `directory` and returns what it prints.
fn go(directory: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(directory)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false -trimpath")
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start go")?;
    if !output.status.success() {
        bail!("go {} in {}: {}", arguments.join(" "), directory.display(), output.status);
    }
    Ok(String::from_utf8(output.stdout).context("go prints UTF-8")?.trim().to_owned())
}

/// `$XDG_CACHE_HOME/voip-operator/kubernetes`, by default below `~/.cache`.
fn cache() -> Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Ok(base.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("voip-operator/kubernetes"))
}

/// Names what is built from the files below `sources`: 16 hexadecimal digits.
fn key(sources: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{LAYOUT} {STAGES:?} {}", std::env::consts::ARCH));
    for module in MODULES {
        hash.update(format!("{module:?}"));
        for name in SOURCES {
            match fs::read(sources.join(module.directory).join(name)) {
                Ok(content) => {
                    hash.update(format!("{name} {} ", content.len()));
                    hash.update(&content);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("read {}/{name}", module.directory)),
            }
        }
    }
    Ok(hash.finalize().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(name: &str) -> PathBuf {
        let sources = std::env::temp_dir().join(format!("xtask-key-{name}-{}", std::process::id()));
        for module in MODULES {
            let directory = sources.join(module.directory);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("go.mod"), "module example").unwrap();
        }
        sources
    }

    #[test]
    fn the_key_changes_with_every_file_that_pins_a_version() {
        let sources = sources("changes");
        let mut keys = std::collections::BTreeSet::from([key(&sources).unwrap()]);
        for module in MODULES {
            fs::write(sources.join(module.directory).join("go.sum"), "one more line").unwrap();
            assert!(keys.insert(key(&sources).unwrap()), "{} is not part of the key", module.directory);
        }
        fs::remove_dir_all(sources).unwrap();
    }

    #[test]
    fn the_key_is_the_same_for_the_same_files_elsewhere() {
        let (one, other) = (sources("one"), sources("other"));
        assert_eq!(key(&one).unwrap(), key(&other).unwrap());
        fs::remove_dir_all(one).unwrap();
        fs::remove_dir_all(other).unwrap();
    }

    #[test]
    fn a_version_is_told_with_its_minor_number() {
        let flags = version_flags("v1.36.4");
        assert!(flags.contains("k8s.io/client-go/pkg/version.gitVersion=v1.36.4"), "{flags}");
        assert!(flags.contains("k8s.io/component-base/version.gitMinor=36"), "{flags}");
    }
}
