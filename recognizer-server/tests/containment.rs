//! The folders that photos may be read from: every way out of them, asked of the running server.

mod support;

use support::server::Server;

#[test]
fn no_path_leads_out_of_the_allowed_folders() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    support::peers::output_of(support::peers::script("v1_containment.py").arg("build").arg(&tree));

    let options = [tree.join("roots"), tree.join("more")].map(|root| root.to_str().expect("UTF-8").to_owned());
    let options = ["--image-root", &options[0], "--image-root", &options[1]];
    let server = Server::start(&support::repository().join("known_people"), dir.path(), &options);
    let mut client = support::peers::script("v1_containment.py");
    client.arg("ask").arg(&tree).arg(server.address());
    server.passes(&mut client);
}
