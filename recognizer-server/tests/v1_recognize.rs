//! The calls of our own API that recognise photos, asked by Python's grpcio with stubs made from the
//! proto.

mod support;

use support::server::Server;

#[test]
fn every_call_answers_as_its_proto_says() {
    let Some(shared) = support::shared("every_call_answers_as_its_proto_says") else { return };
    let dir = tempfile::tempdir().unwrap();
    let fixture = dir.path().join("fixture");
    support::peers::output_of(support::peers::script("contract_fixture.py").arg(&fixture).arg(&shared));

    let server = Server::start(&fixture.join("known"), dir.path(), &["--threads", "2"]);
    let mut client = support::peers::script("v1_client.py");
    client.arg(server.address()).arg(&fixture);
    server.passes(&mut client);
}
