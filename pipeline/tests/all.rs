//! `pipeline all` and nothing else, as on a machine that has the program alone: photos are sent, and people seen.

mod all_process;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use all_process::{AllProcess, command, in_repository};
use serde_json::{Value, json};

/// How often, and how many times, something is looked for that is about to happen.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: usize = 600;

/// Status and body of an answer.
fn ask(host: &str, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(host).expect("a connection");
    let head = format!("{head}\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status.expect("a status"), body.to_owned())
}

/// A row of examples/expected.csv.
#[derive(Debug)]
struct Expected {
    photo: String,
    /// Who the system names; nobody for a photo that becomes FAILED.
    person: Option<String>,
    people: Vec<String>,
    faces: usize,
}

fn expected() -> Vec<Expected> {
    let table = fs::read_to_string(in_repository("examples/expected.csv")).expect("the right answers");
    let rows = table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split(',').collect();
        let [photo, image_name, people, faces] = columns[..] else { panic!("{line}") };
        Expected {
            photo: photo.to_owned(),
            person: image_name.strip_suffix(".jpg").map(str::to_owned),
            people: people.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            faces: faces.parse().expect("a number"),
        }
    });
    rows.collect()
}

/// What the page of a photo shows.
#[derive(Debug)]
struct Shown {
    status: String,
    person: String,
    reason: String,
    faces: usize,
    people: Vec<String>,
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

fn shown(all: &AllProcess, id: u64) -> Shown {
    let (status, page) = ask(all.frontend(), &format!("GET /photos/{id} HTTP/1.1"), b"");
    assert_eq!(status, 200, "{page}");
    let text = |before, after| between(&page, before, after).unwrap_or_default().to_owned();
    let rows: Vec<&str> = page.split("<tr><th scope=\"row\">").skip(1).collect();
    let names = rows.iter().map(|row| between(row, "<td>", "</td>").expect("a person"));
    let mut people: Vec<String> = names.filter(|name| *name != "nobody known").map(str::to_owned).collect();
    people.sort();
    Shown {
        status: text("<span class=\"status ", "\""),
        person: text("<dt>Person</dt><dd>", "</dd>"),
        reason: text("<span class=\"reason\">", "</span>"),
        faces: rows.len(),
        people,
    }
}

fn settled(all: &AllProcess, id: u64) -> Shown {
    for _ in 0..LOOKS {
        let shown = shown(all, id);
        if shown.status == "processed" || shown.status == "failed" {
            return shown;
        }
        sleep(PAUSE);
    }
    panic!("photo {id} is not settled: {:?}", shown(all, id));
}

fn is_as_expected(all: &AllProcess, id: u64, expected: &Expected) {
    let shown = settled(all, id);
    match &expected.person {
        Some(person) => {
            assert_eq!((shown.status.as_str(), &shown.person), ("processed", person), "{expected:?} {shown:?}");
            assert_eq!((shown.faces, &shown.people), (expected.faces, &expected.people), "{expected:?} {shown:?}");
        }
        None => assert_eq!((shown.status.as_str(), shown.person.as_str()), ("failed", "—"), "{expected:?} {shown:?}"),
    }
}

/// The ids of photos that the receiver has taken.
fn ids(status: u16, answer: &str) -> Vec<u64> {
    assert!(status == 200 || status == 201, "{status} {answer}");
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let images = answer["images"].as_array().unwrap_or_else(|| panic!("{answer}"));
    images.iter().map(|image| image["id"].as_u64().unwrap_or_else(|| panic!("{answer}"))).collect()
}

fn post_paths(all: &AllProcess, paths: &[String]) -> Vec<u64> {
    let paths: Vec<Value> = paths.iter().map(|path| json!({ "path": path })).collect();
    let head = "POST /images/post HTTP/1.1\r\naccept: application/json";
    let (status, answer) = ask(all.receiver(), head, json!({ "paths": paths }).to_string().as_bytes());
    ids(status, &answer)
}

/// As `curl -F photo=@FILE` does.
fn upload(all: &AllProcess, file: &Path) -> u64 {
    let name = file.file_name().expect("a name").to_str().expect("UTF-8");
    let begin = format!("--b\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"{name}\"\r\n\r\n");
    let body = [begin.as_bytes(), &fs::read(file).expect("a photo"), b"\r\n--b--\r\n"].concat();
    let head = "POST /images HTTP/1.1\r\naccept: application/json\r\ncontent-type: multipart/form-data; boundary=b";
    let (status, answer) = ask(all.receiver(), head, &body);
    ids(status, &answer)[0]
}

/// Every metric and every value of its label `result` or `state` is in docs/pipeline.md, and no other.
fn metrics_are_told_to_operators(all: &AllProcess) {
    let (status, text) = ask(all.frontend(), "GET /metrics HTTP/1.1", b"");
    assert_eq!(status, 200, "{text}");
    let page = fs::read_to_string(in_repository("docs/pipeline.md")).expect("the page");
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let metrics: BTreeSet<String> = kinds
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `facerecog_")?.split_once('`'));
    let told: BTreeSet<String> = rows.map(|(name, _)| format!("facerecog_{name}")).collect();
    assert_eq!(told, metrics);
    for label in ["result=\"", "state=\""] {
        for value in text.lines().filter_map(|line| between(line, label, "\"")) {
            assert!(page.contains(&format!("`{value}`")), "{label}{value}");
        }
    }
}

#[test]
fn photos_are_sent_and_people_seen() {
    let dir = tempfile::tempdir().unwrap();
    let examples = in_repository("examples");
    let start = || {
        let mut command = command(dir.path());
        command.env("KNOWN_PEOPLE", in_repository("known_people"));
        AllProcess::start(command.args(["--photo-root", &examples]))
    };
    let expected = expected();
    assert!(expected.len() > 5 && expected.iter().any(|row| row.people.len() > 1), "{expected:?}");

    // It is still learning the known people, and is told to end before it has looked at a photo.
    let all = start();
    let paths: Vec<String> = expected.iter().map(|row| format!("{examples}/{}", row.photo)).collect();
    let by_path = post_paths(&all, &paths);
    assert!(all.terminate().success());

    let all = start();
    for (id, expected) in by_path.iter().zip(&expected) {
        is_as_expected(&all, *id, expected);
    }
    let sent: Vec<u64> = expected.iter().map(|row| upload(&all, &Path::new(&examples).join(&row.photo))).collect();
    for (id, expected) in sent.iter().zip(&expected) {
        is_as_expected(&all, *id, expected);
    }
    let (status, people) = ask(all.frontend(), "GET /people HTTP/1.1", b"");
    assert!(status == 200 && people.contains("obama") && people.contains("biden"), "{people}");
    metrics_are_told_to_operators(&all);
    assert!(all.terminate().success());
    for file in ["facerecog.db", "index/CURRENT", "uploads"] {
        assert!(dir.path().join("facerecog-data").join(file).exists(), "{file}");
    }
}

#[test]
fn a_machine_without_known_people_gets_a_folder_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let all = AllProcess::start(&mut command(dir.path()));
    let photo = in_repository("examples/obama2.jpg");
    let id = upload(&all, Path::new(&photo));
    let nobody = settled(&all, id);
    assert_eq!((nobody.status.as_str(), nobody.person.as_str()), ("failed", "—"), "{nobody:?}");

    // Photos are read from where they are sent to alone.
    let outside = settled(&all, post_paths(&all, std::slice::from_ref(&photo))[0]);
    assert!(outside.status == "failed" && outside.reason.contains("outside"), "{outside:?}");

    fs::copy(in_repository("known_people/obama.jpg"), dir.path().join("known_people/obama.jpg")).unwrap();
    let seen = (0..LOOKS).any(|_| {
        let shown = settled(&all, upload(&all, Path::new(&photo)));
        shown.person == "obama"
    });
    assert!(seen, "a known photo that was put into the folder does not count");
    assert!(all.terminate().success());
}

#[test]
fn what_it_cannot_start_with_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = command(dir.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let text = said(&["--known", "nowhere"]);
    assert!(text.contains("pipeline: nowhere: no known people: ") && text.contains("--known"), "{text}");
    let text = said(&["--photo-root", "nowhere"]);
    assert!(text.contains("pipeline: nowhere: "), "{text}");
    fs::write(dir.path().join("file"), "no folder").unwrap();
    assert!(said(&["--data", "file"]).contains("--data"));
}
