//! The calls that change the gallery, made to the running server by Python's grpcio with stubs from the proto.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::server::Server;
use tempfile::TempDir;

/// A folder in which Obama and Biden are known.
fn known_people() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let known = dir.path().join("known");
    fs::create_dir(&known).unwrap();
    for name in ["obama.jpg", "biden.jpg"] {
        fs::copy(support::repository().join("known_people").join(name), known.join(name)).unwrap();
    }
    (dir, known)
}

fn client(server: &Server, known: &Path, what: &str) -> Command {
    let mut client = support::peers::script("gallery_changes_client.py");
    client.arg(server.address()).arg(known).arg(what);
    client
}

#[test]
fn every_call_does_what_the_proto_says() {
    let (dir, known) = known_people();
    let server = Server::start(&known, dir.path(), &[]);
    let mut client = client(&server, &known, "every_call");
    server.passes(&mut client);
}

#[test]
fn a_folder_that_may_not_be_written_is_read() {
    const NOBODY: u32 = 65534;
    let (dir, known) = known_people();
    fs::create_dir(dir.path().join("index")).unwrap();
    for (path, mode) in [(dir.path().to_owned(), 0o755), (known.clone(), 0o555), (dir.path().join("index"), 0o777)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mut command = support::recognizer();
    // Nothing is forbidden to root.
    if fs::write(known.join("probe"), "").is_ok() {
        fs::remove_file(known.join("probe")).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let server = Server::start_as(command, &known, dir.path(), &[]);
    let mut client = client(&server, &known, "read_only");
    server.passes(&mut client);
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_has_answered() {
    let (dir, known) = known_people();
    let mut answered = BTreeSet::new();
    for round in 0..3 {
        let server = Server::start(&known, dir.path(), &[]);
        let mut flood = client(&server, &known, "flood").stdout(Stdio::piped()).spawn().unwrap();
        let mut names = BufReader::new(flood.stdout.take().unwrap()).lines().map(Result::unwrap);
        // A different moment of an enrolment each time, more or less.
        for _ in 0..=round {
            let name = names.next().unwrap();
            assert!(name.starts_with("flood_"), "the server answered {name}");
            answered.insert(name);
        }
        server.kill();
        answered.extend(names.filter(|name| name.starts_with("flood_")));
        flood.wait().unwrap();

        let server = Server::start(&known, dir.path(), &[]);
        let mut agree = client(&server, &known, "agree");
        server.passes(&mut agree);
        for name in &answered {
            assert!(known.join("eileen").join(name).is_file(), "{name} was answered and is gone");
        }
        fs::remove_dir_all(known.join("eileen")).unwrap();
        answered.clear();
    }
}
