//! `Verify`: whether two photos show the same person.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{VerifyRequest, VerifyResponse};

impl RecognizerService {
    pub(super) async fn verify_photos(
        &self,
        _request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        Err(Status::unimplemented("Verify"))
    }
}
