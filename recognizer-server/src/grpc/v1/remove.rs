//! `Remove`: a photo or a person is forgotten.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{RemoveRequest, RemoveResponse};

impl RecognizerService {
    pub(super) async fn remove_photos(
        &self,
        _request: Request<RemoveRequest>,
    ) -> Result<Response<RemoveResponse>, Status> {
        Err(Status::unimplemented("Remove"))
    }
}
