//! Prints each final CDR as one JSON line, for whoever collects the output of the process, and keeps the database small.
//!
//! What is to be printed is a mark in the row, taken away after the line is out: a line is printed again only when the
//! process dies between the two, and never lost.

use std::io::{self, Write};

use rusqlite::Connection;
use serde::Serialize;
use voip_contract::admin::CallRecord;

use super::schema;

/// Ended records that the database keeps.
const KEPT: u32 = 10_000;
/// Records written between two looks at how many there are.
const PRUNED_EACH: usize = 500;
/// Lines between two transactions that take marks away.
const BATCH: u32 = 256;

/// Why lines are missing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    /// The database fails.
    #[error("the CDR database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The output takes no lines.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Where lines go.
pub(super) struct Printer {
    output: Box<dyn Write + Send>,
    /// Written since the last look at how many are kept.
    since_pruned: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    cdr: &'a CallRecord,
}

impl Printer {
    /// To `output`.
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        Self { output, since_pruned: PRUNED_EACH }
    }

    /// Prints what is final and was not printed, oldest first.
    pub(super) fn print(&mut self, db: &mut Connection) -> Result<(), PrintError> {
        loop {
            let records = to_print(db)?;
            if records.is_empty() {
                return Ok(());
            }
            self.write(&records)?;
            unmark(db, &records)?;
        }
    }

    /// Now and then drops the oldest ended records beyond [`KEPT`], after `written` more. Returns how many of them were
    /// never printed.
    pub(super) fn prune(&mut self, db: &Connection, written: usize) -> rusqlite::Result<usize> {
        self.since_pruned += written;
        if self.since_pruned < PRUNED_EACH {
            return Ok(0);
        }
        self.since_pruned = 0;
        let mut drop = db.prepare_cached(
            "DELETE FROM calls WHERE rowid IN (
                SELECT rowid FROM calls WHERE ended_at_ms IS NOT NULL ORDER BY ended_at_ms DESC LIMIT -1 OFFSET ?1
             ) RETURNING to_print",
        )?;
        let dropped = drop.query_map([KEPT], |row| row.get::<_, bool>(0))?;
        Ok(dropped.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|to_print| *to_print).count())
    }

    fn write(&mut self, records: &[CallRecord]) -> io::Result<()> {
        let mut lines = Vec::new();
        for cdr in records {
            serde_json::to_writer(&mut lines, &Line { cdr })?;
            lines.push(b'\n');
        }
        self.output.write_all(&lines)?;
        self.output.flush()
    }
}

fn to_print(db: &Connection) -> rusqlite::Result<Vec<CallRecord>> {
    let columns = schema::COLUMNS;
    let mut query = db.prepare_cached(&format!(
        "SELECT {columns} FROM calls WHERE to_print = 1 AND ended_at_ms IS NOT NULL ORDER BY ended_at_ms LIMIT ?1"
    ))?;
    query.query_map([BATCH], schema::record)?.collect()
}

fn unmark(db: &mut Connection, printed: &[CallRecord]) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    {
        let mut unmark = change.prepare_cached("UPDATE calls SET to_print = 0 WHERE id = ?1")?;
        for record in printed {
            unmark.execute([record.id.to_string()])?;
        }
    }
    change.commit()
}

#[cfg(test)]
mod tests;
