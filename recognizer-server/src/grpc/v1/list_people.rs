//! `ListPeople`: who is known.

use tonic::{Request, Response, Status};

use super::RecognizerService;
use super::proto::{ListPeopleRequest, ListPeopleResponse};

impl RecognizerService {
    pub(super) async fn list_known_people(
        &self,
        _request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        Err(Status::unimplemented("ListPeople"))
    }
}
