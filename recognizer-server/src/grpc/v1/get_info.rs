//! `GetInfo`: what runs here.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{GetInfoRequest, GetInfoResponse};

impl RecognizerService {
    pub(super) async fn info(&self, _request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        Err(Status::unimplemented("GetInfo"))
    }
}
