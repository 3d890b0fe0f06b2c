//! The tables, their versions, and how a record becomes a row.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use voip_contract::admin::{CallRecord, EndedBy};

use super::CdrError;

/// Each entry brings the database to the version of its place, counted from 1 (`PRAGMA user_version`). Entries are
/// only ever added.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        caller TEXT NOT NULL,
        callee TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        answered_at_ms INTEGER,
        ended_at_ms INTEGER,
        duration_ms INTEGER NOT NULL,
        sip_status INTEGER NOT NULL,
        q850 INTEGER NOT NULL,
        ended_by TEXT
    ) STRICT;
    CREATE INDEX calls_by_start ON calls (started_at_ms);
    CREATE INDEX calls_open ON calls (id) WHERE ended_at_ms IS NULL;
    CREATE TABLE writer (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        alive_at_ms INTEGER NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE calls ADD COLUMN to_print INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX calls_to_print ON calls (ended_at_ms) WHERE to_print = 1 AND ended_at_ms IS NOT NULL;
",
];

/// Q.850 cause 41, temporary failure: the owner of the call died.
const CAUSE_LOST: u8 = 41;
/// What a caller is left with whose call was never answered by anybody (RFC 3261 section 8.1.3.1).
const STATUS_LOST: u16 = 408;

/// Opens the database for writing, makes it when missing, and brings it up to date.
pub(super) fn open(path: &Path) -> Result<Connection, CdrError> {
    let failed = |source| CdrError::Open { path: path.to_owned(), source };
    let mut db = Connection::open(path).map_err(failed)?;
    db.busy_timeout(Duration::from_secs(1)).map_err(failed)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    db.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    migrate(&mut db, path)?;
    Ok(db)
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), CdrError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let found = version(db).map_err(|source| CdrError::Open { path: path.to_owned(), source })?;
    if found > known {
        return Err(CdrError::Newer { path: path.to_owned(), found, known });
    }
    for (version, sql) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        let failed = |source| CdrError::Migrate { path: path.to_owned(), version, source };
        let change = db.transaction().map_err(failed)?;
        change.execute_batch(sql).map_err(failed)?;
        change.pragma_update(None, "user_version", version).map_err(failed)?;
        change.commit().map_err(failed)?;
    }
    Ok(())
}

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Closes the rows that a crash left open: they ended when their writer last wrote, as far as anybody knows.
/// Returns how many.
pub(super) fn close_lost(db: &Connection) -> Result<usize, CdrError> {
    let alive: Option<i64> = db
        .query_row("SELECT alive_at_ms FROM writer", [], |row| row.get(0))
        .optional()
        .map_err(CdrError::Write)?;
    db.execute(
        "UPDATE calls SET
            ended_at_ms = max(coalesce(?1, 0), started_at_ms, coalesce(answered_at_ms, 0)),
            duration_ms = CASE WHEN answered_at_ms IS NULL THEN 0
                ELSE max(coalesce(?1, 0) - answered_at_ms, 0) END,
            sip_status = CASE WHEN answered_at_ms IS NULL THEN ?2 ELSE 200 END,
            q850 = ?3,
            ended_by = 'lost'
         WHERE ended_at_ms IS NULL",
        params![alive, STATUS_LOST, CAUSE_LOST],
    )
    .map_err(CdrError::Write)
}

/// Writes `records` and the sign of life in one transaction. A row once closed is never changed. New ones are to be
/// printed if `to_print` says so.
pub(super) fn write<'a>(
    db: &mut Connection,
    records: impl Iterator<Item = &'a CallRecord>,
    now_ms: u64,
    to_print: bool,
) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    {
        let mut upsert = change.prepare_cached(
            "INSERT INTO calls VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                answered_at_ms = excluded.answered_at_ms, ended_at_ms = excluded.ended_at_ms,
                duration_ms = excluded.duration_ms, sip_status = excluded.sip_status,
                q850 = excluded.q850, ended_by = excluded.ended_by
             WHERE calls.ended_at_ms IS NULL",
        )?;
        for record in records {
            upsert.execute(params![
                record.id.to_string(),
                record.from,
                record.to,
                signed(record.started_at_ms),
                record.answered_at_ms.map(signed),
                record.ended_at_ms.map(signed),
                signed(record.duration_ms),
                record.sip_status,
                record.q850,
                record.ended_by.map(word),
                to_print,
            ])?;
        }
        change
            .prepare_cached(
                "INSERT INTO writer VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET alive_at_ms = ?1",
            )?
            .execute([signed(now_ms)])?;
    }
    change.commit()
}

/// SQLite has no unsigned numbers; times past its range stay at its end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn word(ended_by: EndedBy) -> &'static str {
    match ended_by {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::System => "system",
        EndedBy::Lost => "lost",
    }
}

/// The columns that [`record`] reads, in its order.
pub(super) const COLUMNS: &str = "id, caller, callee, started_at_ms, answered_at_ms, ended_at_ms, duration_ms, \
     sip_status, q850, ended_by";

/// A row of [`COLUMNS`] as a record.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    Ok(CallRecord {
        id: parsed(row, 0, |text| text.parse().ok())?,
        from: row.get(1)?,
        to: row.get(2)?,
        started_at_ms: time(row.get(3)?),
        answered_at_ms: row.get::<_, Option<i64>>(4)?.map(time),
        ended_at_ms: row.get::<_, Option<i64>>(5)?.map(time),
        duration_ms: time(row.get(6)?),
        sip_status: row.get(7)?,
        q850: row.get(8)?,
        ended_by: match row.get_ref(9)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(parsed(row, 9, ended_by)?),
        },
    })
}

fn ended_by(text: &str) -> Option<EndedBy> {
    [EndedBy::Caller, EndedBy::Callee, EndedBy::System, EndedBy::Lost]
        .into_iter()
        .find(|who| word(*who) == text)
}

fn time(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn parsed<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| rusqlite::Error::InvalidColumnType(column, text, rusqlite::types::Type::Text))
}
