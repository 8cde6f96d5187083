//! What `recognizer eval verification` measures on the 3,200 pairs of LFW-dev: not more than 0.3
//! points under Python pipelines of the same networks (OpenCV's YuNet and ONNX Runtime).

mod support;

/// Accuracies of the Python pipelines: YuNet + dlib's network, and YuNet + MobileFaceNet.
const REFERENCES: [(&str, f64); 2] = [("builtin", 0.9875), ("fast", 0.9922)];

#[test]
fn both_packs_are_as_accurate_as_the_reference_pipelines() {
    let Some(shared) = support::shared("both_packs_are_as_accurate_as_the_reference_pipelines") else { return };
    let lfw = shared.join("data/lfw-dev");
    for (pack, reference) in REFERENCES {
        let output = support::run(
            support::recognizer()
                .args(["--json", "--pack", pack, "--models"])
                .arg(shared.join("models"))
                .args(["eval", "verification", "--root"])
                .arg(&lfw)
                .args(["pairsDevTrain.csv", "pairsDevTest.csv"].map(|list| lfw.join(list))),
        );
        assert!(output.status.success(), "{}", support::complaints(&output));
        let measured: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        println!("{measured}");
        let number = |pointer: &str| measured.pointer(pointer).and_then(serde_json::Value::as_f64).expect(pointer);
        assert_eq!((number("/pairs"), number("/photos")), (3200.0, 4992.0));
        // A photo without a face falls back to its middle; more than a few would be a broken detector.
        assert!(number("/photos_without_face") <= 5.0);
        assert!(number("/accuracy/mean") >= reference - 0.003, "{pack}: {measured}");
        // The shape of the report: a rate each, the stricter bound accepting no more.
        assert!(number("/tar_at_far/1e-3") <= number("/tar_at_far/1e-2"));
        assert!(number("/eer") < 0.02);
    }
}
