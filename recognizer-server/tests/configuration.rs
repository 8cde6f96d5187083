//! Settings: where they come from, which counts, and what is said when one is wrong.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

/// Every setting: its key, its environment variable, and a value that is not the default, as it is
/// written and as it is printed.
fn settings() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        ("address", "FACERECOG_ADDRESS", "127.0.0.1:6000", json!("127.0.0.1:6000")),
        ("metrics_address", "FACERECOG_METRICS_ADDRESS", "off", json!("off")),
        ("known", "KNOWN_PEOPLE", "people", json!("people")),
        ("index", "FACERECOG_INDEX", "elsewhere", json!("elsewhere")),
        ("image_roots", "FACERECOG_IMAGE_ROOTS", "/photos", json!(["/photos"])),
        ("pack", "FACERECOG_PACK", "fast", json!("fast")),
        ("models", "FACERECOG_MODELS", "/models", json!("/models")),
        ("manifest", "FACERECOG_MANIFEST", "my.toml", json!("my.toml")),
        ("precision", "FACERECOG_PRECISION", "bf16", json!("bf16")),
        ("flip", "FACERECOG_FLIP", "true", json!(true)),
        ("threads", "FACERECOG_THREADS", "3", json!(3)),
        ("verify", "FACERECOG_VERIFY", "header", json!("header")),
        ("queue_length", "FACERECOG_QUEUE_LENGTH", "17", json!(17)),
        ("request_timeout_seconds", "FACERECOG_REQUEST_TIMEOUT_SECONDS", "5", json!(5)),
        ("max_request_mib", "FACERECOG_MAX_REQUEST_MIB", "8", json!(8)),
        ("max_connections", "FACERECOG_MAX_CONNECTIONS", "9", json!(9)),
        ("max_streams", "FACERECOG_MAX_STREAMS", "7", json!(7)),
        ("grace_seconds", "FACERECOG_GRACE_SECONDS", "20", json!(20)),
        ("drain_delay_seconds", "FACERECOG_DRAIN_DELAY_SECONDS", "2", json!(2)),
        ("min_face", "FACERECOG_MIN_FACE", "20.5", json!(20.5)),
        ("min_score", "FACERECOG_MIN_SCORE", "0.5", json!(0.5)),
        ("max_faces", "FACERECOG_MAX_FACES", "4", json!(4)),
        ("try_turned", "FACERECOG_TRY_TURNED", "true", json!(true)),
        ("photos_per_person", "FACERECOG_PHOTOS_PER_PERSON", "3", json!(3)),
        ("templates", "FACERECOG_TEMPLATES", "true", json!(true)),
        ("threshold", "FACERECOG_THRESHOLD", "0.5", json!(0.5)),
        ("fmr", "FACERECOG_FMR", "0.001", json!(0.001)),
        ("max_file_mib", "FACERECOG_MAX_FILE_MIB", "10", json!(10)),
        ("max_megapixels", "FACERECOG_MAX_MEGAPIXELS", "12", json!(12)),
        ("max_decode_mib", "FACERECOG_MAX_DECODE_MIB", "256", json!(256)),
        ("enrol_min_face", "FACERECOG_ENROL_MIN_FACE", "64.0", json!(64.0)),
        ("enrol_min_score", "FACERECOG_ENROL_MIN_SCORE", "0.75", json!(0.75)),
        ("reject_outliers", "FACERECOG_REJECT_OUTLIERS", "true", json!(true)),
        ("tls_certificate", "FACERECOG_TLS_CERTIFICATE", "a.pem", json!("a.pem")),
        ("tls_key", "FACERECOG_TLS_KEY", "a.key", json!("a.key")),
        ("tls_client_ca", "FACERECOG_TLS_CLIENT_CA", "ca.pem", json!("ca.pem")),
        ("token_file", "FACERECOG_TOKEN_FILE", "token", json!("token")),
        ("allow_unauthenticated_changes", "FACERECOG_ALLOW_UNAUTHENTICATED_CHANGES", "true", json!(true)),
        ("log_format", "FACERECOG_LOG_FORMAT", "json", json!("json")),
        ("log_level", "FACERECOG_LOG_LEVEL", "debug", json!("debug")),
        ("log_paths", "FACERECOG_LOG_PATHS", "true", json!(true)),
    ]
}

/// `image_roots` is given one at a time: `--image-root`.
fn flag(key: &str) -> String {
    format!("--{}", if key == "image_roots" { "image-root" } else { key }.replace('_', "-"))
}

fn in_toml(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(in_toml).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

fn config(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = support::recognizer();
    command.arg("config").args(arguments).envs(environment.iter().copied()).current_dir(dir);
    support::run(&mut command)
}

fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", support::complaints(output));
    support::records(output).remove(0)
}

#[test]
fn every_setting_has_a_flag_a_variable_and_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let defaults = printed(&config(dir.path(), &["--json"], &[]));
    for (key, variable, text, value) in settings() {
        // A certificate is of no use without its key, and the other way round.
        let companions: &[(&str, &str)] = match key {
            "tls_certificate" => &[("FACERECOG_TLS_KEY", "x")],
            "tls_key" => &[("FACERECOG_TLS_CERTIFICATE", "x")],
            "tls_client_ca" => &[("FACERECOG_TLS_KEY", "x"), ("FACERECOG_TLS_CERTIFICATE", "x")],
            _ => &[],
        };
        assert_ne!(defaults.get(key), Some(&value), "{key}: the test is to set something else");
        let by_flag = match text {
            "true" => config(dir.path(), &["--json", &flag(key)], companions),
            _ => config(dir.path(), &["--json", &flag(key), text], companions),
        };
        assert_eq!(printed(&by_flag)[key], value, "{}", flag(key));
        let by_variable = [companions, &[(variable, text)]].concat();
        assert_eq!(printed(&config(dir.path(), &["--json"], &by_variable))[key], value, "{variable}");
        std::fs::write(dir.path().join("server.toml"), format!("{key} = {}\n", in_toml(&value))).unwrap();
        let by_file = config(dir.path(), &["--json", "--config", "server.toml"], companions);
        assert_eq!(printed(&by_file)[key], value, "{key} in a file");
    }
}

#[test]
fn all_settings_at_once_are_printed_and_printed_they_are_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let environment: Vec<(&str, &str)> = settings().iter().map(|&(_, variable, text, _)| (variable, text)).collect();
    let all = printed(&config(dir.path(), &["--json"], &environment));
    let mut wanted: Vec<&str> = settings().iter().map(|&(key, ..)| key).collect();
    wanted.sort_unstable();
    let mut keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, wanted, "a setting is missing here or there");

    let text = config(dir.path(), &[], &environment);
    std::fs::write(dir.path().join("server.toml"), &text.stdout).unwrap();
    assert_eq!(printed(&config(dir.path(), &["--json"], &[("FACERECOG_CONFIG", "server.toml")])), all);
}

#[test]
fn a_flag_beats_a_variable_a_variable_the_file_and_the_file_the_default() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.toml"), "max_faces = 1\nmin_face = 21\npack = \"fast\"\n").unwrap();
    let environment = [("FACERECOG_MAX_FACES", "2"), ("FACERECOG_MIN_FACE", "22"), ("FACERECOG_CONFIG", "a.toml")];
    let found = printed(&config(dir.path(), &["--json", "--max-faces", "3"], &environment));
    assert_eq!((&found["max_faces"], &found["min_face"]), (&json!(3), &json!(22.0)));
    assert_eq!((&found["pack"], &found["index"]), (&json!("fast"), &json!("facerecog-index/fast")));
    assert_eq!(found["max_file_mib"], 64);
}

#[test]
fn what_is_wrong_is_named_by_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    for (text, says) in [
        ("known = \"a\"\nimage_root = [\"b\"]\n", &["a.toml, line 2", "image_root", "image_roots"][..]),
        ("\nmax_faces = \"many\"\n", &["a.toml, line 2, max_faces"]),
        ("\n\nmax_faces = 0\n", &["a.toml, line 3, max_faces", "at least 1"]),
        ("verify = \"some\"\n", &["a.toml, line 1, verify", "full"]),
        ("known = \n", &["a.toml, line 1"]),
        ("tls_key = \"k\"\n", &["a.toml, line 1, tls_key", "tls_certificate"]),
    ] {
        std::fs::write(dir.path().join("a.toml"), text).unwrap();
        for name in ["config", "serve"] {
            let mut command = support::recognizer();
            command.args([name, "--config", "a.toml"]).current_dir(dir.path());
            let output = support::run(&mut command);
            let message = support::complaints(&output);
            assert_eq!(output.status.code(), Some(2), "{text:?}: {message}");
            for word in says {
                assert!(message.contains(word), "{text:?}: {message:?} does not say {word:?}");
            }
        }
    }
    let output = config(dir.path(), &["--config", "nowhere.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(support::complaints(&output).contains("nowhere.toml"));
    let output = config(dir.path(), &[], &[("FACERECOG_MIN_SCORE", "7")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(support::complaints(&output).contains("min-score"));
}

#[test]
fn what_is_in_the_files_of_secrets_is_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "s3cret-token").unwrap();
    std::fs::write(dir.path().join("server.key"), "s3cret-key").unwrap();
    let arguments = ["--token-file", "token", "--tls-certificate", "server.pem", "--tls-key", "server.key"];
    let output = config(dir.path(), &arguments, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("token_file = \"token\"") && text.contains("tls_key = \"server.key\""), "{text}");
    assert!(!text.contains("s3cret") && !support::complaints(&config(dir.path(), &arguments, &[])).contains("s3cret"));
}

#[test]
fn the_page_for_operators_has_every_setting() {
    let page = std::fs::read_to_string(support::repository().join("docs/operators.md")).unwrap();
    for (key, variable, ..) in settings() {
        assert!(page.contains(&format!("| `{key}` |")), "{key}");
        assert!(page.contains(&format!("`{variable}`")), "{variable}");
    }
}

/// The reasons that the server gives for refusals, as they are written in its source.
fn reasons_in(folder: &Path, reasons: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            reasons_in(&path, reasons);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        for before in ["Code::", "busy(", "bad_request("] {
            for rest in source.split(before).skip(1) {
                let name =
                    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(',').trim_start();
                let Some((reason, _)) = name.strip_prefix('"').and_then(|rest| rest.split_once('"')) else { continue };
                if reason.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                    reasons.insert(reason.to_owned());
                }
            }
        }
    }
}

#[test]
fn the_page_for_operators_has_every_reason_of_a_refusal() {
    let page = std::fs::read_to_string(support::repository().join("docs/operators.md")).unwrap();
    let mut reasons = BTreeSet::new();
    reasons_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/grpc"), &mut reasons);
    assert!(reasons.len() > 20, "{reasons:?}");
    let missing: Vec<&String> = reasons.iter().filter(|reason| !page.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
