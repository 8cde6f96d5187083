//! Settings of the database.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Store, StoreError};

/// How long a service that starts waits for its database.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where photos are stored.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// The database in one: sqlite:FILE, or mysql://USER:PASSWORD@HOST:PORT/NAME with special characters as %XX, and
    /// ?ssl-mode=MODE&ssl-ca=FILE for an encrypted one; the other options are not heeded then
    #[arg(long, env = "DATABASE_URL", value_name = "ADDRESS", hide_env_values = true)]
    pub database: Option<String>,
    /// Host of MySQL or MariaDB [default: 127.0.0.1]
    #[arg(long, env = "MYSQL_CONNECTION", value_name = "HOST")]
    pub db_host: Option<String>,
    /// User and password; others on the machine can read a command line, so better give the variable or a file
    #[arg(long, env = "MYSQL_USERPASSWORD", value_name = "USER:PASSWORD", hide_env_values = true)]
    pub db_username_password: Option<String>,
    /// File that has user and password as USER:PASSWORD, as a mounted secret is
    #[arg(long, env = "MYSQL_USERPASSWORD_FILE", value_name = "FILE", conflicts_with = "db_username_password")]
    pub db_userpassword_file: Option<PathBuf>,
    /// Port of MySQL or MariaDB
    #[arg(long, env = "MYSQL_PORT", value_name = "PORT", default_value = "3306", value_parser = port)]
    pub db_port: u16,
    /// Name of the database there
    #[arg(long, env = "MYSQL_DBNAME", value_name = "NAME", default_value = "kube")]
    pub db_dbname: String,
    /// Whether connections there are encrypted, and the server's certificate is checked [default: preferred, or
    /// verify-ca with --db-ssl-ca]
    #[arg(long, env = "MYSQL_SSL_MODE", value_name = "MODE", ignore_case = true)]
    pub db_ssl_mode: Option<SslMode>,
    /// File with the certificates (PEM) of those who may sign that of the server, besides the well-known ones
    #[arg(long, env = "MYSQL_SSL_CA", value_name = "FILE")]
    pub db_ssl_ca: Option<PathBuf>,
}

/// As MySQL's own clients call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SslMode {
    /// Never encrypted.
    Disabled,
    /// Encrypted when the server can.
    Preferred,
    /// Always encrypted, with whoever answers.
    Required,
    /// The server's certificate must be signed by somebody known.
    #[value(alias = "verify_ca")]
    VerifyCa,
    /// It must be of the server's name, too.
    #[value(alias = "verify_identity")]
    VerifyIdentity,
}

impl SslMode {
    /// As it stands in an address.
    fn label(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Preferred => "preferred",
            Self::Required => "required",
            Self::VerifyCa => "verify_ca",
            Self::VerifyIdentity => "verify_identity",
        }
    }
}

/// What is wrong with the settings of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseSettingsError {
    /// Nobody to log in as.
    #[error(
        "no user for the database: set MYSQL_USERPASSWORD to user:password, or give --db-userpassword-file FILE; or \
         give --database sqlite:FILE, which takes none"
    )]
    NoUser,
    /// No colon.
    #[error("user and password of the database are not USER:PASSWORD ({from})")]
    UserPassword {
        /// Where they were given.
        from: String,
    },
    /// The file cannot be read.
    #[error("{}: user and password of the database cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// In the system's words.
        reason: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DatabaseSettings {
    /// Address of the database, as [`Store::connect`] takes it. `unset` is the one when nothing was set.
    pub fn address(&self, unset: Option<&str>) -> Result<String, DatabaseSettingsError> {
        if let Some(address) = &self.database {
            return Ok(address.clone());
        }
        let (given, from) = match (&self.db_username_password, &self.db_userpassword_file) {
            (Some(given), _) => (given.clone(), "MYSQL_USERPASSWORD".to_owned()),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path);
                let given = read.map_err(|reason| DatabaseSettingsError::File { path: path.clone(), reason })?;
                // Editors end a file with a new line, and passwords end with none.
                (given.trim_end_matches(['\r', '\n']).to_owned(), path.display().to_string())
            }
            (None, None) => match unset.filter(|_| self.db_host.is_none()) {
                Some(unset) => return Ok(unset.to_owned()),
                None => return Err(DatabaseSettingsError::NoUser),
            },
        };
        let (user, password) = given.split_once(':').ok_or(DatabaseSettingsError::UserPassword { from })?;
        let host = self.db_host.as_deref().unwrap_or("127.0.0.1");
        // Colons are of an IPv6 address.
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        Ok(format!(
            "mysql://{}:{}@{host}:{}/{}{}",
            escaped(user),
            escaped(password),
            self.db_port,
            escaped(&self.db_dbname),
            self.encryption()
        ))
    }

    /// The part of an address about encryption.
    fn encryption(&self) -> String {
        // Whoever names certificates wants them heeded, as MySQL's own clients do.
        let unset = self.db_ssl_ca.as_ref().map(|_| SslMode::VerifyCa);
        let mode = self.db_ssl_mode.or(unset).map(|mode| format!("ssl-mode={}", mode.label()));
        let ca = self.db_ssl_ca.as_ref().map(|path| format!("ssl-ca={}", escaped(&path.to_string_lossy())));
        let query: Vec<_> = mode.into_iter().chain(ca).collect();
        if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
    }

    /// Connects, and waits for a minute when the database does not answer: services and database start together.
    pub async fn connect(&self, unset: Option<&str>) -> Result<Store, DatabaseSettingsError> {
        let address = self.address(unset)?;
        let started = Instant::now();
        loop {
            match Store::connect(&address).await {
                Err(error) if error.is_temporary() && started.elapsed() < PATIENCE => {
                    tracing::warn!(%error, "the database does not answer: tried again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                connected => return Ok(connected?),
            }
        }
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address and password are secrets.
        f.debug_struct("DatabaseSettings")
            .field("db_host", &self.db_host)
            .field("db_userpassword_file", &self.db_userpassword_file)
            .field("db_port", &self.db_port)
            .field("db_dbname", &self.db_dbname)
            .field("db_ssl_mode", &self.db_ssl_mode)
            .field("db_ssl_ca", &self.db_ssl_ca)
            .finish_non_exhaustive()
    }
}

/// A port, or what Kubernetes sets `MYSQL_PORT` to where a service of the name `mysql` has an address of its own:
/// `tcp://10.0.0.7:3306`.
fn port(text: &str) -> Result<u16, String> {
    let number = match text.strip_prefix("tcp://") {
        Some(address) => address.rsplit(':').next().unwrap_or_default(),
        None => text,
    };
    match number.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("not a port, 1 to 65535".to_owned()),
    }
}

/// As part of an address: everything that has a meaning there as %XX.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{DatabaseSettings, DatabaseSettingsError};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        database: DatabaseSettings,
    }

    fn settings(line: &[&str]) -> DatabaseSettings {
        Line::try_parse_from([&["pipeline"], line].concat()).expect("the line is right").database
    }

    #[test]
    fn the_originals_flags_make_an_address() {
        let line = ["--db-host", "mysql.default", "--db-username-password", "root:p:a/ss@wörd", "--db-port", "3307"];
        let address = settings(&line).address(None).expect("an address");
        assert_eq!(address, "mysql://root:p%3Aa%2Fss%40w%C3%B6rd@mysql.default:3307/kube");
        let address = settings(&["--db-host", "::1", "--db-username-password", "root:"]).address(None);
        assert_eq!(address.expect("an address"), "mysql://root:@[::1]:3306/kube");
    }

    #[test]
    fn encryption_is_part_of_the_address() {
        for (line, query) in [
            (&[][..], ""),
            (&["--db-ssl-mode", "required"], "?ssl-mode=required"),
            (&["--db-ssl-mode", "VERIFY_IDENTITY"], "?ssl-mode=verify_identity"),
            (&["--db-ssl-ca", "/run/db ca.pem"], "?ssl-mode=verify_ca&ssl-ca=%2Frun%2Fdb%20ca.pem"),
            (&["--db-ssl-mode", "verify-identity", "--db-ssl-ca", "a"], "?ssl-mode=verify_identity&ssl-ca=a"),
        ] {
            let address = settings(&[&["--db-username-password", "root:"], line].concat()).address(None);
            assert_eq!(address.expect("an address"), format!("mysql://root:@127.0.0.1:3306/kube{query}"));
        }
        assert!(Line::try_parse_from(["pipeline", "--db-ssl-mode", "on"]).is_err());
    }

    #[test]
    fn nothing_set_is_the_callers_choice() {
        assert_eq!(settings(&[]).address(Some("sqlite:photos.db")).expect("an address"), "sqlite:photos.db");
        assert!(matches!(settings(&[]).address(None), Err(DatabaseSettingsError::NoUser)));
        // Somebody wanted MySQL, and must not find photos in a file.
        let host = settings(&["--db-host", "mysql"]);
        assert!(matches!(host.address(Some("sqlite:photos.db")), Err(DatabaseSettingsError::NoUser)));
        assert_eq!(settings(&["--database", "sqlite:a"]).address(Some("sqlite:b")).expect("an address"), "sqlite:a");
    }

    #[test]
    fn a_password_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let path = file.path().to_str().expect("a path in UTF-8");
        let line = ["--db-userpassword-file", path];
        std::fs::write(path, "root:secret\n").expect("the file is written");
        assert_eq!(settings(&line).address(None).expect("an address"), "mysql://root:secret@127.0.0.1:3306/kube");
        std::fs::write(path, "rootsecret\n").expect("the file is written");
        let error = settings(&line).address(None).expect_err("no colon").to_string();
        assert!(error.contains(path) && !error.contains("rootsecret"), "{error}");
        let error = settings(&["--db-userpassword-file", "/no/such/file"]).address(None).expect_err("no file");
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
    }

    #[test]
    fn what_kubernetes_sets_is_a_port() {
        assert_eq!(settings(&["--db-port", "tcp://10.0.0.7:3307"]).db_port, 3307);
        for wrong in ["0", "65536", "mysql", "tcp://10.0.0.7", ""] {
            assert!(Line::try_parse_from(["pipeline", "--db-port", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown =
            format!("{:?}", settings(&["--db-username-password", "root:secret", "--database", "mysql://secret"]));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
