//! The sample that ships with the repository: everybody known is named, and nobody wrongly.

mod support;

use std::collections::BTreeSet;

use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    photo: String,
    image_name: String,
    /// Separated by semicolons.
    people: String,
    faces: usize,
}

#[test]
fn everybody_known_is_named_and_nobody_wrongly() {
    let examples = support::repository().join("examples");
    let mut table = csv::Reader::from_path(examples.join("expected.csv")).expect("the right answers");
    let expected: Vec<Expected> = table.deserialize().collect::<Result<_, _>>().expect("the right answers");
    assert!(!expected.is_empty());

    let index = tempfile::tempdir().unwrap();
    let output = support::run(
        support::recognizer()
            .args(["--json", "identify", "--known"])
            .arg(support::repository().join("known_people"))
            .arg("--index")
            .arg(index.path())
            .arg(&examples),
    );
    assert!(output.status.success(), "{}: {}", output.status, support::complaints(&output));

    // By name: a photo without a line, or a line without a photo, is a difference too.
    let mut answered = Vec::new();
    for record in support::records(&output) {
        let faces = record["faces"].as_array().expect("faces");
        let people: BTreeSet<&str> = faces.iter().filter_map(|face| face["match"]["person"].as_str()).collect();
        let photo = record["photo"].as_str().expect("photo").rsplit('/').next().unwrap_or_default();
        let people: Vec<&str> = people.into_iter().collect();
        let image_name = record["image_name"].as_str().expect("image_name");
        answered.push((photo.to_owned(), image_name.to_owned(), people.join(";"), faces.len()));
    }
    let mut expected: Vec<_> = expected.into_iter().map(|e| (e.photo, e.image_name, e.people, e.faces)).collect();
    answered.sort();
    expected.sort();
    assert_eq!(answered, expected);
}
