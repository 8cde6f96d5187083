//! A pack as text of a manifest.

use facerecog_engine::align::Fit;
use facerecog_engine::embed::Metric;
use facerecog_engine::model::{Channels, DetectorEntry, EmbedderEntry, ModelFile};

use crate::eval::manifest_entry::{pack_table, string};

/// How fast the odds fall with distance for a pack that was not measured: a little slower than for those that were.
const SLOPE: f32 = 30.0;

/// What is written of a pack.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) description: String,
    pub(super) detector: DetectorEntry,
    pub(super) embedder: EmbedderEntry,
    pub(super) threshold: f32,
    /// What is said of the threshold.
    pub(super) about_threshold: String,
}

impl Entry<'_> {
    /// The tables of the pack, each under a heading of its own, so that `eval calibrate --write` finds its place.
    pub(super) fn text(&self) -> String {
        let table = pack_table(self.name);
        let Self { detector, embedder, threshold, .. } = self;
        let networks: String = detector.networks.iter().map(|file| format!("    {},\n", inline(file))).collect();
        let mut text = format!(
            "[{table}]\n\
             description = {description}\n\
             \n\
             [{table}.detector]\n\
             decoder = \"{decoder}\"\n\
             min_score = {min_score:?}\n\
             networks = [\n{networks}]\n\
             \n\
             [{table}.embedder]\n\
             network = {network}\n\
             input_side = {side}\n\
             channels = \"{channels}\"\n\
             mean = {mean:?}\n\
             scale = {scale:?}\n\
             template = {template:?}\n\
             fit = \"{fit}\"\n",
            description = string(&self.description),
            decoder = detector.decoder.name(),
            min_score = detector.min_score,
            network = inline(&embedder.network),
            side = embedder.input_side,
            channels = match embedder.channels {
                Channels::Rgb => "rgb",
                Channels::Bgr => "bgr",
            },
            mean = embedder.mean,
            scale = embedder.scale,
            template = embedder.template.map(<[f32; 2]>::from),
            fit = match embedder.fit {
                Fit::Crop => "crop",
                Fit::Photo => "photo",
            },
        );
        if embedder.flip {
            text += "flip = true\n";
        }
        text += &format!(
            "dims = {}\nmetric = \"{}\"\n\n",
            embedder.dims,
            match embedder.metric {
                Metric::Euclidean => "euclidean",
                Metric::Cosine => "cosine",
            }
        );
        if let Some(landmarks) = &embedder.landmarks {
            text += &format!(
                "[{table}.embedder.landmarks]\npredictor = {}\nregion = {:?}\ntemplate = {:?}\n\n",
                inline(&landmarks.predictor),
                <[f32; 4]>::from(landmarks.region),
                landmarks.template.map(<[f32; 2]>::from),
            );
        }
        text + &format!(
            "[{table}.decision]\n\
             # The threshold is {about}. Until error_rates are measured, probabilities are guesses around it.\n\
             threshold = {threshold:?}\n\
             probability = {{ midpoint = {threshold:?}, slope = {SLOPE:?} }}\n",
            about = self.about_threshold,
        )
    }
}

fn inline(file: &ModelFile) -> String {
    format!(
        "{{ file = {}, bytes = {}, sha256 = {}, licence = {}, source = {} }}",
        string(&file.file),
        file.bytes,
        string(&file.sha256),
        string(&file.licence),
        string(&file.source)
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use facerecog_engine::model::Manifest;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let builtin = Manifest::builtin();
        for pack in ["builtin", "fast"] {
            let of = builtin.entry(pack).unwrap();
            let mut embedder = of.embedder.clone();
            embedder.network.source = "a \"place\" \\ 赵".into();
            embedder.flip = true;
            let entry = Entry {
                name: "my.own",
                description: "mine, 'quoted' and \"quoted\"".into(),
                detector: of.detector.clone(),
                embedder: embedder.clone(),
                threshold: 1.128,
                about_threshold: "a guess".into(),
            };
            let text = entry.text();
            let manifest = Manifest::parse(&text, Path::new("m")).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let read = manifest.entry("my.own").unwrap();
            assert_eq!(format!("{:?}", read.detector), format!("{:?}", of.detector));
            assert_eq!(format!("{:?}", read.embedder), format!("{embedder:?}"));
            assert_eq!((read.decision.threshold, &read.description), (1.128, &entry.description));
            assert!(read.decision.error_rates.is_none());
        }
    }
}
