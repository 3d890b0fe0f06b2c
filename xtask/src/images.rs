//! `images`: the programs as OCI archives, with neither a registry nor a container engine.
//!
//! An image is one static program and nothing else: no shell, no libc, no certificates. How an archive is laid out is
//! the business of [`crate::oci`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::oci;

/// The user of every container, as distroless images have it; the chart and the operator say so too.
const USER: &str = "65532:65532";

/// Most that an image may weigh.
const MOST_BYTES: u64 = 40 << 20;

/// A program that has an image.
struct Program {
    /// Of the package, and of its binary.
    package: &'static str,
    /// Last part of the image's name.
    image: &'static str,
    title: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        package: "voip-operator",
        image: "operator",
        title: "Makes telephone systems out of VoipClusters",
    },
    Program { package: "sip-node", image: "sip-node", title: "Registrar and B2BUA of a VoipCluster" },
    Program { package: "media-node", image: "media-node", title: "Media relay of a VoipCluster" },
];

/// Which images to make.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the archives, IMAGE.oci.tar each; from the workspace root
    #[arg(long, default_value = "target/images")]
    out: PathBuf,
    /// What comes before the images' names, as `image.repository` of the chart
    #[arg(long, default_value = "voip-operator")]
    repository: String,
    /// Only these: operator, sip-node, media-node
    #[arg(value_name = "IMAGE", value_parser = PROGRAMS.map(|program| program.image))]
    images: Vec<String>,
}

/// Builds the programs and packs each into an archive.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let wanted = |program: &&Program| {
        arguments.images.is_empty() || arguments.images.iter().any(|image| image == program.image)
    };
    let programs: Vec<&Program> = PROGRAMS.iter().filter(wanted).collect();
    let built = build(root, &programs)?;
    let out = root.join(&arguments.out);
    std::fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
    let revision = revision(root);
    for program in programs {
        pack(program, &built, &out, &arguments.repository, revision.as_deref())?;
    }
    Ok(())
}

/// Compiles the programs; the answer is the directory they lie in.
fn build(root: &Path, programs: &[&Program]) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    // The target is named, or proc macros would be linked statically too, which cannot work.
    cargo.args(["build", "--locked", "--profile", "image", "--target", &target]).current_dir(root);
    for program in programs {
        cargo.args(["--package", program.package, "--bin", program.package]);
    }
    let flags = ["-Ctarget-feature=+crt-static".to_owned(), remap(root, "/src")];
    let flags = flags.into_iter().chain(cargo_home().map(|home| remap(&home, "/cargo")));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\x1f"));
    let status = cargo.status().context("start cargo build")?;
    if !status.success() {
        bail!("cargo build --profile image: {status}");
    }
    let directory = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(directory).join(target).join("image"))
}

/// Where the sources lie on this machine is nobody's business, and would make images differ between machines.
fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// The commit that the images are of; none outside a git checkout.
fn revision(root: &Path) -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn pack(program: &Program, built: &Path, out: &Path, repository: &str, revision: Option<&str>) -> Result<()> {
    let binary = built.join(program.package);
    let content = std::fs::read(&binary).with_context(|| format!("read {}", binary.display()))?;
    let path = format!("bin/{}", program.package);
    let config = oci::Config {
        entrypoint: vec![format!("/{path}")],
        user: USER.into(),
        labels: labels(program, revision),
    };
    let name = reference(repository, program.image);
    let archive = out.join(format!("{}.oci.tar", program.image));
    oci::write(&archive, &name, &config, &[oci::File { path, content, mode: 0o755 }])?;
    let bytes = archive.metadata().with_context(|| format!("read {}", archive.display()))?.len();
    println!("{name}: {}, {:.1} MiB", archive.display(), bytes as f64 / f64::from(1 << 20));
    if bytes > MOST_BYTES {
        bail!("{name} has {bytes} bytes, more than the {MOST_BYTES} that an image may have");
    }
    Ok(())
}

/// The image's name in full, as container runtimes look it up: to them a name without a registry is one of docker.io.
fn reference(repository: &str, image: &str) -> String {
    let first = repository.split_once('/').map_or(repository, |(first, _)| first);
    let registry = if first == "localhost" || first.contains(['.', ':']) { "" } else { "docker.io/" };
    format!("{registry}{repository}/{image}:{}", env!("CARGO_PKG_VERSION"))
}

/// The annotation keys of the OCI image specification.
fn labels(program: &Program, revision: Option<&str>) -> BTreeMap<String, String> {
    let labels = [
        ("title", Some(program.image)),
        ("description", Some(program.title)),
        ("version", Some(env!("CARGO_PKG_VERSION"))),
        ("revision", revision),
        ("licenses", Some(env!("CARGO_PKG_LICENSE"))),
    ];
    let known = labels.into_iter().filter_map(|(key, value)| Some((key, value?)));
    known.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_runtimes_look_up() {
        let version = env!("CARGO_PKG_VERSION");
        for (repository, name) in [
            ("voip-operator", "docker.io/voip-operator/operator"),
            ("registry.example.com", "registry.example.com/operator"),
            ("localhost:5000/voip", "localhost:5000/voip/operator"),
            ("localhost/voip", "localhost/voip/operator"),
        ] {
            assert_eq!(reference(repository, "operator"), format!("{name}:{version}"));
        }
    }
}
