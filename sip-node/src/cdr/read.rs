//! Reading CDRs, also while a sip-node writes them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use voip_contract::admin::CallRecord;

use super::{CdrError, schema};

/// The newest `limit` records of the database at `path`, newest last; those of calls that last are among them.
/// Changes nothing and holds up no writer.
pub fn read(path: &Path, limit: u32) -> Result<Vec<CallRecord>, CdrError> {
    if !path.exists() {
        return Err(CdrError::Missing { path: path.to_owned() });
    }
    let failed = |source| CdrError::Open { path: path.to_owned(), source };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    db.busy_timeout(Duration::from_secs(1)).map_err(failed)?;
    let columns = schema::COLUMNS;
    let newest = format!("SELECT {columns} FROM calls ORDER BY started_at_ms DESC, rowid DESC LIMIT ?1");
    let mut query = db.prepare(&newest).map_err(CdrError::Read)?;
    let mut records = query
        .query_map([limit], schema::record)
        .map_err(CdrError::Read)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(CdrError::Read)?;
    records.reverse();
    Ok(records)
}
