//! The running server: the original's contract, asked row by row by Python's grpcio with stubs made
//! from the proto, and its end.

mod support;

use support::server::Server;

#[test]
fn every_row_of_the_original_contract_holds() {
    let Some(shared) = support::shared("every_row_of_the_original_contract_holds") else { return };
    let dir = tempfile::tempdir().unwrap();
    let fixture = dir.path().join("fixture");
    support::peers::output_of(support::peers::script("contract_fixture.py").arg(&fixture).arg(&shared));

    let server = Server::start(&fixture.join("known"), dir.path(), &[]);
    let mut client = support::peers::script("contract_client.py");
    client.arg(server.address()).arg(&fixture);
    server.passes(&mut client);
}

#[test]
fn the_server_ends_cleanly_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&support::repository().join("known_people"), dir.path(), &[]);
    assert_eq!(server.stop().code(), Some(0));
}
