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
    /// The database does not answer, now: trying again later makes sense.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}
