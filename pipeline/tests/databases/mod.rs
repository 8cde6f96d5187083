//! Databases to test on: a SQLite file, and a MariaDB of this process's own.

// Each test binary uses some of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, SqliteConnection};

/// An empty database.
pub(crate) struct TestDatabase {
    /// Its address, as [`facerecog_pipeline::store::Store::connect`] takes it.
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

/// One of each kind.
pub(crate) async fn each() -> Vec<TestDatabase> {
    vec![sqlite(), mariadb().await]
}

/// A SQLite file that does not exist yet.
pub(crate) fn sqlite() -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("photos.db").display());
    TestDatabase { url, _folder: Some(folder) }
}

/// A database without tables, on a server that all tests of this process share.
pub(crate) async fn mariadb() -> TestDatabase {
    static SERVER: OnceLock<String> = OnceLock::new();
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        start_mariadb(&folder, Some(std::process::id()))
    });
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let database = TestDatabase { url: server.replace("/kube", &format!("/{name}")), _folder: None };
    let mut connection = MySqlConnection::connect(server).await.expect("the server answers");
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut connection).await.expect("create");
    database
}

/// Starts a server in `folder`, and gives the address of its database. It ends with the process `owner`.
pub(crate) fn start_mariadb(folder: &Path, owner: Option<u32>) -> String {
    let mut script = Command::new(script());
    script.arg("start").arg(folder).args(owner.map(|owner| owner.to_string()));
    let output = script.output().expect("mariadb.sh runs");
    assert!(output.status.success(), "mariadb.sh start: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("an address").trim().to_owned()
}

/// Ends the server in `folder` with SIGKILL.
pub(crate) fn kill_mariadb(folder: &Path) {
    assert!(Command::new(script()).arg("kill").arg(folder).status().expect("mariadb.sh runs").success());
}

/// The original's tables and first rows.
pub(crate) fn original_tables(charset: &str) -> String {
    format!(
        "create table images (id int not null auto_increment primary key, path varchar(255) not null, person int, \
         status int) default charset = {charset};
         create table person (id int not null auto_increment primary key, name varchar(255) not null) \
         default charset = {charset};
         create table person_images (id int not null auto_increment primary key, image_name varchar(255), \
         person_id int) default charset = {charset};
         insert into person (name) values ('Hannibal'), ('Skarlso'), ('John Doe'), ('Gergely');
         insert into person_images (image_name, person_id) values ('hannibal_1.jpg', 1), ('hannibal_2.jpg', 1), \
         ('skarlso_1.jpg', 2), ('skarlso_2.jpg', 2), ('john_doe_1.jpg', 3), ('gergely_01.jpg', 4);"
    )
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/mariadb.sh")
}

impl TestDatabase {
    /// One that is there.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), _folder: None }
    }

    /// Runs statements, past the store.
    pub(crate) async fn execute(&self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
            sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements run");
        } else {
            let mut connection = MySqlConnection::connect(&self.url).await.expect("the server answers");
            sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements run");
        }
    }

    /// The number that a query gives, past the store.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the query runs")
        } else {
            let mut connection = MySqlConnection::connect(&self.url).await.expect("the server answers");
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the query runs")
        }
    }
}
