//! Decode, detect, align, embed and match behind one type.

use rayon::prelude::*;

use crate::detect::{DetectOptions, Detector, Face};
use crate::embed::{Embedder, Embedding, distance, similarity};
use crate::gallery::{Gallery, GalleryError};
use crate::model::{ModelError, Pack};
use crate::photo::Photo;

/// Finds, embeds and compares faces with one pack of models. Cheap to share: wrap it in an
/// [`std::sync::Arc`] and call it from as many threads as there are cores.
#[derive(Debug)]
pub struct Recognizer {
    pack: Pack,
    detector: Detector,
    embedder: Embedder,
    options: DetectOptions,
}

impl Recognizer {
    /// Loads the networks of `pack`.
    pub fn new(pack: Pack, options: DetectOptions) -> Result<Self, ModelError> {
        Ok(Self { detector: Detector::new(&pack)?, embedder: Embedder::new(&pack)?, pack, options })
    }

    /// The pack that ships inside this library.
    pub fn builtin() -> Result<Self, ModelError> {
        Self::new(Pack::builtin(), DetectOptions::default())
    }

    /// The pack in use.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Every face of a photo, largest first.
    pub fn detect(&self, photo: &Photo) -> Result<Vec<Face>, ModelError> {
        let min_score = self.options.min_score.unwrap_or(self.pack.entry().detector.min_score);
        self.detector.detect(photo, min_score, &self.options)
    }

    /// The embedding of one face of a photo.
    pub fn embed(&self, photo: &Photo, face: &Face) -> Result<Embedding, ModelError> {
        self.embedder.embed_chip(&self.embedder.chip(photo, &face.landmarks))
    }

    /// The embedding of a photo that is already an aligned crop; any other size is resized to the
    /// embedder's input.
    pub fn embed_chip(&self, chip: &Photo) -> Result<Embedding, ModelError> {
        self.embedder.embed_chip(chip)
    }

    /// The embedding of the middle of a photo that is known to show one face, for the case that the
    /// detector does not find it: the centred square of half the shorter side.
    pub fn embed_center_crop(&self, photo: &Photo) -> Result<Embedding, ModelError> {
        self.embedder.embed_center_crop(photo)
    }

    /// Every face of a photo with its embedding, largest first.
    pub fn embed_faces(&self, photo: &Photo) -> Result<Vec<(Face, Embedding)>, ModelError> {
        self.detect(photo)?
            .into_par_iter()
            .map(|face| self.embed(photo, &face).map(|embedding| (face, embedding)))
            .collect()
    }

    /// Every face of a photo, largest first, with the known person it is, if any.
    pub fn identify(&self, photo: &Photo, gallery: &Gallery) -> Result<Vec<IdentifiedFace>, IdentifyError> {
        let _ = (photo, gallery);
        todo!()
    }

    /// Compares two embeddings of this recognizer.
    pub fn compare(&self, a: &Embedding, b: &Embedding) -> Comparison {
        let decision = self.pack.decision();
        let distance = distance(a.values(), b.values());
        Comparison {
            same: decision.same(distance),
            similarity: similarity(distance),
            distance,
            probability: decision.probability.probability(distance),
            threshold: decision.threshold,
        }
    }
}

/// Why a photo could not be identified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// A network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The gallery was written with another embedder, or is broken.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
}

/// A face and who it is.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifiedFace {
    /// Where it is.
    pub face: Face,
    /// The nearest known photo, when it is within the pack's threshold.
    pub best: Option<Match>,
}

/// A known photo that a face is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Name of the known photo's file, byte for byte.
    pub image_name: String,
    /// The person on it.
    pub person: String,
    /// `1 − distance²/2`: 1 for the same photo.
    pub similarity: f32,
    /// Euclidean distance of the embeddings.
    pub distance: f32,
    /// How likely both are the same person, 0…1, as calibrated for the pack.
    pub probability: f32,
}

/// Two faces compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Whether the distance is under the pack's threshold.
    pub same: bool,
    /// `1 − distance²/2`.
    pub similarity: f32,
    /// Euclidean distance of the embeddings.
    pub distance: f32,
    /// How likely both are the same person, 0…1, as calibrated for the pack.
    pub probability: f32,
    /// The pack's threshold, a distance.
    pub threshold: f32,
}
