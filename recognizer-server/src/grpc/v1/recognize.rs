//! `Recognize`: the faces of one photo and who they are like.

use std::sync::Arc;
use std::time::Instant;

use tonic::{Request, Response, Status};

use super::proto::{RecognizeRequest, RecognizeResponse};
use super::question::Question;
use super::{RecognizerService, answer};
use crate::grpc::call::{Call, within};
use crate::grpc::jobs::Place;
use crate::grpc::recognition::RecognitionJob;

impl RecognizerService {
    pub(super) async fn recognize_photo(
        &self,
        request: Request<RecognizeRequest>,
    ) -> Result<Response<RecognizeResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        let question = Question::new(request.photo, request.options)?;
        let deadline = call.deadline();
        let place = self.jobs.place(deadline)?;
        within(deadline, self.answer(question, place, deadline, call)).await.map(Response::new)
    }

    /// Answers one question; the memory that its message takes is `held` until the work is done.
    pub(super) async fn answer(
        &self,
        question: Question,
        place: Place,
        deadline: Instant,
        held: impl Send + 'static,
    ) -> Result<RecognizeResponse, Status> {
        let job = RecognitionJob {
            recognizer: Arc::clone(&self.engine),
            photos: self.photos.clone(),
            jobs: self.jobs.clone(),
            gallery: self.live.gallery().await?,
            rule: self.rule,
            options: question.options,
        };
        let recognized = job.run(question.source, place, deadline, held).await?;
        Ok(answer::recognize_response(recognized, question.include_embeddings))
    }
}
