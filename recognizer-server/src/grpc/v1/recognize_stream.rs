//! `RecognizeStream`: many photos over one stream.

use tonic::{Request, Response, Status, Streaming};

use super::proto::{RecognizeStreamRequest, RecognizeStreamResponse};
use super::{Answers, RecognizerService};

impl RecognizerService {
    pub(super) async fn recognize_photos(
        &self,
        _request: Request<Streaming<RecognizeStreamRequest>>,
    ) -> Result<Response<Answers<RecognizeStreamResponse>>, Status> {
        Err(Status::unimplemented("RecognizeStream"))
    }
}
