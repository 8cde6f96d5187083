//! `Recognize`: the faces of one photo and who they are like.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{RecognizeRequest, RecognizeResponse};

impl RecognizerService {
    pub(super) async fn recognize_photo(
        &self,
        _request: Request<RecognizeRequest>,
    ) -> Result<Response<RecognizeResponse>, Status> {
        Err(Status::unimplemented("Recognize"))
    }
}
