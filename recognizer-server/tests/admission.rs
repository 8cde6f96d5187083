//! Clients that ask for too much, send or read too slowly, or vanish: each is refused or contained, and
//! the others are answered.

mod support;

use support::server::Server;

#[test]
fn no_client_takes_the_server_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let repository = support::repository();
    // One thread and, by that, five places: easily taken.
    let server = Server::start(&repository.join("known_people"), dir.path(), &["--threads", "1"]);
    let mut client = support::peers::script("v1_abuse.py");
    client.arg(server.address()).arg(server.id()).arg(repository.join("examples"));
    server.passes(&mut client);
}
