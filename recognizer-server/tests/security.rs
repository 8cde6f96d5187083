//! Encryption, the token, and clients that do not behave.

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use support::server::{Server, await_that};

/// An authority that certifies servers and clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes `<name>.pem` and `<name>.key`, good for localhost.
    fn certify(&self, dir: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Writes the certificate of the authority itself.
    fn publish(&self, dir: &Path, name: &str) {
        fs::write(dir.join(name), &self.pem).unwrap();
    }
}

fn known() -> PathBuf {
    support::repository().join("known_people")
}

const TLS: [&str; 4] = ["--tls-certificate", "server.pem", "--tls-key", "server.key"];

#[test]
fn neither_encryption_nor_token_can_be_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.publish(dir.path(), "ca.pem");
    authority.certify(dir.path(), "server");
    authority.certify(dir.path(), "client");
    Authority::new().certify(dir.path(), "other");
    fs::write(dir.path().join("token"), "s3cret-token\n").unwrap();
    let arguments =
        [&TLS[..], &["--tls-client-ca", "ca.pem", "--token-file", "token", "--log-level", "trace"]].concat();
    let server = Server::start(&known(), dir.path(), &arguments);
    let output = support::run(support::peers::script("security_client.py").arg(server.address()).arg(dir.path()));
    let rows = String::from_utf8_lossy(&output.stdout);
    println!("{rows}");
    assert!(output.status.success(), "{rows}{}", support::complaints(&output));
    assert_eq!(rows.lines().filter(|row| row.starts_with("ok ")).count(), 27);
    let log = server.log();
    assert!(!log.contains("s3cret") && !log.contains("panicked"), "{log}");
    assert_eq!(server.stop().code(), Some(0));
}

/// Whether `call health` gets through to a server whose certificate this authority signed.
fn trusts(server: &Server, dir: &Path, authority: &str) -> bool {
    let mut call = server.call(&["--server-name", "localhost", "--ca", authority, "health"]);
    support::run(call.current_dir(dir)).status.success()
}

#[test]
fn sighup_takes_a_new_certificate_and_keeps_the_old_one_when_the_new_one_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    first.publish(dir.path(), "first.pem");
    second.publish(dir.path(), "second.pem");
    first.certify(dir.path(), "server");
    let server = Server::start(&known(), dir.path(), &TLS);
    assert!(trusts(&server, dir.path(), "first.pem") && !trusts(&server, dir.path(), "second.pem"));

    second.certify(dir.path(), "server");
    assert!(trusts(&server, dir.path(), "first.pem"), "without a signal nothing changes");
    server.signal("HUP");
    server.await_log("new connections use the certificate", 1);
    assert!(trusts(&server, dir.path(), "second.pem") && !trusts(&server, dir.path(), "first.pem"));

    let key = fs::read(dir.path().join("server.key")).unwrap();
    for (broken, number) in [(&b"no key"[..], 1), (&b""[..], 2)] {
        fs::write(dir.path().join("server.key"), broken).unwrap();
        server.signal("HUP");
        server.await_log("the certificate stays as it was", number);
        assert!(trusts(&server, dir.path(), "second.pem"));
    }
    // The key of another certificate.
    fs::write(dir.path().join("server.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    server.signal("HUP");
    server.await_log("the certificate stays as it was", 3);
    fs::write(dir.path().join("server.key"), key).unwrap();
    assert!(trusts(&server, dir.path(), "second.pem"));
    assert_eq!(server.stop().code(), Some(0));
}

/// How a call that changes the gallery, if only it is let through, ends.
fn change(server: &Server, dir: &Path, token: Option<&str>) -> String {
    let mut arguments = vec!["remove", "--person", "nobody at all"];
    if let Some(token) = token {
        fs::write(dir.join("client-token"), token).unwrap();
        arguments.splice(..0, ["--token-file", "client-token"]);
    }
    let output: Output = support::run(server.call(&arguments).current_dir(dir));
    assert_eq!(output.status.code(), Some(1), "there is nobody to remove");
    support::complaints(&output)
}

#[test]
fn sighup_takes_a_new_token() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "first").unwrap();
    let server = Server::start(&known(), dir.path(), &["--token-file", "token"]);
    assert!(change(&server, dir.path(), None).contains("UNAUTHENTICATED"));
    assert!(change(&server, dir.path(), Some("second")).contains("UNAUTHENTICATED"));
    assert!(!change(&server, dir.path(), Some("first")).contains("UNAUTHENTICATED"));
    fs::write(dir.path().join("token"), "second").unwrap();
    server.signal("HUP");
    server.await_log("the token is that of the file", 1);
    assert!(!change(&server, dir.path(), Some("second")).contains("UNAUTHENTICATED"));
    assert!(change(&server, dir.path(), Some("first")).contains("UNAUTHENTICATED"));
    fs::write(dir.path().join("token"), "").unwrap();
    server.signal("HUP");
    server.await_log("the token stays as it was", 1);
    assert!(!change(&server, dir.path(), Some("second")).contains("UNAUTHENTICATED"));
    assert!(change(&server, dir.path(), None).contains("UNAUTHENTICATED"));
}

#[test]
fn without_a_token_the_gallery_is_changed_from_this_host_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &[]);
    let answer = change(&server, dir.path(), None);
    assert!(!answer.contains("PERMISSION_DENIED") && !answer.contains("UNAUTHENTICATED"), "{answer}");
    drop(server);
    let server = Server::start(&known(), dir.path(), &["--address", "0.0.0.0:0"]);
    let answer = change(&server, dir.path(), None);
    assert!(answer.contains("PERMISSION_DENIED") && answer.contains("token_file"), "{answer}");
    drop(server);
    let open = ["--address", "0.0.0.0:0", "--allow-unauthenticated-changes"];
    let server = Server::start(&known(), dir.path(), &open);
    let answer = change(&server, dir.path(), None);
    assert!(!answer.contains("PERMISSION_DENIED") && !answer.contains("UNAUTHENTICATED"), "{answer}");
}

#[test]
fn clients_that_say_nothing_hold_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.publish(dir.path(), "ca.pem");
    authority.certify(dir.path(), "server");
    let server = Server::start(&known(), dir.path(), &TLS);
    let address = server.address();
    let mut silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in silent.iter_mut().take(32) {
        // The beginning of a handshake, and no more.
        stream.write_all(&[0x16, 0x03, 0x01, 0x02]).unwrap();
    }
    assert!(trusts(&server, dir.path(), "ca.pem"));
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn connections_over_the_limit_are_closed_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &["--max-connections", "3"]);
    let held: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    await_that(|| server.metric("facerecog_connections") == 3.0, || server.page("/metrics").1);
    assert_eq!(support::run(&mut server.call(&["health"])).status.code(), Some(1));
    assert!(server.metric("facerecog_connections_refused_total{reason=\"limit\"}") >= 1.0);
    drop(held);
    await_that(|| server.metric("facerecog_connections") == 0.0, || server.page("/metrics").1);
    assert_eq!(support::run(&mut server.call(&["health"])).status.code(), Some(0));
}

#[test]
fn a_server_that_cannot_be_safe_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.certify(dir.path(), "server");
    authority.certify(dir.path(), "other");
    fs::write(dir.path().join("empty"), "").unwrap();
    for (arguments, says) in [
        (&["--tls-certificate", "nowhere.pem", "--tls-key", "server.key"][..], "nowhere.pem"),
        (&["--tls-certificate", "server.pem", "--tls-key", "empty"], "tls_key"),
        (&["--tls-certificate", "empty", "--tls-key", "server.key"], "tls_certificate"),
        (&["--tls-certificate", "server.pem", "--tls-key", "other.key"], "pair"),
        (&["--tls-certificate", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "empty"], "tls_client_ca"),
        (&["--token-file", "nowhere"], "token_file"),
        (&["--token-file", "empty"], "holds no token"),
        (&["--image-root", "nowhere"], "image_roots"),
    ] {
        let mut command = support::recognizer();
        command.args(["serve", "--address", "127.0.0.1:0", "--metrics-address", "off", "--known"]).arg(known());
        let output = support::run(command.args(["--index", "index"]).args(arguments).current_dir(dir.path()));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let message = support::complaints(&output);
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
}
