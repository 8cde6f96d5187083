//! What `recognizer eval` measures on LFW-dev: as accurate as the Python pipelines of the same networks (OpenCV's YuNet
//! and ONNX Runtime), the same numbers as scikit-learn and numpy compute, the bound on false matches of a search, and
//! the entries of the manifest.
//!
//! Photos are embedded once a pack and kept for the other measurements.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The Python pipelines on the same pairs: YuNet + dlib's network, and YuNet + MobileFaceNet.
const REFERENCES: [(&str, Reference); 2] = [
    ("builtin", Reference { accuracy: 0.9875, tar: 0.909, eer: 0.0119, quality_gain: 0.15 }),
    ("fast", Reference { accuracy: 0.99219, tar: 0.9775, eer: 0.0100, quality_gain: 0.3 }),
];

/// A pair of 3,200, which another CPU may put on the other side of a threshold.
const PAIR: f64 = 1.0 / 3200.0 + 1e-5;

/// What a pipeline reaches.
struct Reference {
    accuracy: f64,
    /// True accepts at a rate of false accepts of 1e-3.
    tar: f64,
    eer: f64,
    /// Not a pipeline's: what is asked of the quality, see `eval quality`.
    quality_gain: f64,
}

/// People of the gallery.
const GALLERY: usize = 1000;

/// LFW-dev and what is measured on it.
struct Measurement<'a> {
    pack: &'a str,
    shared: &'a Path,
    lfw: PathBuf,
    dir: &'a Path,
}

impl Measurement<'_> {
    /// The answer of `recognizer eval`, with the embeddings of the measurement before.
    fn eval(&self, arguments: &[&str], paths: &[&Path]) -> Value {
        let mut command = support::recognizer();
        command.args(["--json", "--pack", self.pack, "--models"]).arg(self.shared.join("models")).arg("eval");
        command.args(arguments).args(paths).arg("--embeddings").arg(self.embeddings());
        let output = support::run(&mut command);
        assert!(output.status.success(), "{}", support::complaints(&output));
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    fn embeddings(&self) -> PathBuf {
        self.dir.join(format!("{}.embeddings", self.pack))
    }

    /// The same numbers, computed by `tests/peers/eval_metrics.py`.
    fn again(&self, arguments: &[&Path]) -> Value {
        let mut script = support::peers::script("eval_metrics.py");
        serde_json::from_slice(&support::peers::output_of(script.args(arguments))).expect("one JSON object")
    }

    fn verification(&self, reference: &Reference) {
        let scores = self.dir.join("scores.csv");
        let lists = ["pairsDevTrain.csv", "pairsDevTest.csv"].map(|list| self.lfw.join(list));
        let measured =
            self.eval(&["verification", "--root"], &[&self.lfw, &lists[0], &lists[1], Path::new("--scores"), &scores]);
        println!("{} {measured}", self.pack);
        assert_eq!((number(&measured, "/pairs"), number(&measured, "/photos")), (3200.0, 4992.0));
        // A photo without a face falls back to its middle; more than a few would be a broken detector.
        assert!(number(&measured, "/photos_without_face") <= 5.0);
        assert!(number(&measured, "/accuracy/mean") >= reference.accuracy - PAIR, "{}: {measured}", self.pack);
        assert!(number(&measured, "/tar_at_far/1e-3") >= reference.tar - 2.0 * PAIR, "{}: {measured}", self.pack);
        assert!(number(&measured, "/eer") <= reference.eer + PAIR, "{}: {measured}", self.pack);
        assert!(number(&measured, "/tar_at_far/1e-3") <= number(&measured, "/tar_at_far/1e-2"));
        let again = self.again(&[Path::new("verification"), &scores]);
        agree(&measured, &again, &["/auc", "/eer", "/tar_at_far/1e-2", "/tar_at_far/1e-3"]);
        let [low, high] = ["/intervals/eer/0", "/intervals/eer/1"].map(|end| number(&measured, end));
        assert!(low < number(&measured, "/eer") && number(&measured, "/eer") < high && high < 0.03, "{measured}");
    }

    /// Errors go away when the worst photos are rejected, and more of them than by the detector's score or by lot.
    fn quality(&self, least_gain: f64) {
        let scores = self.dir.join("qualities.csv");
        let lists = ["pairsDevTrain.csv", "pairsDevTest.csv"].map(|list| self.lfw.join(list));
        let measured =
            self.eval(&["quality", "--root"], &[&self.lfw, &lists[0], &lists[1], Path::new("--scores"), &scores]);
        println!("{} {measured}", self.pack);
        let again = self.again(&[Path::new("quality"), &scores]);
        for (index, judge) in ["quality", "detector_score"].iter().enumerate() {
            assert_eq!(measured["judges"][index]["judge"], *judge);
            for key in ["area", "gain"] {
                let ours = number(&measured, &format!("/judges/{index}/{key}"));
                assert!((ours - number(&again, &format!("/{judge}/{key}"))).abs() < 1e-6, "{judge} {key}: {again}");
            }
        }
        for index in 0..7 {
            let ours = number(&measured, &format!("/curve/{index}/miss_rate"));
            assert!((ours - number(&again, &format!("/quality/curve/{index}"))).abs() < 1e-6, "{index}: {again}");
        }
        let gains = [0, 1].map(|index| number(&measured, &format!("/judges/{index}/gain")));
        assert!(gains[0] >= least_gain && gains[0] > gains[1], "{}: {measured}", self.pack);
        assert!(number(&measured, "/judges/0/interval/0") > 0.0, "no better than by lot: {measured}");
    }

    /// A gallery of 1,000 people by one photo each, their other photos, and one photo of everybody else.
    fn identification(&self) {
        let list = self.dir.join("people.csv");
        fs::write(&list, self.people()).unwrap();
        let measured = self.eval(&["identification", "--root"], &[&self.lfw, &list]);
        println!("{} {measured}", self.pack);
        assert_eq!(number(&measured, "/gallery"), GALLERY as f64);
        // The promise is 1 %, and the search does not give away much more or less.
        let stated = number(&measured, "/stated_false_match_rate");
        assert!((0.009..=0.010_01).contains(&stated), "{measured}");
        let [mean, low, high] =
            ["mean", "low", "high"].map(|end| number(&measured, &format!("/false_match_rate/{end}")));
        assert!(low <= stated && mean <= 1.5 * stated, "more strangers get a name than is stated: {measured}");
        assert!(high >= stated / 2.0, "far fewer strangers get a name than is stated: {measured}");

        let threshold = Path::new("0.9");
        let decided = self.eval(&["identification", "--threshold", "0.9", "--root"], &[&self.lfw, &list]);
        let again = self.again(&[Path::new("identification"), &self.embeddings(), &self.lfw, &list, threshold]);
        agree(&measured, &again, &["/gallery", "/probes", "/rank1", "/dir_at_far/1e-2", "/dir_at_far/1e-3"]);
        for rate in ["false_match_rate", "miss_rate"] {
            let (ours, theirs) = (number(&decided, &format!("/{rate}/mean")), number(&again, &format!("/{rate}")));
            assert!((ours - theirs).abs() < 1e-9, "{rate}: {ours} is not {theirs}");
        }
    }

    /// People by how many photos there are of them: those of several are known, those of one strangers.
    fn people(&self) -> String {
        let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for folder in fs::read_dir(self.lfw.join("images")).unwrap() {
            let folder = folder.unwrap();
            let name = folder.file_name().into_string().unwrap();
            let photos =
                fs::read_dir(folder.path()).unwrap().map(|photo| photo.unwrap().file_name().into_string().unwrap());
            let mut photos: Vec<String> = photos.map(|photo| format!("images/{name}/{photo}")).collect();
            photos.sort();
            people.insert(name, photos);
        }
        let (several, single): (Vec<_>, Vec<_>) = people.iter().partition(|(_, photos)| photos.len() > 1);
        let mut list = "role,person,image\n".to_owned();
        for (name, photos) in &several[..GALLERY] {
            list += &format!("gallery,{name},{}\n", photos[0]);
            photos[1..].iter().for_each(|photo| list += &format!("probe,{name},{photo}\n"));
        }
        for (name, photos) in several[GALLERY..].iter().chain(&single) {
            list += &format!("probe,{name},{}\n", photos[0]);
        }
        list
    }

    /// The entry of the manifest comes from these photos, and from no others.
    fn calibration(&self) {
        let images = self.lfw.join("images");
        let entry = facerecog_engine::model::Manifest::builtin().entry(self.pack).unwrap().decision.error_rates.clone();
        let entry = entry.expect("the pack is calibrated");
        let measured = self.eval(&["calibrate", "--data", &entry.data, "--date", &entry.date], &[&images]);
        let noted = serde_json::to_value(&entry).unwrap();
        for key in ["people", "photos", "photos_without_face", "same_pairs", "different_pairs"] {
            assert_eq!(measured["error_rates"][key], noted[key], "{key}");
        }
        // CPUs of another kind differ in the last bits, and so may the last digit of a threshold.
        for (index, point) in entry.operating_points.iter().enumerate() {
            let at = |key: &str| number(&measured, &format!("/error_rates/operating_points/{index}/{key}"));
            let differ = (at("threshold") - f64::from(point.threshold)).abs();
            assert!(differ < if point.extrapolated { 2e-3 } else { 3e-4 }, "{point:?} is not {measured}");
            assert_eq!(at("false_match_rate"), point.false_match_rate);
        }
    }
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} of {value}"))
}

fn agree(ours: &Value, theirs: &Value, pointers: &[&str]) {
    for pointer in pointers {
        let (a, b) = (number(ours, pointer), number(theirs, pointer));
        assert!((a - b).abs() < 1e-6, "{pointer}: {a} is not {b}");
    }
}

#[test]
fn both_packs_are_as_accurate_as_they_say() {
    let Some(shared) = support::shared("both_packs_are_as_accurate_as_they_say") else { return };
    for (pack, reference) in REFERENCES {
        let dir = tempfile::tempdir().unwrap();
        let measurement = Measurement { pack, shared: &shared, lfw: shared.join("data/lfw-dev"), dir: dir.path() };
        measurement.verification(&reference);
        measurement.calibration();
        measurement.identification();
        measurement.quality(reference.quality_gain);
    }
}
