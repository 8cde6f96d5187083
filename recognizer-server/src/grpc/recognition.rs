//! The job of recognising one photo, the same for every call that asks for it.

use std::sync::Arc;

use facerecog_engine::gallery::Gallery;
use facerecog_engine::recognizer::{RecognizeOptions, RecognizedFace, Recognizer};
use tonic::Status;

use super::jobs::{Caller, Jobs};
use super::photo_access::{PhotoAccess, PhotoFile};
use super::stages::{Stages, timed};
use super::status::identify_status;

/// A photo to be recognised.
#[derive(Debug)]
pub(super) struct RecognitionJob {
    pub(super) recognizer: Arc<Recognizer>,
    pub(super) photos: PhotoAccess,
    pub(super) jobs: Jobs,
    pub(super) gallery: Arc<Gallery>,
    pub(super) file: PhotoFile,
    pub(super) options: RecognizeOptions,
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
    /// Decodes and recognises: not for the network's threads.
    pub(super) fn run(self, caller: &Caller<'_>) -> Result<Recognized, Status> {
        let mut stages = Stages { waiting: caller.waited, decode: self.file.reading, ..Stages::default() };
        let result = self.recognize(caller, &mut stages);
        self.jobs.photo_done(&stages);
        result
    }

    fn recognize(&self, caller: &Caller<'_>, stages: &mut Stages) -> Result<Recognized, Status> {
        let photo = timed(&mut stages.decode, || self.photos.decode(&self.file))?;
        caller.still_waits()?;
        let recognition = self.recognizer.recognize(&photo, &self.gallery, &self.options);
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
