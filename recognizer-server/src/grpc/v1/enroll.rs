//! `Enroll`: a photo of a person, checked, kept and known from the answer on.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{EnrollRequest, EnrollResponse};

impl RecognizerService {
    pub(super) async fn enroll_photo(
        &self,
        _request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        Err(Status::unimplemented("Enroll"))
    }
}
