//! What can go wrong with the database.

/// An error of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address is of no database we know.
    #[error("{url:?} is no database address: give sqlite:FILE or mysql://user:password@host:port/database")]
    Address {
        /// The address, without its password.
        url: String,
    },
    /// The address has a setting that there is not.
    #[error("{name:?} is no setting of a MySQL address: ssl-mode, ssl-ca, ssl-cert and ssl-key are")]
    Setting {
        /// Its name.
        name: String,
    },
    /// The database does not answer, now: trying again later makes sense.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not tell whether it stored what it was given: it may have, or not.
    #[error("the database did not tell whether it stored what it was given: {0}")]
    Unsure(#[source] sqlx::Error),
    /// The database refused a statement.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// No connection can be made as it was asked for.
    #[error(
        "no connection to the database as it was asked for: {0}; see ssl-mode and ssl-ca of its address, or \
         MYSQL_SSL_MODE and MYSQL_SSL_CA"
    )]
    Connection(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Whether the same may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unsure(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Self::Connection(error),
            // What the other side sends is no TLS, or not TLS as it should be.
            sqlx::Error::Io(ref reason) if reason.kind() == std::io::ErrorKind::InvalidData => Self::Connection(error),
            _ if passes(&error) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// Whether the same statement may succeed later.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(_) => match code(error) {
            // Too many connections, shutting down, lock wait, deadlock, read-only while it fails over, killed.
            Code::MySql(number) => {
                matches!(number, 1040 | 1053 | 1079 | 1203 | 1205 | 1213 | 1226 | 1290 | 1317 | 1792 | 1836 | 1927)
            }
            // Busy, locked, input or output failed, the disk is full.
            Code::Sqlite(number) => matches!(number & 0xff, 5 | 6 | 10 | 13),
            Code::Other => false,
        },
        _ => false,
    }
}

/// Whether the database ended a transaction so that another could go on.
pub(super) fn is_deadlock(error: &sqlx::Error) -> bool {
    matches!(code(error), Code::MySql(1213))
}

/// Whether another has the SQLite file at the moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code(error), Code::Sqlite(number) if number & 0xff == 5)
}

enum Code {
    MySql(u16),
    Sqlite(u32),
    Other,
}

fn code(error: &sqlx::Error) -> Code {
    let sqlx::Error::Database(error) = error else { return Code::Other };
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return Code::MySql(error.number());
    }
    // The extended code: the low byte is the kind.
    match error.code().and_then(|code| code.parse().ok()) {
        Some(number) if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() => Code::Sqlite(number),
        _ => Code::Other,
    }
}
