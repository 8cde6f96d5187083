//! What docs/pipeline.md tells operators, held against the programs: nothing is missing there, and nothing is made up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pipeline.md")).expect("the page")
}

/// What the help tells of an option.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Setting {
    flag: String,
    variable: String,
    default: Option<String>,
}

/// The settings of every service, with the services that have them.
fn settings() -> BTreeMap<Setting, Vec<&'static str>> {
    let mut settings = BTreeMap::<_, Vec<_>>::new();
    for service in ["all", "receiver", "processor", "redeemer", "frontend"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
        let output = command.env_clear().args([service, "--help"]).output().expect("pipeline runs");
        assert!(output.status.success(), "{service}");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        let help = help.split("\nExample").next().expect("the options");
        for option in help.split("\n      --").skip(1) {
            let text = option.split_whitespace().collect::<Vec<_>>().join(" ");
            let between = |before: &str| text.rsplit_once(before)?.1.split_once(']');
            let (variable, _) = between("[env: ").unwrap_or_else(|| panic!("{service}: no variable in {text:?}"));
            let variable = variable.trim_end_matches('=').to_owned();
            // `[::]:9464` has a bracket of its own.
            let default = text.rsplit_once("[default: ").and_then(|(_, rest)| rest.rsplit_once(']'));
            let default = default.map(|(default, _)| default.to_owned());
            let flag = format!("--{}", text.split([' ', '=']).next().expect("a name"));
            settings.entry(Setting { flag, variable, default }).or_default().push(service);
        }
    }
    settings
}

/// The rows of the page's tables, each as its cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").collect())
        .collect()
}

fn words<'t>(text: &'t str) -> impl Iterator<Item = &'t str> + 't {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_setting_is_told_with_its_variable_and_default() {
    let page = page();
    let rows = rows(&page);
    let settings = settings();
    assert!(settings.len() > 35, "{settings:?}");
    let mut told = BTreeSet::new();
    for (Setting { flag, variable, default }, services) in &settings {
        let cells = [format!("`{flag}`"), format!("`{variable}`")];
        let of_it: Vec<_> = rows.iter().filter(|row| row.len() == 4 && row[..2] == cells).collect();
        assert!(!of_it.is_empty(), "no row for {flag}, {variable} of {services:?}");
        // A sentence is told in other words.
        if let Some(default) = default.as_ref().filter(|default| !default.contains([' ', ','])) {
            let told = of_it.iter().any(|row| words(row[2]).any(|word| word == default));
            assert!(told, "{flag} of {services:?} is {default} by default: {of_it:?}");
        }
        told.insert((cells[0].clone(), cells[1].clone()));
    }
    for row in rows.iter().filter(|row| row[0].starts_with("`--")) {
        assert!(told.contains(&(row[0].to_owned(), row[1].to_owned())), "there is no such setting: {row:?}");
    }
}

/// Statuses and codes of refusals, as they are written in the receiver's source.
fn refusals() -> BTreeSet<(u16, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/receiver/error.rs");
    let source = fs::read_to_string(source).expect("the source");
    let refusal = |text: &str| {
        let (status, rest) = text.split_once(", \"")?;
        let status = match status {
            "BAD_REQUEST" => 400,
            "NOT_FOUND" => 404,
            "METHOD_NOT_ALLOWED" => 405,
            "REQUEST_TIMEOUT" => 408,
            "PAYLOAD_TOO_LARGE" => 413,
            "UNSUPPORTED_MEDIA_TYPE" => 415,
            "INTERNAL_SERVER_ERROR" => 500,
            "SERVICE_UNAVAILABLE" => 503,
            _ => panic!("no number for {status}"),
        };
        Some((status, rest.split_once("\")")?.0.to_owned()))
    };
    source.split("(StatusCode::").skip(1).filter_map(refusal).collect()
}

#[test]
fn every_refusal_of_the_receiver_is_told_with_its_status() {
    let page = page();
    let is_status = |cell: &str| cell.parse::<u16>().ok();
    let told: BTreeSet<(u16, String)> = rows(&page)
        .iter()
        .filter_map(|row| Some((is_status(row[0])?, row[1])))
        .flat_map(|(status, codes)| words(codes).map(move |code| (status, code.to_owned())))
        .collect();
    let refusals = refusals();
    assert!(refusals.len() > 15, "{refusals:?}");
    assert_eq!(told, refusals);
}
