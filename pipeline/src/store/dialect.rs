//! What the two databases say differently, and the macros that run one text of SQL on either.

/// Words of a database.
pub(super) trait Dialect {
    /// Begins a transaction that will write.
    const BEGIN: &'static str;
    /// Milliseconds since 1970, by the clock that every service shares.
    const NOW: &'static str;
    /// Ends a `select` whose rows are about to be changed.
    const FOR_UPDATE: &'static str;
    /// Begins an `insert` that passes over rows whose key is there.
    const INSERT_NEW: &'static str;
    /// Whether transactions write at the same time, so that a name must be locked before it is looked for.
    const LOCKS_NAMES: bool;
}

/// SQLite's words.
#[derive(Debug)]
pub(super) struct Sqlite;

impl Dialect for Sqlite {
    // One that began reading could not go on to write when another process wrote meanwhile.
    const BEGIN: &'static str = "begin immediate";
    const NOW: &'static str = "cast(unixepoch('subsec') * 1000 as integer)";
    const FOR_UPDATE: &'static str = "";
    const INSERT_NEW: &'static str = "insert or ignore into";
    const LOCKS_NAMES: bool = false;
}

/// The words of MySQL and MariaDB.
#[derive(Debug)]
pub(super) struct MySql;

impl Dialect for MySql {
    const BEGIN: &'static str = "begin";
    const NOW: &'static str = "cast(unix_timestamp(now(3)) * 1000 as signed)";
    const FOR_UPDATE: &'static str = " for update";
    const INSERT_NEW: &'static str = "insert ignore into";
    const LOCKS_NAMES: bool = true;
}

/// Runs `$body` with the pool of whichever database it is, and its words as the type `$dialect`. The body gives a
/// `Result<_, sqlx::Error>`.
macro_rules! on_database {
    ($store:expr, |$pool:ident, $dialect:ident| $body:expr) => {
        match &$store.database {
            $crate::store::connect::Database::Sqlite { pool: $pool, .. } => {
                #[allow(dead_code)]
                type $dialect = $crate::store::dialect::Sqlite;
                let done: Result<_, sqlx::Error> = async { $body }.await;
                done
            }
            $crate::store::connect::Database::MySql { pool: $pool } => {
                #[allow(dead_code)]
                type $dialect = $crate::store::dialect::MySql;
                let done: Result<_, sqlx::Error> = async { $body }.await;
                done
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// Runs `$body` in a transaction, and again when the database ended it for another one's sake. The body gives a
/// `Result<_, sqlx::Error>`; an error undoes all of it.
macro_rules! transaction {
    ($store:expr, |$tx:ident, $dialect:ident| $body:expr) => {
        match &$store.database {
            $crate::store::connect::Database::Sqlite { pool, writer } => {
                #[allow(dead_code)]
                type $dialect = $crate::store::dialect::Sqlite;
                let _turn = writer.lock().await;
                $crate::store::dialect::transaction!(@run pool, $tx, $dialect, $body)
            }
            $crate::store::connect::Database::MySql { pool } => {
                #[allow(dead_code)]
                type $dialect = $crate::store::dialect::MySql;
                $crate::store::dialect::transaction!(@run pool, $tx, $dialect, $body)
            }
        }
    };
    (@run $pool:ident, $tx:ident, $dialect:ident, $body:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let mut committing = false;
            let done = async {
                let mut $tx = $pool.begin_with(<$dialect as $crate::store::dialect::Dialect>::BEGIN).await?;
                let written: Result<_, sqlx::Error> = async { $body }.await;
                let value = written?;
                committing = true;
                $tx.commit().await?;
                Ok::<_, sqlx::Error>(value)
            };
            match done.await {
                Ok(value) => break Ok(value),
                Err(error) if $crate::store::error::is_deadlock(&error) => {
                    if tries == $crate::store::dialect::TRIES {
                        break Err($crate::store::StoreError::from(error));
                    }
                }
                // It may have come to the database, and only the answer not to us.
                Err(error) if committing => break Err($crate::store::StoreError::Unsure(error)),
                Err(error) => break Err($crate::store::StoreError::from(error)),
            }
        }
    }};
}

/// How often a transaction is tried that deadlocks.
pub(super) const TRIES: u32 = 10;

pub(super) use {on_database, transaction};
