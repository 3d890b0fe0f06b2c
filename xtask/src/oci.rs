//! Container images without a registry: one layer, written as an OCI archive that `ctr images import` takes.
//!
//! The same input gives the same bytes. What is in an image, and why, is its caller's business.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A file of the image's only layer.
pub(crate) struct File {
    /// Where it lies, without a leading slash.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) content: Vec<u8>,
    /// Its permission bits; it belongs to root.
    pub(crate) mode: u32,
}

/// How a container of the image starts, and what describes it.
#[derive(Default)]
pub(crate) struct Config {
    /// Program and first arguments.
    pub(crate) entrypoint: Vec<String>,
    /// `uid` or `uid:gid`; root when empty.
    pub(crate) user: String,
    /// Labels, `org.opencontainers.image.*` among them.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Writes the image called `name` (`registry/repository:tag`) to `archive`, complete or not at all.
pub(crate) fn write(archive: &Path, name: &str, config: &Config, files: &[File]) -> Result<()> {
    let image = assemble(name, config, files).with_context(|| format!("pack image {name}"))?;
    let unfinished = archive.with_extension("unfinished");
    std::fs::write(&unfinished, image).with_context(|| format!("write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, archive).with_context(|| format!("write {}", archive.display()))
}

/// The archive's bytes: image layout 1.0.0 of the OCI image specification 1.1, as an uncompressed tar.
fn assemble(name: &str, config: &Config, files: &[File]) -> Result<Vec<u8>> {
    let layer = layer(files)?;
    let mut blobs = Blobs::default();
    let layer_descriptor = blobs.add("application/vnd.oci.image.layer.v1.tar+gzip", compress(&layer)?);
    let config = image_config(config, &digest(&layer));
    let config_descriptor =
        blobs.add("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config_descriptor,
        "layers": [layer_descriptor],
    });
    let mut manifest =
        blobs.add("application/vnd.oci.image.manifest.v1+json", serde_json::to_vec(&manifest)?);
    let tag = name.rsplit_once(':').context("an image's name ends with :TAG")?.1;
    manifest["annotations"] =
        json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    blobs.archive(&serde_json::to_vec(&index)?)
}

fn image_config(config: &Config, layer: &str) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": config.entrypoint,
            "User": config.user,
            "Labels": config.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    })
}

/// This machine's architecture in the words of the image specification, which are Go's.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The content-addressed half of an image layout.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Keeps `content` and describes it.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let digest = digest(&content);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": content.len()});
        self.0.insert(digest, content);
        descriptor
    }

    fn archive(self, index: &[u8]) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        append(&mut tar, "index.json", index, 0o644)?;
        for (digest, content) in &self.0 {
            append(&mut tar, &format!("blobs/{}", digest.replacen(':', "/", 1)), content, 0o644)?;
        }
        Ok(tar.into_inner()?)
    }
}

/// `files` as a tar, with the directories that they lie in.
fn layer(files: &[File]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let directories: BTreeSet<&Path> =
        files.iter().flat_map(|file| Path::new(&file.path).ancestors().skip(1)).collect();
    for directory in directories.into_iter().filter(|path| !path.as_os_str().is_empty()) {
        let mut header = header(0, 0o755);
        header.set_entry_type(tar::EntryType::Directory);
        tar.append_data(&mut header, directory, std::io::empty())?;
    }
    for file in files {
        append(&mut tar, &file.path, &file.content, file.mode)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], mode: u32) -> Result<()> {
    let mut header = header(content.len(), mode);
    tar.append_data(&mut header, path, content).with_context(|| format!("add {path}"))
}

/// Owner root and the time 0, so that the same files always give the same bytes.
fn header(size: usize, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size as u64);
    header.set_mode(mode);
    header
}

fn compress(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(content)?;
    Ok(gzip.finish()?)
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sample() -> Vec<u8> {
        let config = Config {
            entrypoint: vec!["/bin/app".into()],
            user: "65532:65532".into(),
            labels: BTreeMap::from([("org.opencontainers.image.title".into(), "app".into())]),
        };
        let file = File { path: "bin/app".into(), content: b"program".to_vec(), mode: 0o755 };
        assemble("registry.example/app:1", &config, &[file]).unwrap()
    }

    fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let mut all = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            all.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
        }
        all
    }

    fn blob(entries: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = entries[&format!("blobs/{}", digest.replace(':', "/"))].clone();
        assert_eq!(super::digest(&content), digest);
        assert_eq!(descriptor["size"], content.len());
        content
    }

    #[test]
    fn every_descriptor_leads_to_its_content() {
        let entries = entries(&sample());
        let index: Value = serde_json::from_slice(&entries["index.json"]).unwrap();
        assert_eq!(
            index["manifests"][0]["annotations"]["io.containerd.image.name"],
            "registry.example/app:1"
        );
        assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "1");
        let manifest: Value = serde_json::from_slice(&blob(&entries, &index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(&blob(&entries, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        let mut layer = Vec::new();
        flate2::read::GzDecoder::new(blob(&entries, &manifest["layers"][0]).as_slice())
            .read_to_end(&mut layer)
            .unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
        assert_eq!(self::entries(&layer)["bin/app"], b"program");
    }

    #[test]
    fn the_layer_holds_the_directories_of_its_files() {
        let file = File { path: "a/b/c".into(), content: Vec::new(), mode: 0o644 };
        let names: Vec<String> = entries(&layer(&[file]).unwrap()).into_keys().collect();
        assert_eq!(names, ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        assert_eq!(sample(), sample());
    }

    #[test]
    fn a_name_without_a_tag_is_refused() {
        assert!(assemble("registry.example/app", &Config::default(), &[]).is_err());
    }
}
