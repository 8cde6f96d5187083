//! `Verify`: whether two photos show the same person.

use facerecog_engine::model::ModelError;
use facerecog_engine::recognizer::EmbeddedFace;
use tonic::{Request, Response, Status};

use super::proto::{VerifyRequest, VerifyResponse};
use super::question::photo_source;
use super::{RecognizerService, answer};
use crate::grpc::call::{Call, within};
use crate::grpc::jobs::{Caller, Place};
use crate::grpc::photo_access::{PhotoFile, PhotoSource};
use crate::grpc::stages::{Stages, timed};
use crate::grpc::status::{decision_status, identify_status, of_photo};

impl RecognizerService {
    pub(super) async fn verify_photos(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let first = photo_source(request.first).map_err(|status| of_photo("first", &status))?;
        let second = photo_source(request.second).map_err(|status| of_photo("second", &status))?;
        let deadline = call.deadline();
        let place = self.jobs.place(deadline)?;
        within(deadline, self.compare(first, second, place, call)).await.map(Response::new)
    }

    async fn compare(
        &self,
        first: PhotoSource,
        second: PhotoSource,
        place: Place,
        call: Call,
    ) -> Result<VerifyResponse, Status> {
        let deadline = call.deadline();
        let (place, first) = self.photos.fetch(first, place).await.map_err(|status| of_photo("first", &status))?;
        let (place, second) = self.photos.fetch(second, place).await.map_err(|status| of_photo("second", &status))?;
        let pixels = first.pixels + second.pixels;
        let service = self.clone();
        let work = move |caller: &Caller<'_>| {
            let reading = first.reading + second.reading;
            let mut stages = Stages { waiting: caller.waited, decode: reading, ..Stages::default() };
            let compared = service.compare_largest(&first, &second, caller, &mut stages);
            service.jobs.photo_done(&stages);
            drop(call);
            compared
        };
        place.run(deadline, pixels, work).await
    }

    /// Decodes: not for the network's threads.
    fn compare_largest(
        &self,
        first: &PhotoFile,
        second: &PhotoFile,
        caller: &Caller<'_>,
        stages: &mut Stages,
    ) -> Result<VerifyResponse, Status> {
        let first = self.largest_face(first, stages).map_err(|status| of_photo("first", &status))?;
        caller.still_waits()?;
        let second = self.largest_face(second, stages).map_err(|status| of_photo("second", &status))?;
        let shown =
            |found: &Option<EmbeddedFace>| found.as_ref().map(|found| answer::face(&found.face, &found.quality));
        let pack = self.engine.pack();
        let decided = pack.decision().for_search(self.rule, 1, pack.name());
        let mut response = VerifyResponse {
            threshold: decided.map_err(|error| decision_status(&error))?.threshold,
            first: shown(&first),
            second: shown(&second),
            ..VerifyResponse::default()
        };
        if let (Some(first), Some(second)) = (&first, &second) {
            let comparison = self.engine.compare(&first.embedding, &second.embedding);
            response.same = comparison.distance < response.threshold;
            response.similarity = comparison.similarity;
            response.distance = comparison.distance;
            response.probability = comparison.probability;
        }
        Ok(response)
    }

    fn largest_face(&self, file: &PhotoFile, stages: &mut Stages) -> Result<Option<EmbeddedFace>, Status> {
        let network_failed = |error: ModelError| identify_status(&error.into());
        let photo = timed(&mut stages.decode, || self.photos.decode(file, &self.engine, 0.0))?;
        let faces = timed(&mut stages.detect, || self.engine.detect(&photo));
        let Some(face) = faces.map_err(network_failed)?.into_iter().next() else { return Ok(None) };
        stages.faces += 1;
        timed(&mut stages.embed, || self.engine.embed(&photo, &face)).map(Some).map_err(network_failed)
    }
}
