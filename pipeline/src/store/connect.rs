//! Connecting, and bringing the tables up to date.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, MySqlConnection};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::dialect::on_database;
use super::error::is_busy;
use super::version::Version;
use super::{Store, StoreError};

/// Connections of a process at most. A statement takes milliseconds, so that a few serve many photos at a time.
const CONNECTIONS: u32 = 16;
/// How long a statement waits for a connection, before the database counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a service waits while another brings the tables up to date.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);
/// Until a file is tried again that others are just making.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite {
        pool: SqlitePool,
        /// SQLite has one writer at a time and makes others poll for their turn; here they queue for it.
        writer: Arc<Mutex<()>>,
    },
    MySql {
        pool: MySqlPool,
    },
}

impl Store {
    /// Connects to `url` (`sqlite:FILE`, `mysql://user:password@host:port/database`) and brings the tables up to
    /// date, without touching what the original system made.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Address { url: without_password(url) };
        let database = match url.split(':').next() {
            Some("sqlite") => sqlite(SqliteConnectOptions::from_str(url).map_err(|_| wrong())?).await?,
            Some("mysql" | "mariadb") => {
                if let Some(name) = unknown_setting(url) {
                    return Err(StoreError::Setting { name: name.to_owned() });
                }
                let options = MySqlConnectOptions::from_str(url).map_err(|_| wrong())?;
                if options.get_database().is_none() {
                    return Err(wrong());
                }
                mysql(options).await?
            }
            _ => return Err(wrong()),
        };
        Ok(Self { database, version: Arc::new(Version::new()) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_database!(self, |pool, D| pool.acquire().await?.ping().await)
    }
}

async fn sqlite(options: SqliteConnectOptions) -> Result<Database, StoreError> {
    let options = options
        .create_if_missing(true)
        .busy_timeout(MIGRATION_PATIENCE)
        .foreign_keys(false)
        // A photo that was answered for outlives a power cut.
        .synchronous(SqliteSynchronous::Full);
    let in_memory = options.get_filename().to_string_lossy().contains(":memory:")
        || options.get_filename().to_string_lossy().contains("mode=memory");
    let mut pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
    let options = if in_memory {
        // The database lives as long as its connection, and is its alone.
        pool = pool.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        options
    } else {
        options.journal_mode(SqliteJournalMode::Wal)
    };
    let began = Instant::now();
    let pool = loop {
        match pool.clone().connect_with(options.clone()).await {
            // Several make the file what it is to be: SQLite does not wait for that.
            Err(error) if is_busy(&error) && began.elapsed() < MIGRATION_PATIENCE => sleep(BUSY_PAUSE).await,
            connected => break connected?,
        }
    };
    // One transaction around all: SQLite lets one process at a time have it.
    let mut tx = pool.begin_with("begin immediate").await?;
    // Tables that a later version added do no harm to this one.
    sqlx::migrate!("migrations/sqlite").set_ignore_missing(true).run_direct(None, &mut *tx, false).await?;
    tx.commit().await?;
    Ok(Database::Sqlite { pool, writer: Arc::default() })
}

async fn mysql(options: MySqlConnectOptions) -> Result<Database, StoreError> {
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Each statement sees what others have stored by then.
                connection.execute("set session transaction isolation level read committed").await?;
                // Nothing is cut short to fit its column.
                connection.execute("set session sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES')").await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await?;
    // A connection of its own, closed at the end: its lock must not outlive an error.
    let mut connection = pool.acquire().await?.detach();
    let migrated = migrate_mysql(&mut connection).await;
    connection.close().await.ok();
    migrated?;
    Ok(Database::MySql { pool })
}

/// Brings the tables up to date under a lock of our own: MariaDB does not take the endless wait that sqlx asks for.
async fn migrate_mysql(connection: &mut MySqlConnection) -> Result<(), StoreError> {
    let locked: Option<i64> = sqlx::query_scalar("select get_lock(concat('facerecog ', left(database(), 50)), ?)")
        .bind(MIGRATION_PATIENCE.as_secs() as i64)
        .fetch_one(&mut *connection)
        .await?;
    if locked != Some(1) {
        return Err(StoreError::Unavailable(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "another service has been bringing the tables up to date for a minute",
        ))));
    }
    let mut migrations = sqlx::migrate!("migrations/mysql");
    migrations.set_locking(false).set_ignore_missing(true);
    match migrations.run_direct(None, &mut *connection, false).await {
        // Its service was killed on the way. Tables cannot be made in a transaction here, so that each migration is
        // written to run over its own beginnings.
        Err(MigrateError::Dirty(_)) => {
            sqlx::query("delete from _sqlx_migrations where success = false").execute(&mut *connection).await?;
            migrations.run_direct(None, &mut *connection, false).await?;
        }
        migrated => migrated?,
    }
    Ok(())
}

/// The first setting of an address that is none: a misspelt `ssl-mode` must not mean an unencrypted connection.
fn unknown_setting(url: &str) -> Option<&str> {
    const KNOWN: [&str; 14] = [
        "charset",
        "collation",
        "socket",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
        "ssl-mode",
        "sslca",
        "sslcert",
        "sslkey",
        "sslmode",
        "statement-cache-capacity",
        "time-zone",
        "timezone",
    ];
    let (_, settings) = url.split_once('?')?;
    settings.split('&').filter_map(|setting| setting.split('=').next()).find(|name| !KNOWN.contains(name))
}

/// An address that may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::{unknown_setting, without_password};

    #[test]
    fn settings_that_are_none_are_found() {
        for (url, unknown) in [
            ("mysql://root:a@db/kube", None),
            ("mysql://root:a@db/kube?ssl-mode=REQUIRED&ssl-ca=/a?b", None),
            ("mysql://root:a@db/kube?ssl-ca=a&ssl_mode=REQUIRED", Some("ssl_mode")),
            ("mysql://root:a@db/kube?useSSL=true", Some("useSSL")),
        ] {
            assert_eq!(unknown_setting(url), unknown, "{url}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(without_password("mysql://root:p@ss:word@db:3306/kube"), "mysql://root@db:3306/kube");
        assert_eq!(without_password("mysql://db/kube"), "mysql://db/kube");
        assert_eq!(without_password("sqlite:photos.db"), "sqlite:photos.db");
    }
}
