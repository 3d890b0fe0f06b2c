//! What sip-nodes print: CDRs, and when they saw what. Each pod's log is followed, so that it outlives the pod.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::kubernetes::get;
use e2e::wait::until;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the sip-nodes of a namespace print.
pub(super) struct Records {
    namespace: String,
    directory: PathBuf,
    /// By container: a container that starts again is another.
    followed: BTreeMap<String, Child>,
}

impl Records {
    pub(super) fn new(namespace: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("voip-e2e-{namespace}"));
        std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
        Self { namespace: namespace.to_owned(), directory, followed: BTreeMap::new() }
    }

    /// Follows the sip-nodes that run now. To be called whenever one has started.
    pub(super) fn follow(&mut self) {
        let pods = get(&["pods", "-n", &self.namespace, "-l", "voip.dev/component=signaling"]);
        for pod in pods["items"].as_array().into_iter().flatten() {
            let status = &pod["status"]["containerStatuses"][0];
            if status["state"]["running"].is_null() {
                continue;
            }
            let container = status["containerID"].as_str().expect("a container that runs has an id");
            let name = pod["metadata"]["name"].as_str().expect("pods have names");
            if !self.followed.contains_key(container) {
                self.followed.insert(container.to_owned(), self.logs(name));
            }
        }
    }

    fn logs(&self, pod: &str) -> Child {
        let path = self.directory.join(format!("{}-{pod}.log", self.followed.len()));
        let log = File::create(path).expect("the test's directory is writable");
        Command::new("kubectl")
            .args(["logs", "--follow", "--timestamps", "-n", &self.namespace, pod])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("start kubectl")
    }

    /// All JSON lines so far, and when each was printed.
    fn lines(&self) -> Vec<(OffsetDateTime, Value)> {
        let logs = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let text: String = logs.map(|log| std::fs::read_to_string(log.path()).unwrap_or_default()).collect();
        let printed = |line: &str| {
            let (time, line) = line.split_once(' ')?;
            Some((OffsetDateTime::parse(time, &Rfc3339).ok()?, serde_json::from_str(line).ok()?))
        };
        text.lines().filter_map(printed).collect()
    }

    /// The CDRs so far.
    fn all(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|(_, line)| line.get("cdr").cloned()).collect()
    }

    /// Waits until a line is printed that `wanted` picks; when the first was.
    pub(super) fn await_line(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> OffsetDateTime {
        until(what, limit, || {
            let lines = self.lines();
            let found = lines.iter().find(|(_, line)| wanted(line)).map(|(time, _)| *time);
            found.ok_or_else(|| lines.into_iter().next_back())
        })
    }

    /// Waits until there are CDRs of `count` calls that were answered, one of each.
    pub(super) fn await_answered(&self, count: usize, limit: Duration) -> Vec<Value> {
        let records = until(&format!("{count} CDRs of answered calls"), limit, || {
            let records = self.answered();
            if records.len() >= count { Ok(records) } else { Err(records) }
        });
        let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
        assert_eq!((ids.len(), records.len()), (count, count), "{records:?}");
        records
    }

    fn answered(&self) -> Vec<Value> {
        let mut records = self.all();
        records.retain(|record| !record["answeredAtMs"].is_null());
        records
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        for child in self.followed.values_mut() {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("sip-nodes' logs: {}", self.directory.display());
        } else {
            std::fs::remove_dir_all(&self.directory).ok();
        }
    }
}
