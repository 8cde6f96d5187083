//! Requests that fuzzing found, or that mean harm by design.

use std::path::Path;

use recognizer_server::fuzzing::Requests;

#[test]
fn requests() {
    let requests = Requests::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions/request");
    let mut inputs = 0;
    for input in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let input = input.unwrap().path();
        println!("{}", input.display());
        requests.request(&std::fs::read(&input).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{}: no inputs", folder.display());
}
