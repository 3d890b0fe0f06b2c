//! What was asked of the API server, by its audit log.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use serde_json::Value;

/// The audit log from a moment on.
#[derive(Debug)]
pub struct Audit {
    from: u64,
}

fn log() -> File {
    let path = std::env::var_os("VOIP_E2E_AUDIT_LOG").expect("run this by `cargo xtask cluster run`");
    File::open(path).expect("the audit log is readable")
}

impl Audit {
    /// From now on.
    pub fn start() -> Self {
        Self { from: log().metadata().expect("the audit log has a length").len() }
    }

    /// What `user` wrote since: `VERB RESOURCE/SUBRESOURCE NAMESPACE/NAME STATUS`, oldest first. Dry runs write nothing.
    pub fn writes_of(&self, user: &str) -> Vec<String> {
        let (mut text, mut log) = (String::new(), log());
        log.seek(SeekFrom::Start(self.from)).expect("the audit log only grows");
        log.read_to_string(&mut text).expect("the audit log is text");
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries
            .filter(|entry| entry["stage"] == "ResponseComplete" && is_write_of(entry, user))
            .map(|entry| line(&entry))
            .collect()
    }
}

fn is_write_of(entry: &Value, user: &str) -> bool {
    let asked = [&entry["user"]["username"], &entry["impersonatedUser"]["username"]];
    let reads = ["get", "list", "watch"].iter().any(|verb| entry["verb"] == *verb);
    let dry = entry["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun=All"));
    asked.iter().any(|name| **name == user) && !reads && !dry
}

fn line(entry: &Value) -> String {
    let object = &entry["objectRef"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{} {}/{} {}/{} {}",
        text(&entry["verb"]),
        text(&object["resource"]),
        text(&object["subresource"]),
        text(&object["namespace"]),
        text(&object["name"]),
        entry["responseStatus"]["code"]
    )
}
