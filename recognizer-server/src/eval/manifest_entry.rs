//! Measured error rates as text of a manifest.

use facerecog_engine::model::ErrorRates;

/// The table of `pack`'s error rates, a line an operating point.
pub(crate) fn write(pack: &str, rates: &ErrorRates) -> String {
    let ErrorRates { data, date, people, photos, photos_without_face, same_pairs, different_pairs, .. } = rates;
    let (data, method) = (string(data), string(&rates.probability_method));
    let mut text = format!(
        "[{table}]\n\
         data = {data}\n\
         date = {date:?}\n\
         people = {people}\n\
         photos = {photos}\n\
         photos_without_face = {photos_without_face}\n\
         same_pairs = {same_pairs}\n\
         different_pairs = {different_pairs}\n\
         confidence = {confidence}\n\
         probability_method = {method}\n\
         probability = {{ midpoint = {midpoint}, slope = {slope} }}\n",
        table = table(pack),
        confidence = rates.confidence,
        midpoint = rates.probability.midpoint,
        slope = rates.probability.slope,
    );
    if let Some(tail) = &rates.extrapolation {
        text += &format!(
            "extrapolation = {{ method = {}, tail = {}, shape = {}, scale = {} }}\n",
            string(&tail.method),
            tail.tail,
            tail.shape,
            tail.scale
        );
    }
    text += "operating_points = [\n";
    for point in &rates.operating_points {
        let [low, high] = point.threshold_interval;
        let [miss_low, miss_high] = point.miss_rate_interval;
        text += &format!(
            "    {{ false_match_rate = {:e}, threshold = {:?}, threshold_interval = [{low:?}, {high:?}], miss_rate = {:?}, \
             miss_rate_interval = [{miss_low:?}, {miss_high:?}]{} }},\n",
            point.false_match_rate,
            point.threshold,
            point.miss_rate,
            if point.extrapolated { ", extrapolated = true" } else { "" },
        );
    }
    text + "]"
}

/// A manifest with these error rates in the place of the pack's own, or at its end when it has none. All other lines,
/// comments too, stay as they are.
pub(crate) fn replace(manifest: &str, pack: &str, rates: &ErrorRates) -> String {
    let heading = format!("[{}]", table(pack));
    let lines: Vec<&str> = manifest.lines().collect();
    let entry = write(pack, rates);
    let Some(from) = lines.iter().position(|line| line.trim() == heading) else {
        return format!("{}\n\n{entry}\n", manifest.trim_end());
    };
    // The table ends where the next begins, with what is said of that one above it.
    let next = lines[from + 1..].iter().position(|line| line.starts_with('[')).map_or(lines.len(), |i| from + 1 + i);
    let belongs_to_next = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let said = if next < lines.len() { lines[..next].iter().rev().take_while(belongs_to_next).count() } else { 0 };
    let mut kept: Vec<&str> = lines[..from].to_vec();
    kept.push(&entry);
    kept.extend(&lines[next - said..]);
    kept.join("\n") + "\n"
}

fn table(pack: &str) -> String {
    format!("{}.decision.error_rates", pack_table(pack))
}

/// The table of a pack, as a heading has it.
pub(crate) fn pack_table(pack: &str) -> String {
    let is_bare = !pack.is_empty() && pack.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    format!("packs.{}", if is_bare { pack.to_owned() } else { string(pack) })
}

/// A string of TOML.
pub(crate) fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use facerecog_engine::model::{Extrapolation, Logistic, Manifest, OperatingPoint};

    use super::*;

    fn rates() -> ErrorRates {
        let point = |false_match_rate, threshold, extrapolated| OperatingPoint {
            false_match_rate,
            threshold,
            threshold_interval: [threshold - 0.01, threshold + 0.01],
            miss_rate: 0.1234,
            miss_rate_interval: [0.0, 1.0],
            extrapolated,
        };
        ErrorRates {
            data: "Ada's \"photos\" \\ 赵".into(),
            date: "2026-01-02".into(),
            people: 3,
            photos: 5,
            photos_without_face: 1,
            same_pairs: 2,
            different_pairs: 8000,
            confidence: 0.95,
            extrapolation: Some(Extrapolation { method: "a tail".into(), tail: 1e-3, shape: -0.25, scale: 0.05 }),
            probability_method: "logistic".into(),
            probability: Logistic { midpoint: 0.6, slope: 40.0 },
            operating_points: vec![point(1e-2, 0.6, false), point(1e-8, 0.25, true)],
        }
    }

    fn measured(manifest: &str, pack: &str) -> Option<ErrorRates> {
        let manifest = Manifest::parse(manifest, Path::new("m")).unwrap_or_else(|error| panic!("{error}\n{manifest}"));
        manifest.entry(pack).unwrap().decision.error_rates.clone()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let manifest = replace(facerecog_models(), "builtin", &rates());
        assert_eq!(measured(&manifest, "builtin"), Some(rates()));
    }

    #[test]
    fn only_the_entry_changes() {
        let once = replace(facerecog_models(), "builtin", &rates());
        let mut other = rates();
        other.people = 77;
        let twice = replace(&once, "builtin", &other);
        assert_eq!(measured(&twice, "builtin"), Some(other));
        let differ: Vec<_> = once.lines().zip(twice.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(differ, [("people = 3", "people = 77")]);
        assert_eq!(once.lines().count(), twice.lines().count());
        // What is said of the next table stays above it.
        let manifest = "a\n[packs.x.decision.error_rates]\npeople = 1\n\n# of the next\n[next]\nb\n";
        let replaced = replace(manifest, "x", &rates());
        assert!(
            replaced.starts_with("a\n[packs.x") && replaced.ends_with("]\n\n# of the next\n[next]\nb\n"),
            "{replaced}"
        );
    }

    fn facerecog_models() -> &'static str {
        include_str!("../../../models/manifest.toml")
    }
}
