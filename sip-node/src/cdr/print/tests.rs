use std::sync::{Arc, Mutex};

use voip_contract::CallId;
use voip_contract::admin::EndedBy;

use super::*;

/// Everything that was printed; fails while told so.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap();
        if inner.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        inner.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn fail(&self, fails: bool) {
        self.0.lock().unwrap().1 = fails;
    }

    fn ids(&self) -> Vec<u128> {
        #[derive(serde::Deserialize)]
        struct Line {
            cdr: CallRecord,
        }
        let text = String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().cdr.id.0).collect()
    }
}

fn ended(id: u32) -> CallRecord {
    CallRecord {
        id: CallId(id.into()),
        from: "1001".to_owned(),
        to: "1002".to_owned(),
        started_at_ms: 1_000,
        answered_at_ms: None,
        ended_at_ms: Some(2_000 + u64::from(id)),
        duration_ms: 0,
        sip_status: 486,
        q850: 17,
        ended_by: Some(EndedBy::Callee),
    }
}

fn database() -> Connection {
    schema::open(std::path::Path::new(":memory:")).unwrap()
}

fn write(db: &mut Connection, records: &[CallRecord], to_print: bool) {
    schema::write(db, records.iter(), 9_000, to_print).unwrap();
}

#[test]
fn ended_records_are_printed_once_oldest_first() {
    let (mut db, output) = (database(), Output::default());
    let open = CallRecord { ended_at_ms: None, ended_by: None, ..ended(3) };
    write(&mut db, &[ended(2), ended(1), open], true);
    let mut printer = Printer::new(Box::new(output.clone()));
    printer.print(&mut db).unwrap();
    assert_eq!(output.ids(), [1, 2]);
    write(&mut db, &[ended(3), ended(1)], true);
    // As after a restart.
    Printer::new(Box::new(output.clone())).print(&mut db).unwrap();
    assert_eq!(output.ids(), [1, 2, 3]);
}

#[test]
fn what_was_written_without_a_printer_is_nothing_new_to_one() {
    let (mut db, output) = (database(), Output::default());
    write(&mut db, &[ended(1)], false);
    write(&mut db, &[ended(2)], true);
    Printer::new(Box::new(output.clone())).print(&mut db).unwrap();
    assert_eq!(output.ids(), [2]);
}

#[test]
fn an_output_that_fails_loses_nothing() {
    let (mut db, output) = (database(), Output::default());
    let records: Vec<_> = (1..=BATCH + 1).map(ended).collect();
    write(&mut db, &records, true);
    let mut printer = Printer::new(Box::new(output.clone()));
    output.fail(true);
    assert!(matches!(printer.print(&mut db), Err(PrintError::Output(_))));
    output.fail(false);
    printer.print(&mut db).unwrap();
    assert_eq!(output.ids(), (1..=u128::from(BATCH) + 1).collect::<Vec<_>>());
}

#[test]
fn the_newest_are_kept_and_what_went_unprinted_is_counted() {
    let mut db = database();
    let records: Vec<_> = (1..=KEPT + 3).map(ended).collect();
    write(&mut db, &records[..2], false);
    write(&mut db, &records[2..], true);
    let mut printer = Printer::new(Box::new(Output::default()));
    assert_eq!(printer.prune(&db, records.len()).unwrap(), 1);
    let left: (u32, i64) = db
        .query_row("SELECT count(*), min(ended_at_ms) FROM calls", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(left, (KEPT, 2_004));
    write(&mut db, &[ended(KEPT + 4)], true);
    assert_eq!(printer.prune(&db, 1).unwrap(), 0, "not after each record");
}
