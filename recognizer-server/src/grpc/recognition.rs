//! The job of recognising one photo, the same for every call that asks for it.

use std::sync::Arc;
use std::time::Instant;

use facerecog_engine::embed::similarity;
use facerecog_engine::gallery::Gallery;
use facerecog_engine::model::DecisionRule;
use facerecog_engine::recognizer::{RecognizeOptions, RecognizedFace, Recognizer};
use tonic::Status;

use super::jobs::{Caller, Jobs, Place};
use super::photo_access::{PhotoAccess, PhotoFile, PhotoSource};
use super::stages::{Stages, timed};
use super::status::{decision_status, identify_status};

/// How a photo is to be recognised.
#[derive(Debug)]
pub(super) struct RecognitionJob {
    pub(super) recognizer: Arc<Recognizer>,
    pub(super) photos: PhotoAccess,
    pub(super) jobs: Jobs,
    pub(super) gallery: Arc<Gallery>,
    pub(super) options: RecognizeOptions,
    /// How sure a match has to be, where the caller says nothing of it.
    pub(super) rule: DecisionRule,
}

/// What was found on a photo.
#[derive(Debug)]
pub(super) struct Recognized {
    /// Size of the upright photo, in pixels.
    pub(super) size: (u32, u32),
    /// Every face, largest first.
    pub(super) faces: Vec<RecognizedFace>,
    /// Generation of the gallery that was searched.
    pub(super) generation: u64,
}

impl RecognitionJob {
    /// Recognises the photo of `source` when its turn has come. What is `held` is dropped when the work is done, which
    /// may be after the caller has left.
    pub(super) async fn run(
        self,
        source: PhotoSource,
        place: Place,
        deadline: Instant,
        held: impl Send + 'static,
    ) -> Result<Recognized, Status> {
        let (place, file) = self.photos.fetch(source, place).await?;
        let pixels = file.pixels;
        let work = move |caller: &Caller<'_>| {
            let mut stages = Stages { waiting: caller.waited, decode: file.reading, ..Stages::default() };
            let recognized = self.recognize(&file, caller, &mut stages);
            self.jobs.photo_done(&stages);
            drop(held);
            recognized
        };
        place.run(deadline, pixels, work).await
    }

    /// The caller's options, and what the rule asks of a match in a gallery of this size.
    fn options(&self) -> Result<RecognizeOptions, Status> {
        if self.rule == DecisionRule::Pack || self.options.min_similarity.is_some() {
            return Ok(self.options.clone());
        }
        let pack = self.recognizer.pack();
        let decided = pack.decision().for_search(self.rule, self.gallery.rows(), pack.name());
        let threshold = decided.map_err(|error| decision_status(&error))?.threshold;
        Ok(RecognizeOptions { min_similarity: Some(similarity(threshold)), ..self.options.clone() })
    }

    /// Decodes: not for the network's threads.
    fn recognize(&self, file: &PhotoFile, caller: &Caller<'_>, stages: &mut Stages) -> Result<Recognized, Status> {
        let min_face = self.options.min_face;
        let photo = timed(&mut stages.decode, || self.photos.decode(file, &self.recognizer, min_face))?;
        caller.still_waits()?;
        let recognition = self.recognizer.recognize(&photo, &self.gallery, &self.options()?);
        let recognition = recognition.map_err(|error| identify_status(&error))?;
        stages.detect = recognition.detect;
        stages.embed = recognition.embed;
        stages.search = recognition.search;
        stages.faces = recognition.faces.len();
        stages.known = recognition.faces.iter().filter(|face| !face.matches.is_empty()).count();
        let size = (photo.width(), photo.height());
        Ok(Recognized { size, faces: recognition.faces, generation: self.gallery.generation() })
    }
}
