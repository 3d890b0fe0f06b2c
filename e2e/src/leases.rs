//! Port leases as a stranger sees them: every version of every object, checked for what must never be.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::kubernetes::get;

/// First and last port.
pub type Span = (u64, u64);

/// Spans of a lease: RTP and control.
pub type Spans = Vec<Span>;

fn spans(lease: &Value) -> Spans {
    let spans = ["rtp", "control"].map(|kind| &lease[kind]);
    let ends = spans.iter().filter_map(|span| {
        let start = span["start"].as_u64()?;
        Some((start, start + span["length"].as_u64()? - 1))
    });
    ends.collect()
}

fn leases(object: &Value) -> impl Iterator<Item = (String, &Value)> {
    let leases = object["spec"]["leases"].as_array().into_iter().flatten();
    leases.map(|lease| (lease["id"].as_str().unwrap_or_default().to_owned(), lease))
}

/// The leases whose ids begin with `prefix` (`NAMESPACE/CLUSTER/`), by id.
pub fn held(prefix: &str) -> BTreeMap<String, Value> {
    let objects = get(&["rtpportleases"]);
    let objects = objects["items"].as_array().expect("a list");
    let all = objects.iter().flat_map(leases);
    all.filter(|(id, _)| id.starts_with(prefix)).map(|(id, lease)| (id, lease.clone())).collect()
}

/// The spans of those leases.
pub fn held_spans(prefix: &str) -> BTreeMap<String, Spans> {
    held(prefix).iter().map(|(id, lease)| (id.clone(), spans(lease))).collect()
}

/// Two leases of one object that share a port.
fn overlaps(object: &Value) -> Vec<String> {
    let mut all: Vec<(Span, String)> = leases(object)
        .flat_map(|(id, lease)| spans(lease).into_iter().map(move |span| (span, id.clone())))
        .collect();
    all.sort();
    let pairs = all.windows(2).filter(|pair| pair[0].0.1 >= pair[1].0.0);
    pairs.map(|pair| format!("{:?} and {:?} of {}", pair[0], pair[1], object["metadata"]["name"])).collect()
}

/// What a witness saw.
#[derive(Debug, Default)]
struct Seen {
    /// By object, the spans of each lease.
    now: BTreeMap<String, BTreeMap<String, Spans>>,
    versions: usize,
    overlaps: Vec<String>,
    moves: Vec<String>,
}

impl Seen {
    fn event(&mut self, event: &Value) {
        let object = &event["object"];
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.versions += 1;
        self.overlaps.extend(overlaps(object));
        let after: BTreeMap<String, Spans> = leases(object).map(|(id, lease)| (id, spans(lease))).collect();
        let before = self.now.remove(&name).unwrap_or_default();
        let moved = after.iter().filter(|(id, spans)| before.get(*id).is_some_and(|before| before != *spans));
        self.moves.extend(moved.map(|(id, spans)| format!("{id}: {:?} -> {spans:?}", before[id])));
        if event["type"] != "DELETED" {
            self.now.insert(name, after);
        }
    }
}

/// Sees every version of every lease object from its beginning on.
#[derive(Debug)]
pub struct Witness {
    watch: Child,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Begins to watch.
    pub fn start() -> Self {
        let mut watch = Command::new("kubectl")
            .args(["get", "rtpportleases", "--watch", "--output-watch-events", "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start kubectl");
        let output = BufReader::new(watch.stdout.take().expect("a pipe"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let writes = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let events = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
            // Ends when kubectl does, in the middle of an object perhaps.
            for event in events.map_while(Result::ok) {
                writes.lock().unwrap_or_else(PoisonError::into_inner).event(&event);
            }
        });
        Self { watch, seen, thread: Some(thread) }
    }

    /// How many leases there are whose ids begin with `prefix`, as last seen.
    pub fn count(&self, prefix: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = seen.now.values().flat_map(BTreeMap::keys);
        ids.filter(|id| id.starts_with(prefix)).count()
    }

    /// Ends the watch. No two leases ever shared a port, and of the leases whose ids begin with one of `still` none moved.
    pub fn found_no_overlap(mut self, still: &[String]) {
        let ended = self.watch.try_wait().expect("the watch is our child");
        assert!(ended.is_none(), "the witness stopped looking: {ended:?}");
        let is_over = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        assert!(!is_over, "the witness did not understand kubectl");
        self.end();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(seen.versions > 0, "the witness saw no lease object");
        assert!(seen.overlaps.is_empty(), "leases overlapped: {:#?}", seen.overlaps);
        let moved: Vec<_> =
            seen.moves.iter().filter(|moved| still.iter().any(|prefix| moved.starts_with(prefix))).collect();
        assert!(moved.is_empty(), "leases moved: {moved:#?}");
    }

    fn end(&mut self) {
        self.watch.kill().ok();
        self.watch.wait().ok();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the witness itself does not fail");
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(second: u64) -> Value {
        let lease = |id: &str, start: u64| json!({"id": id, "rtp": {"start": start, "length": 64}, "control": {"start": start + 10_000, "length": 2}});
        json!({"type": "MODIFIED", "object": {"metadata": {"name": "node.a"}, "spec": {"leases": [lease("n/a/x", 20_000), lease("n/b/x", second)]}}})
    }

    #[test]
    fn a_witness_sees_overlaps_and_moves() {
        let mut seen = Seen::default();
        seen.event(&object(20_064));
        assert!(seen.overlaps.is_empty() && seen.moves.is_empty());
        seen.event(&object(20_062));
        assert_eq!(seen.overlaps.len(), 1, "{seen:?}");
        assert_eq!(seen.moves.len(), 1, "{seen:?}");
        assert!(seen.moves[0].starts_with("n/b/x: "));
    }
}
