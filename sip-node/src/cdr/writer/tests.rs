use std::path::PathBuf;

use super::*;
use crate::cdr::read;

/// A directory of this test alone, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sip-node-cdr-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("cdrs.sqlite")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn started(id: u128) -> CallRecord {
    CallRecord {
        id: CallId(id),
        from: "1001".to_owned(),
        to: "1002".to_owned(),
        started_at_ms: 1_000 + u64::try_from(id).unwrap(),
        answered_at_ms: None,
        ended_at_ms: None,
        duration_ms: 0,
        sip_status: 100,
        q850: 0,
        ended_by: None,
    }
}

fn answered(id: u128) -> CallRecord {
    CallRecord { answered_at_ms: Some(5_000), sip_status: 200, ..started(id) }
}

fn ended(id: u128) -> CallRecord {
    CallRecord {
        ended_at_ms: Some(8_000),
        duration_ms: 3_000,
        q850: 16,
        ended_by: Some(EndedBy::Caller),
        ..answered(id)
    }
}

fn start(place: &Place) -> Result<(CdrWriter, CdrQueue), CdrError> {
    CdrWriter::start(&Threads::new().0, &place.file(), None)
}

fn finish(writer: CdrWriter, queue: CdrQueue) {
    drop(queue);
    assert!(writer.finish(Duration::from_secs(20)));
}

#[test]
fn a_call_has_one_row_that_is_closed_once() {
    let place = Place::new("one-row");
    let (writer, queue) = start(&place).unwrap();
    for record in [started(1), answered(1), ended(1), started(2), CallRecord { q850: 31, ..ended(1) }] {
        queue.put(record);
    }
    finish(writer, queue);
    let (writer, queue) = start(&place).unwrap();
    queue.put(CallRecord { q850: 99, ..ended(1) });
    finish(writer, queue);
    let records = read(&place.file(), 10).unwrap();
    assert_eq!(records.iter().map(|r| r.id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(records[0], CallRecord { q850: 31, ..ended(1) });
}

#[test]
fn rows_left_open_are_lost_calls_at_the_next_start() {
    let place = Place::new("lost");
    let (writer, queue) = start(&place).unwrap();
    for record in [started(1), answered(2), ended(3)] {
        queue.put(record);
    }
    finish(writer, queue);
    let before = wall_ms();
    let (writer, queue) = start(&place).unwrap();
    finish(writer, queue);
    let records = read(&place.file(), 10).unwrap();
    let [unanswered, talking, closed] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((unanswered.ended_by, unanswered.q850, unanswered.sip_status), (Some(EndedBy::Lost), 41, 408));
    assert_eq!(unanswered.duration_ms, 0);
    assert_eq!((talking.ended_by, talking.q850, talking.sip_status), (Some(EndedBy::Lost), 41, 200));
    assert!(talking.ended_at_ms.unwrap() <= before);
    assert_eq!(talking.duration_ms, talking.ended_at_ms.unwrap() - 5_000);
    assert_eq!(*closed, ended(3));
}

#[test]
fn records_are_read_while_the_writer_runs_and_newest_last() {
    let place = Place::new("reader");
    let (writer, queue) = start(&place).unwrap();
    for id in 1..=5 {
        queue.put(ended(id));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while writer.counters().written.load(Ordering::Relaxed) < 5 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let newest: Vec<_> = read(&place.file(), 2).unwrap().iter().map(|record| record.id.0).collect();
    assert_eq!(newest, [4, 5]);
    finish(writer, queue);
}

#[test]
fn a_disk_that_fails_is_counted_and_its_records_are_written_once_it_works() {
    let place = Place::new("disk");
    let (writer, queue) = start(&place).unwrap();
    let blocker = Connection::open(place.file()).unwrap();
    blocker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    queue.put(ended(1));
    let counters = writer.counters();
    let deadline = Instant::now() + Duration::from_secs(20);
    while counters.failures.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(counters.backlog.load(Ordering::Relaxed), 1);
    blocker.execute_batch("ROLLBACK").unwrap();
    finish(writer, queue);
    assert_eq!(read(&place.file(), 10).unwrap(), [ended(1)]);
}

#[test]
fn a_newer_database_is_refused_and_a_missing_one_is_not_made_by_reading() {
    let place = Place::new("newer");
    assert!(matches!(read(&place.file(), 1), Err(CdrError::Missing { .. })));
    assert!(!place.file().exists());
    Connection::open(place.file()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    assert!(matches!(start(&place), Err(CdrError::Newer { found: 9, known: 2, .. })));
}

#[test]
fn every_ending_survives_the_database() {
    let place = Place::new("endings");
    let (writer, queue) = start(&place).unwrap();
    let endings = [EndedBy::Caller, EndedBy::Callee, EndedBy::System, EndedBy::Lost];
    for (id, ending) in (1..).zip(endings) {
        queue.put(CallRecord { ended_by: Some(ending), ..ended(id) });
    }
    finish(writer, queue);
    let read: Vec<_> =
        read(&place.file(), 9).unwrap().iter().map(|record| record.ended_by.unwrap()).collect();
    assert_eq!(read, endings);
}
