//! Opening SQLite files: the same settings and the same version check for every file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite could not open it or prepare it.
    #[error("cannot open {path}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was written by a newer version of this program.
    #[error(
        "{path} was written by a newer version (schema {found}, this version knows {known}): \
         start that version, or point --data to another folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It is a database of something else.
    #[error("{path} is not a file of this program: point --data to another folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// A database of ours.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Marks the file as this kind of ours, in its header.
    pub application_id: i32,
    /// Steps that lead from an empty file to the current version; each is run once, in order.
    pub steps: &'static [&'static str],
}

/// Opens a file for writing and brings it to the current version.
///
/// Write-ahead log with `synchronous=FULL`: a commit that returned is on disk.
pub fn open(path: &Path, schema: Schema) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    let mut connection = Connection::open(path).map_err(sqlite)?;
    let known = schema.steps.len() as i64;
    let number = |connection: &Connection, pragma: &str| -> Result<i64, rusqlite::Error> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    let found = match number(&connection, "user_version") {
        Ok(found) => found,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(OpenError::Foreign { path: path.to_owned() });
        }
        Err(error) => return Err(sqlite(error)),
    };
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let n_tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    let application_id = number(&connection, "application_id").map_err(sqlite)?;
    if n_tables > 0 && application_id != i64::from(schema.application_id) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let prepare = |connection: &mut Connection| -> Result<(), rusqlite::Error> {
        // The folder is ours alone; only someone with a database tool can hold a lock.
        connection.busy_timeout(Duration::from_secs(1))?;
        // Both work only before the first table is made.
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.set_prepared_statement_cache_capacity(64);
        let transaction = connection.transaction()?;
        for step in schema.steps.iter().skip(found as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", known)?;
        transaction.pragma_update(None, "application_id", schema.application_id)?;
        transaction.commit()
    };
    prepare(&mut connection).map_err(sqlite)?;
    Ok(connection)
}

/// Opens one more connection to a file that [`open`] has prepared; it can only read.
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema {
        application_id: 7,
        steps: &["CREATE TABLE one(a)", "CREATE TABLE two(b)"],
    };

    fn check(prepare: impl FnOnce(&Path), schema: Schema) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        prepare(&path);
        let result = open(&path, schema);
        result
            .map(drop)
            .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
    }

    #[test]
    fn old_files_are_brought_up_to_date_and_current_ones_stay() {
        let old = Schema {
            steps: &SCHEMA.steps[..1],
            ..SCHEMA
        };
        assert_eq!(check(|path| drop(open(path, old).unwrap()), SCHEMA), Ok(()));
        assert_eq!(check(|path| drop(open(path, SCHEMA).unwrap()), SCHEMA), Ok(()));
    }

    #[test]
    fn newer_and_foreign_files_are_refused() {
        let old = Schema {
            steps: &SCHEMA.steps[..1],
            ..SCHEMA
        };
        let newer = check(|path| drop(open(path, SCHEMA).unwrap()), old).unwrap_err();
        assert!(
            newer.starts_with("/file.db was written by a newer version (schema 2, this version knows 1)"),
            "{newer}"
        );
        let other = Schema {
            application_id: 8,
            ..SCHEMA
        };
        let foreign = check(|path| drop(open(path, other).unwrap()), SCHEMA).unwrap_err();
        assert!(foreign.contains("not a file of this program"), "{foreign}");
        let text = check(|path| std::fs::write(path, "no database ".repeat(200)).unwrap(), SCHEMA).unwrap_err();
        assert!(text.contains("not a file of this program"), "{text}");
    }
}
