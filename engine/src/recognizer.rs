//! Decode, detect, align, embed and match behind one type.

use std::time::{Duration, Instant};

use crate::detect::{DetectOptions, Detector, Face};
use crate::embed::{Embedder, Embedding, distance, similarity};
use crate::gallery::{EnrolRefusal, EnrolledFace, EnrolmentEmbedder, Gallery, GalleryError, Hit, PersonScore};
use crate::model::{ModelError, Pack};
use crate::parallel;
use crate::photo::{self, Decoded, Limits, Photo, PhotoError, ReducedPhoto, View};
use crate::quality::{FaceMeasurements, FaceQuality};

/// Finds, embeds and compares faces with one pack of models. Cheap to share: wrap it in an
/// [`std::sync::Arc`] and call it from as many threads as there are cores.
#[derive(Debug)]
pub struct Recognizer {
    pack: Pack,
    detector: Detector,
    embedder: Embedder,
    options: DetectOptions,
    person_score: PersonScore,
}

impl Recognizer {
    /// Loads the networks of `pack`.
    pub fn new(pack: Pack, options: DetectOptions) -> Result<Self, ModelError> {
        let (detector, embedder) = (Detector::new(&pack)?, Embedder::new(&pack)?);
        Ok(Self { detector, embedder, pack, options, person_score: PersonScore::default() })
    }

    /// Compares a face with each person as `score` says: it is the distance of a [`Match`], and what the threshold
    /// is held against. By default the nearest photo counts alone.
    pub fn with_person_score(self, score: PersonScore) -> Self {
        Self { person_score: score, ..self }
    }

    /// The pack that ships inside this library.
    pub fn builtin() -> Result<Self, ModelError> {
        Self::new(Pack::builtin(), DetectOptions::default())
    }

    /// The pack in use.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Decodes a photo held in memory as large as it takes to find its faces of at least `min_face` pixels, and of the
    /// recognizer's own least size: much faster than the whole for large JPEG files. Whoever recognises faces on it
    /// has the file decoded anew for faces that are not sharp enough.
    ///
    /// # Errors
    /// As [`Photo::decode`].
    pub fn decode<'a>(
        &self,
        file: &'a [u8],
        limits: &'a Limits,
        min_face: f32,
    ) -> Result<ReducedPhoto<'a>, PhotoError> {
        let (width, height) = photo::claimed_size(file).unwrap_or_default();
        let reduction = self.detector.reduction(width, height, &self.options_from(min_face));
        ReducedPhoto::decode(file, limits, reduction)
    }

    /// Every face of a photo, largest first.
    pub fn detect<'a>(&self, photo: impl Into<View<'a>>) -> Result<Vec<Face>, ModelError> {
        self.detect_from(photo.into(), 0.0)
    }

    /// Every face of at least `min_face` pixels, and of the recognizer's own least size.
    fn detect_from(&self, view: View<'_>, min_face: f32) -> Result<Vec<Face>, ModelError> {
        let options = self.options_from(min_face);
        let min_score = options.min_score.unwrap_or(self.pack.entry().detector.min_score);
        self.detector.detect(view, min_score, &options)
    }

    fn options_from(&self, min_face: f32) -> DetectOptions {
        DetectOptions { min_face: self.options.min_face.max(min_face), ..self.options.clone() }
    }

    /// The embedding of one face of a photo, and its quality. A reduced photo is decoded anew when the face takes more
    /// of it.
    pub fn embed<'a>(&self, photo: impl Into<View<'a>>, face: &Face) -> Result<EmbeddedFace, ModelError> {
        let view = photo.into();
        let sharper = self.sharper(view, std::slice::from_ref(face));
        self.embed_from(sharper.as_ref().map_or(view, View::from), face)
    }

    fn embed_from(&self, view: View<'_>, face: &Face) -> Result<EmbeddedFace, ModelError> {
        let chip = self.embedder.chip(view, &face.landmarks);
        let embedding = self.embedder.embed_chip(&chip)?;
        Ok(EmbeddedFace { face: face.clone(), quality: self.quality_of(face, &chip), embedding })
    }

    /// How well a face of a photo can be recognised, without embedding it.
    pub fn quality<'a>(&self, photo: impl Into<View<'a>>, face: &Face) -> FaceQuality {
        let view = photo.into();
        let sharper = self.sharper(view, std::slice::from_ref(face));
        self.quality_of(face, &self.chip(sharper.as_ref().map_or(view, View::from), face))
    }

    fn quality_of(&self, face: &Face, chip: &Photo) -> FaceQuality {
        let entry = self.pack.entry();
        FaceQuality::new(FaceMeasurements::new(face, chip, &entry.embedder.template), entry.detector.decoder)
    }

    /// The aligned crop of a face as the embedder takes it.
    pub fn chip<'a>(&self, photo: impl Into<View<'a>>, face: &Face) -> Photo {
        self.embedder.chip(photo, &face.landmarks)
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

    /// Every face of a photo with its quality and its embedding, largest first.
    pub fn embed_faces<'a>(&self, photo: impl Into<View<'a>>) -> Result<Vec<EmbeddedFace>, ModelError> {
        let view = photo.into();
        self.embed_all(view, self.detect(view)?)
    }

    fn embed_all(&self, view: View<'_>, faces: Vec<Face>) -> Result<Vec<EmbeddedFace>, ModelError> {
        let sharper = self.sharper(view, &faces);
        let view = sharper.as_ref().map_or(view, View::from);
        parallel::map(&faces, |face| self.embed_from(view, face)).into_iter().collect()
    }

    /// The photo decoded anew, as large as the least of the faces needs it, where that is larger than it is.
    fn sharper(&self, view: View<'_>, faces: &[Face]) -> Option<Decoded> {
        let needed = faces.iter().map(|face| self.embedder.reduction(&face.landmarks)).min()?;
        if needed < view.reduction() { view.sharper(needed) } else { None }
    }

    /// Every face of a photo, largest first, with the known person it is, if any.
    pub fn identify<'a>(
        &self,
        photo: impl Into<View<'a>>,
        gallery: &Gallery,
    ) -> Result<Vec<IdentifiedFace>, IdentifyError> {
        let recognition = self.recognize(photo, gallery, &RecognizeOptions::default())?;
        Ok(recognition.faces.into_iter().map(IdentifiedFace::from).collect())
    }

    /// Every face of a photo, largest first, with the known people it is like, as `options` say.
    pub fn recognize<'a>(
        &self,
        photo: impl Into<View<'a>>,
        gallery: &Gallery,
        options: &RecognizeOptions,
    ) -> Result<Recognition, IdentifyError> {
        let view = photo.into();
        let mut lap = Lap::start();
        let faces = self.detect_from(view, options.min_face)?;
        let detect = lap.end();
        let embedded = self.embed_all(view, faces)?;
        let embed = lap.end();
        let probes: Vec<&[f32]> = embedded.iter().map(|face| face.embedding.values()).collect();
        let matches = self.matches(&probes, gallery, options)?;
        let recognized =
            |(EmbeddedFace { face, quality, embedding }, matches)| RecognizedFace { face, quality, embedding, matches };
        let faces = embedded.into_iter().zip(matches).map(recognized).collect();
        Ok(Recognition { faces, detect, embed, search: lap.end() })
    }

    /// The known photo nearest to an embedding, when it is within the pack's threshold.
    pub fn best_match(&self, embedding: &Embedding, gallery: &Gallery) -> Result<Option<Match>, GalleryError> {
        let matches = self.matches(&[embedding.values()], gallery, &RecognizeOptions::default())?;
        Ok(matches.into_iter().flatten().next())
    }

    /// The known people nearest to each probe that are near enough, nearest first, each once.
    fn matches(
        &self,
        probes: &[&[f32]],
        gallery: &Gallery,
        options: &RecognizeOptions,
    ) -> Result<Vec<Vec<Match>>, GalleryError> {
        let decision = self.pack.decision();
        let near_enough = |hit: &Hit| match options.min_similarity {
            Some(least) => hit.similarity >= least,
            None => decision.same(hit.distance),
        };
        let matched = |hit: Hit| {
            let row = gallery.row(hit.row);
            Match {
                image_name: row.image_name.to_owned(),
                person: row.person.to_owned(),
                similarity: hit.similarity,
                distance: hit.distance,
                probability: decision.probability.probability(hit.distance),
            }
        };
        let nearest = gallery.nearest_people_many(probes, options.top_k, self.person_score)?;
        Ok(nearest.into_iter().map(|hits| hits.into_iter().take_while(near_enough).map(matched).collect()).collect())
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

impl EnrolmentEmbedder for Recognizer {
    fn embed(&self, bytes: &[u8], limits: &Limits) -> Result<EnrolledFace, EnrolRefusal> {
        let photo = self
            .decode(bytes, limits, 0.0)
            .map_err(|e| EnrolRefusal { code: e.kind.code().to_owned(), message: e.to_string() })?;
        let network_failed = |e: ModelError| EnrolRefusal { code: "model_failed".to_owned(), message: e.to_string() };
        let faces = self.detect(&photo).map_err(network_failed)?;
        let Some(face) = faces.first() else {
            return Err(EnrolRefusal { code: "no_face".to_owned(), message: "no face was found on it".to_owned() });
        };
        let EmbeddedFace { face, quality, embedding } = self.embed(&photo, face).map_err(network_failed)?;
        Ok(EnrolledFace {
            embedding,
            bbox: face.bbox,
            score: face.score,
            quality: quality.score,
            fault: quality.worst_fault(),
            faces_seen: faces.len() as u32,
        })
    }
}

/// A face and its embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedFace {
    /// Where it is.
    pub face: Face,
    /// How well it can be recognised.
    pub quality: FaceQuality,
    /// Its embedding.
    pub embedding: Embedding,
}

/// What to look for on a photo, and what to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognizeOptions {
    /// Known people named for each face, at most.
    pub top_k: usize,
    /// Faces smaller than this are left out, in pixels of the longer side. The recognizer's own
    /// [`DetectOptions::min_face`] holds besides.
    pub min_face: f32,
    /// Least similarity of a match; `None` for the pack's threshold.
    pub min_similarity: Option<f32>,
}

impl Default for RecognizeOptions {
    /// One person a face, of any size that the recognizer finds, within the pack's threshold.
    fn default() -> Self {
        Self { top_k: 1, min_face: 0.0, min_similarity: None }
    }
}

/// Who is on a photo, and how long it took to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognition {
    /// Every face, largest first.
    pub faces: Vec<RecognizedFace>,
    /// Time taken to find the faces.
    pub detect: Duration,
    /// Time taken to align and embed them.
    pub embed: Duration,
    /// Time taken to search the gallery for them.
    pub search: Duration,
}

/// A face, its embedding, and the known people it is like.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognizedFace {
    /// Where it is.
    pub face: Face,
    /// How well it can be recognised.
    pub quality: FaceQuality,
    /// Its embedding.
    pub embedding: Embedding,
    /// The nearest photo of each known person that is near enough, nearest person first.
    pub matches: Vec<Match>,
}

impl From<RecognizedFace> for IdentifiedFace {
    fn from(recognized: RecognizedFace) -> Self {
        Self { face: recognized.face, best: recognized.matches.into_iter().next() }
    }
}

/// Measures one stage after the other.
struct Lap(Instant);

impl Lap {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the last stage ended.
    fn end(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.0, now)
    }
}

/// Why a photo could not be identified.
#[derive(Debug, thiserror::Error)]
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
    /// Euclidean distance of the embeddings, or the mean of several, see [`Recognizer::with_person_score`].
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
