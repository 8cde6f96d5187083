//! `recognizer call`, the client of a running server.

mod support;

use std::fs;
use std::path::PathBuf;

use support::server::Server;

fn known() -> PathBuf {
    support::repository().join("known_people")
}

fn example(name: &str) -> String {
    support::repository().join("examples").join(name).to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn health_is_a_status_for_containers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &[]);
    let output = support::run(&mut server.call(&["health", "--json"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(support::records(&output), [serde_json::json!({"ready": true, "status": "SERVING"})]);
    let output = support::run(&mut server.call(&["health", "--service", "no.such.Service"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(support::complaints(&output).contains("NOT_FOUND"));

    // The variable that the server listens by serves its client as well.
    let address = server.address().to_owned();
    let port = address.rsplit(':').next().unwrap();
    let mut command = support::recognizer();
    command.args(["call", "health"]).env("FACERECOG_ADDRESS", format!("0.0.0.0:{port}"));
    assert_eq!(support::run(&mut command).status.code(), Some(0));
    assert_eq!(server.stop().code(), Some(0));
    let output = support::run(support::recognizer().args(["call", "--address", &address, "health"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(support::complaints(&output).contains(&format!("could not reach http://{address}")));
}

#[test]
fn a_photo_is_identified_or_the_reason_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &[]);
    let output = support::run(&mut server.call(&["identify", &example("obama2.jpg"), "--json"]));
    assert_eq!(output.status.code(), Some(0), "{}", support::complaints(&output));
    assert_eq!(support::records(&output)[0]["image_name"], "obama.jpg");
    let output = support::run(&mut server.call(&["identify", "/nowhere.jpg"]));
    assert_eq!(output.status.code(), Some(1));
    let message = support::complaints(&output);
    assert!(message.starts_with("error: NOT_FOUND: /nowhere.jpg: "), "{message}");
}

#[test]
fn what_a_client_gets_wrong_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    for (arguments, says) in [
        (&["remove"][..], "--person"),
        (&["remove", "--person", "a", "--image-name", "b"], "cannot be used"),
        (&["recognize"], "PHOTO"),
        (&["recognize", "a.jpg", "--top-k", "0"], "--top-k"),
        (&["--cert", "a.pem", "health"], "--key"),
        (&["--token-file", "nowhere", "people"], "nowhere"),
        (&["--token-file", "empty", "people"], "holds no token"),
        (&["--ca", "nowhere", "people"], "nowhere"),
        (&["--address", "not an address", "people"], "not an address"),
    ] {
        let output = support::run(support::recognizer().arg("call").args(arguments).current_dir(dir.path()));
        let message = support::complaints(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
}

#[test]
fn a_person_is_enrolled_recognised_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let people = dir.path().join("people");
    fs::create_dir(&people).unwrap();
    fs::copy(known().join("biden.jpg"), people.join("biden.jpg")).unwrap();
    let server = Server::start(&people, dir.path(), &[]);
    let ask = |arguments: &[&str], status: i32| {
        let output = support::run(&mut server.call(&[arguments, &["--json"]].concat()));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", support::complaints(&output));
        support::records(&output)
    };
    let portrait = known().join("obama.jpg").to_str().unwrap().to_owned();
    let probe = example("obama2.jpg");

    let info = ask(&["info"], 0).remove(0);
    assert_eq!((&info["ready"], &info["people"]), (&true.into(), &1.into()), "{info}");
    let before = ask(&["recognize", &probe], 0).remove(0);
    assert_eq!(before["faces"][0]["matches"], serde_json::json!([]), "{before}");

    let enrolled = ask(&["enroll", "barack", &portrait, "--bytes", "--image-name", "barack_1.jpg"], 0).remove(0);
    assert_eq!((&enrolled["enrolled"], &enrolled["image_name"]), (&true.into(), &"barack_1.jpg".into()));
    for sending in [&["recognize", &probe][..], &["recognize", "--bytes", &probe]] {
        let found = ask(sending, 0).remove(0);
        assert_eq!(found["faces"][0]["matches"][0]["person"], "barack", "{found}");
        assert_eq!(found["generation"], enrolled["generation"]);
    }
    let several = ask(&["recognize", &probe, "/nowhere.jpg"], 1);
    assert!(several[0]["error"].is_null() && several[1]["error"]["code"] == "not_found", "{several:?}");
    let refused = ask(&["enroll", "barack", &example("coffee.jpg"), "--bytes"], 1).remove(0);
    assert_eq!(refused["rejections"][0]["code"], "no_face", "{refused}");

    let listed = ask(&["people", "--photos"], 0);
    let names: Vec<&str> = listed.iter().map(|person| person["person"].as_str().unwrap()).collect();
    assert_eq!(names, ["barack", "biden"]);
    assert_eq!(listed[0]["photos"][0]["image_name"], "barack_1.jpg");
    assert_eq!(ask(&["verify", &portrait, &probe], 0)[0]["same"], true);
    assert_eq!(ask(&["verify", &portrait, &example("coffee.jpg")], 1)[0]["same"], false);

    fs::copy(&portrait, people.join("obama.jpg")).unwrap();
    let report = ask(&["reindex"], 0).remove(0);
    assert_eq!((&report["photos"], &report["people"]), (&3.into(), &3.into()), "{report}");
    let removed = ask(&["remove", "--person", "barack"], 0).remove(0);
    assert_eq!(removed["image_names"], serde_json::json!(["barack_1.jpg"]));
    assert_eq!(ask(&["people"], 0).len(), 2);
    let output = support::run(&mut server.call(&["remove", "--person", "barack"]));
    assert!(support::complaints(&output).starts_with("error: NOT_FOUND: "), "{}", support::complaints(&output));
}
